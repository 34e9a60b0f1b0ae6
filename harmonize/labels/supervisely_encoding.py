"""Labels as Supervisely writes them: a JSON for each picture, whose objects it draws in order."""

import base64
import binascii
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray
from PIL import Image

from harmonize.errors import HarmonizeError
from harmonize.labels.drawn_shapes import DrawnShapes, Size
from harmonize.labels.filled_polygons import fill
from harmonize.labels.named_encoding import read_size
from harmonize.labels.regions import Region
from harmonize.pictures.limits import refuse_huge

# Letters of shapes: H x W pixels, h x w of a bitmap, P pixels of an object, N corners.

Contour = Int[ndarray, "N 2"]
_MOST_BYTES = 1 << 28
"""Of a bitmap's PNG."""


@dataclass(frozen=True)
class Supervisely(DrawnShapes):
    """Polygons with holes, bitmaps and rectangles, the later on top, as its SDK draws them."""

    name = "supervisely"

    key = "objects"
    tool = "Supervisely"

    def size_of(self, content: dict[str, Any], path: Path) -> Size:
        size = content.get("size")
        size = size if isinstance(size, dict) else {}
        return read_size(size.get("width"), size.get("height"), str(path))

    def regions_of(self, shapes: list[Any], size: Size, path: Path) -> Iterator[Region]:
        for number, one in enumerate(shapes, 1):
            what = f"object {number}"
            where = f"{path}: {what}"
            if not isinstance(one, dict) or not isinstance(one.get("classTitle"), str):
                raise HarmonizeError(f"{where}: has no `classTitle`")
            yield Region(
                what, one["classTitle"], _pixels(one, size, f"{where} ({one['classTitle']})")
            )


def _pixels(one: dict[str, Any], size: Size, where: str) -> Int[ndarray, " P"]:
    kind = one.get("geometryType") or one.get("shape") or ("bitmap" if "bitmap" in one else None)
    if kind == "bitmap":
        return _bitmap(one.get("bitmap"), size, where)
    if kind == "polygon":
        return _polygon(one.get("points"), size, where)
    if kind == "multipolygon":
        parts = one.get("parts")
        if not isinstance(parts, list):
            raise HarmonizeError(f"{where}: a multipolygon has a list `parts`")
        found = [_polygon(part, size, where) for part in parts]
        return np.concatenate([np.zeros(0, np.int64), *found])
    if kind == "rectangle":
        corners = _contour(_written(one.get("points"), where)[0], size, where, least=2)
        if len(corners) != 2:
            raise HarmonizeError(f"{where}: a rectangle has 2 points, got {len(corners)}")
        (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
        mask = np.ones((bottom - top + 1, right - left + 1), dtype=bool)
        return _placed(mask, left, top, size)
    raise HarmonizeError(
        f"{where}: a {kind or 'figure without `geometryType`'} says nothing about pixels; draw a "
        "polygon or a bitmap in its place"
    )


def _polygon(points: Any, size: Size, where: str) -> Int[ndarray, " P"]:
    """Return the pixels of a polygon, its edges included, without those of its holes."""
    exterior, interior = _written(points, where)
    outline = _contour(exterior, size, where, least=3)
    holes = [_contour(one, size, where, least=3) for one in interior]
    corner = outline.min(0).clip(0)
    box = np.minimum(outline.max(0) + 1, size) - corner
    if (box <= 0).any():
        return np.zeros(0, dtype=np.int64)
    width, height = box.tolist()
    mask = fill([outline - corner], (width, height))
    if holes:
        mask &= ~fill([hole - corner for hole in holes], (width, height))
    left, top = corner.tolist()
    return _placed(mask, left, top, size)


def _written(points: Any, where: str) -> tuple[Any, list[Any]]:
    """Return the outline and the holes of a figure as they are written."""
    interior = points.get("interior", []) if isinstance(points, dict) else None
    if not isinstance(interior, list):
        raise HarmonizeError(f"{where}: has no `exterior` and `interior` points")
    return points.get("exterior"), interior


def _contour(written: Any, size: Size, where: str, *, least: int) -> Contour:
    """Return corners as the SDK takes them: without what follows the decimal point."""
    try:
        found = np.array([(float(x), float(y)) for x, y in written]).reshape(-1, 2)
    except (TypeError, ValueError):
        shown = str(written)[:60]
        raise HarmonizeError(f"{where}: expected points [x, y], got {shown!r}") from None
    if len(found) < least:
        raise HarmonizeError(f"{where}: expected {least} points or more, got {len(found)}")
    sides = np.array(size)
    if not ((found >= -sides) & (found <= 2 * sides)).all():
        raise HarmonizeError(f"{where}: a point lies far outside of the picture")
    return found.astype(np.int64)


def _bitmap(written: Any, size: Size, where: str) -> Int[ndarray, " P"]:
    try:
        left, top = (int(value) for value in written["origin"])
        data = base64.b64decode(written["data"], validate=True)
    except (TypeError, ValueError, KeyError, binascii.Error):
        raise HarmonizeError(
            f"{where}: its `bitmap` has no `origin` and `data` in Base64"
        ) from None
    mask = _decoded(data, where)
    height, width = mask.shape
    if not (-width < left < size[0] and -height < top < size[1]):
        raise HarmonizeError(f"{where}: its bitmap at {[left, top]} lies outside of the picture")
    return _placed(mask, left, top, size)


def _decoded(data: bytes, where: str) -> Bool[ndarray, "h w"]:
    """Return a bitmap that is stored as PNG: what is not transparent, or not 0 where all is seen.

    The PNG is compressed once more, unless other programs wrote it; then what is not black counts.
    """
    deflated = not data.startswith(b"\x89PNG")
    try:
        if deflated:
            unpacker = zlib.decompressobj()
            data = unpacker.decompress(data, _MOST_BYTES)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as stored:
            refuse_huge(stored.size, Path(where))
            if stored.mode in ("P", "LA", "RGBA") and deflated:
                return np.asarray(stored.convert("RGBA"))[..., 3] > 0
            found = np.asarray(stored.convert("RGBA") if stored.mode == "P" else stored)
    except (zlib.error, ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, HarmonizeError):
            raise
        raise HarmonizeError(f"{where}: its `data` is no PNG, compressed, in Base64") from None
    if found.ndim == 3 and deflated:
        raise HarmonizeError(f"{where}: its bitmap has colours; export it from Supervisely again")
    return (found if found.ndim == 2 else found.max(-1)) > 0


def _placed(mask: Bool[ndarray, "h w"], left: int, top: int, size: Size) -> Int[ndarray, " P"]:
    """Return the places in the picture of a mask's pixels, of which some may lie outside."""
    width, height = size
    rows, columns = np.nonzero(mask)
    rows, columns = rows + top, columns + left
    seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return rows[seen] * width + columns[seen]
