"""Labels as LabelMe writes them: a JSON for each picture, with shapes that it draws in order."""

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray
from PIL import Image, ImageDraw

from harmonize.errors import HarmonizeError
from harmonize.labels.drawn_shapes import DrawnShapes, Size
from harmonize.labels.named_encoding import read_size
from harmonize.labels.regions import Region

# Letters of shapes: H x W pixels.

_CORNERS = {"polygon": 3, "rectangle": 2, "circle": 2, "oriented_rectangle": 4, "mask": 2}
"""Points of each shape: of a polygon the fewest."""
_FARTHEST = 1e6
"""Pixels from the picture's corner that a point may be."""


@dataclass(frozen=True)
class LabelMe(DrawnShapes):
    """Polygons, rectangles, circles and masks, the later on top, as LabelMe itself draws them."""

    name = "labelme"

    key = "shapes"
    tool = "LabelMe"

    def size_of(self, content: dict[str, Any], path: Path) -> Size:
        return read_size(content.get("imageWidth"), content.get("imageHeight"), str(path))

    def regions_of(self, shapes: list[Any], size: Size, path: Path) -> Iterator[Region]:
        for number, shape in enumerate(shapes, 1):
            what = f"shape {number}"
            where = f"{path}: {what}"
            if not isinstance(shape, dict) or not isinstance(shape.get("label"), str):
                raise HarmonizeError(f"{where}: has no `label`")
            mask = _mask(shape, size, f"{where} ({shape['label']})")
            yield Region(what, shape["label"], np.flatnonzero(mask))


def _mask(shape: dict[str, Any], size: tuple[int, int], where: str) -> Bool[ndarray, "H W"]:
    kind = shape.get("shape_type") or "polygon"
    if kind not in _CORNERS:
        raise HarmonizeError(
            f"{where}: a {kind} says nothing about pixels; draw a polygon in its place"
        )
    points = _points(shape.get("points"), kind, where)
    if kind == "mask":
        return _stored_mask(shape.get("mask"), points, size, where)
    picture = Image.new("L", size)
    draw = ImageDraw.Draw(picture)
    if kind == "circle":
        (x, y), (on_x, on_y) = points
        radius = math.sqrt((x - on_x) ** 2 + (y - on_y) ** 2)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=1, fill=1)
    elif kind == "rectangle":
        (x, y), (to_x, to_y) = points
        box = min(x, to_x), min(y, to_y), max(x, to_x), max(y, to_y)
        draw.rectangle(box, outline=1, fill=1)
    else:
        draw.polygon(points, outline=1, fill=1)
    return np.asarray(picture, dtype=bool)


def _points(written: Any, kind: str, where: str) -> list[tuple[float, float]]:
    """Return the points of a shape, which must be as many as it needs."""
    try:
        points = [(float(x), float(y)) for x, y in written]
    except (TypeError, ValueError):
        raise HarmonizeError(
            f"{where}: expected points [x, y], got {str(written)[:60]!r}"
        ) from None
    wanted = _CORNERS[kind]
    if len(points) < wanted or (kind != "polygon" and len(points) != wanted):
        more = " or more" if kind == "polygon" else ""
        raise HarmonizeError(f"{where}: a {kind} has {wanted} points{more}, got {len(points)}")
    if not all(abs(value) < _FARTHEST for point in points for value in point):
        raise HarmonizeError(f"{where}: a point lies far outside of the picture")
    return points


def _stored_mask(
    written: Any, points: list[tuple[float, float]], size: tuple[int, int], where: str
) -> Bool[ndarray, "H W"]:
    """Return a mask that is stored as a PNG of its bounding box, whose size is looked at first."""
    (left, top), (right, bottom) = [(int(x), int(y)) for x, y in points]
    width, height = size
    box = right - left + 1, bottom - top + 1
    try:
        data = base64.b64decode(written, validate=True)
        with Image.open(io.BytesIO(data), formats=["PNG"]) as stored:
            fits = stored.size == box and left >= 0 and top >= 0
            if not fits or right >= width or bottom >= height:
                raise HarmonizeError(
                    f"{where}: its mask of {stored.size} pixels does not fit its points, "
                    f"{box[0]} x {box[1]} in a picture of {width} x {height}"
                )
            part = np.asarray(stored, dtype=bool)
    except (TypeError, ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        if isinstance(error, HarmonizeError):
            raise
        raise HarmonizeError(f"{where}: its `mask` is no PNG in Base64") from None
    mask = np.zeros((height, width), dtype=bool)
    mask[top : bottom + 1, left : right + 1] = part
    return mask
