"""Answers as TIFF files that lie where their pictures lie: written row by row, by rasterio."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Integer, UInt8
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.pictures.limits import MOST_PIXELS
from harmonize.pictures.tiff import is_tiff, open_page
from harmonize.system.atomic_files import part_of, writing
from harmonize.system.extras import need

# Letters of shapes: R rows, W pixels across, P parts of a colour.

SOFTWARE = 305
_PLACES = (33550, 33922, 34264, 34735, 50844)
"""Tags of a file that says where on the earth it lies."""
_BLOCK = 256
"""Side of the tiles of what is written."""
_ENVIRONMENT = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no file beside it is looked at
    "GDAL_PAM_ENABLED": "NO",  # and none is written
    "GDAL_CACHEMAX": 64,
}


def is_georeferenced(path: Path) -> bool:
    """Say whether a picture is a TIFF file that says where it lies; a damaged one does not."""
    if not is_tiff(path):
        return False
    try:
        with open_page(path, whole=False) as page:
            return any(code in page.tags for code in _PLACES)
    except HarmonizeError:
        return False


def is_answered_by_tiff(path: Path) -> bool:
    """Say whether a picture's answer is a TIFF file: where it lies somewhere, or is very large."""
    if not is_tiff(path):
        return False
    try:
        with open_page(path, whole=False) as page:
            large = page.imagewidth * page.imagelength > MOST_PIXELS
    except HarmonizeError:
        return False
    return large or is_georeferenced(path)


def software_of(path: Path) -> str | None:
    """Return what a TIFF file says that it was made by."""
    try:
        with open_page(path, whole=False) as page:
            return page.tags.valueof(SOFTWARE)
    except HarmonizeError:
        return None


def need_rasterio(path: Path) -> ModuleType:
    """Import what writes an answer that is a TIFF file.

    Raises:
        HarmonizeError: it is not installed.
    """
    return need("rasterio", extra="geo", key=f"{path}: the answer for such a TIFF file")


class AnswerTiff:
    """A TIFF file that is being written, from its first row to its last."""

    def __init__(self, file: Any, rasterio: ModuleType) -> None:
        self._file = file
        self._window: Any = rasterio.windows.Window
        self._waiting: list[ndarray] = []
        self._row = 0

    def write(self, rows: Integer[ndarray, "R W *P"]) -> None:
        """Write the next rows, as soon as they fill tiles."""
        self._waiting.append(rows)
        while sum(map(len, self._waiting)) >= _BLOCK:
            held = np.concatenate(self._waiting)
            self._put(held[:_BLOCK])
            self._waiting = [held[_BLOCK:]]

    def finish(self) -> None:
        """Write the rest."""
        if sum(map(len, self._waiting)):
            self._put(np.concatenate(self._waiting))

    def _put(self, rows: Integer[ndarray, "R W *P"]) -> None:
        window = self._window(0, self._row, rows.shape[1], len(rows))
        bands = rows[None] if rows.ndim == 2 else np.moveaxis(rows, -1, 0)
        self._file.write(np.ascontiguousarray(bands), window=window)
        self._row += len(rows)


@contextlib.contextmanager
def writing_tiff(
    path: Path,
    like: Path,
    size: tuple[int, int],
    one: Integer[ndarray, "*P"],
    *,
    colors: UInt8[ndarray, "256 3"] | None = None,
    made_by: str,
) -> Iterator[AnswerTiff]:
    """Write a file of a height and width aside, and rename it when it is whole.

    Args:
        path: of the file.
        like: the picture, whose place on the earth it has.
        size: height and width.
        one: a pixel, for the type and the number of its parts.
        colors: of numbers of 8 bits.
        made_by: what the file says that it was made by.

    Raises:
        HarmonizeError: it cannot be written.
    """
    rasterio = need_rasterio(like)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = part_of(path.absolute())
    profile = _profile(size, one) | _place(rasterio, like)
    further = {key: profile.pop(key) for key in ("gcps", "rpcs", "tags")}
    try:
        with (
            writing(path),
            _told(path, rasterio),
            warnings.catch_warnings(action="ignore"),
            rasterio.Env(**_ENVIRONMENT),
        ):
            with rasterio.open(str(aside), "w", **profile) as file:
                file.update_tags(TIFFTAG_SOFTWARE=made_by, **further["tags"])
                if further["gcps"] is not None:
                    file.gcps = further["gcps"]
                if further["rpcs"] is not None:
                    file.rpcs = further["rpcs"]
                if colors is not None:
                    file.write_colormap(1, {n: (*c, 255) for n, c in enumerate(colors.tolist())})
                answer = AnswerTiff(file, rasterio)
                yield answer
                answer.finish()
            with aside.open("rb") as written:
                os.fsync(written.fileno())
            aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _profile(size: tuple[int, int], one: Integer[ndarray, "*P"]) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "height": size[0],
        "width": size[1],
        "count": max(one.size, 1) if one.ndim else 1,
        "dtype": str(one.dtype),
        "compress": "deflate",
        "tiled": True,
        "blockxsize": _BLOCK,
        "blockysize": _BLOCK,
        "interleave": "pixel",
        "BIGTIFF": "IF_SAFER",
        "photometric": "RGB" if one.ndim else "MINISBLACK",
    }


def _place(rasterio: ModuleType, like: Path) -> dict[str, Any]:
    """Return where a picture lies."""
    found: dict[str, Any] = {"gcps": None, "rpcs": None, "tags": {}}
    if not is_georeferenced(like):
        return found
    with (
        _told(like, rasterio),
        warnings.catch_warnings(action="ignore"),
        rasterio.Env(**_ENVIRONMENT),
        rasterio.open(str(like.absolute()), driver="GTiff") as picture,
    ):
        points, crs = picture.gcps
        if points:
            found["gcps"] = points, crs
        else:
            found |= {"crs": picture.crs, "transform": picture.transform}
        found["rpcs"] = picture.rpcs
        found["tags"] = {k: v for k, v in picture.tags().items() if k == "AREA_OR_POINT"}
    return found


@contextlib.contextmanager
def _told(path: Path, rasterio: ModuleType) -> Iterator[None]:
    """Say in one line what rasterio cannot do."""
    try:
        yield
    except rasterio.errors.RasterioError as error:
        reason = str(error).partition("\n")[0]
        raise HarmonizeError(f"{path}: rasterio cannot read or write it: {reason}") from None
