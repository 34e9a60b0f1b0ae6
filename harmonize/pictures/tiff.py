"""TIFF files: what their pages are, and the numbers that they store."""

import contextlib
import logging
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Num, UInt8
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.pictures.limits import (
    MOST_OF_WINDOWS,
    MOST_PIXELS,
    refuse_huge,
    refuse_several,
)
from harmonize.pictures.tiff_numbers import Window, read_numbers
from harmonize.stores.plain_files import is_plain, open_number, open_plain
from harmonize.stores.stored_path import StoredPath

if TYPE_CHECKING:
    import tifffile

# Letters of shapes: H x W pixels, C channels, N colours.

_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MODES = {2: "RGB", 3: "P", 5: "CMYK", 6: "YCbCr", 8: "LAB"}
"""By a file's PhotometricInterpretation; others are grey."""
_MOST_CHANNELS = 4
_ESSENTIAL = frozenset((*range(256, 260), 262, 266, 273, 274, *range(277, 280), 284, 317, 320))
_ESSENTIAL |= {322, 323, 324, 325, 338, 339, 347, 530}
"""Tags that say what a picture's bytes mean."""

# It logs what it makes of damaged files, which would be printed.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class TiffHeader:
    """What a TIFF file says of its picture.

    Attributes:
        size: width and height of the picture that is turned as the file says.
        by_pillow: whether Pillow reads its colours right.
    """

    size: tuple[int, int]
    by_pillow: bool


@dataclass(frozen=True)
class TiffNumbers:
    """The numbers of a TIFF file, turned as the file says.

    Attributes:
        values: as stored, also where 0 means white.
        mode: what Pillow would call it: RGB, RGBA, P, L and so on; the type where there is no name.
        palette: the colours of a palette.
        white_is_zero: whether 0 means white.
    """

    values: Num[ndarray, "H W *C"]
    mode: str
    palette: UInt8[ndarray, "N 3"] | None
    white_is_zero: bool


def is_tiff(path: Path) -> bool:
    """Say whether a file starts as a TIFF file does."""
    if isinstance(path, StoredPath):
        return _starts_as_tiff(path)
    try:
        file = open_number(path)  # faster than a file object
    except (OSError, HarmonizeError):
        return False
    try:
        return is_plain(file) and os.read(file, 4) in _STARTS
    except OSError:
        return False
    finally:
        os.close(file)


def _starts_as_tiff(path: StoredPath) -> bool:
    try:
        return path.start(4) in _STARTS
    except OSError:
        return False


def tiff_header(path: Path) -> TiffHeader:
    """Return what a file says of its picture, without decoding it.

    Raises:
        HarmonizeError: a damaged file, or one with several pictures.
    """
    with open_page(path, whole=False) as page:
        size = page.imagewidth, page.imagelength
        if _turn(page) > 4:
            size = page.imagelength, page.imagewidth
        return TiffHeader(size, _by_pillow(page))


def read_tiff(path: Path, window: Window | None = None) -> TiffNumbers:
    """Read the numbers of a TIFF file; those that are left out are its no-data value, or 0.

    Args:
        path: of the file.
        window: the part that is read; all of it unless given. With one it may be of any size, but
            must be stored upright.

    Raises:
        HarmonizeError: a damaged file, or one of a kind that is not read.
    """
    with open_page(path, whole=window is None) as page:
        if page.samplesperpixel > _MOST_CHANNELS:
            raise HarmonizeError(
                f"{path}: has {page.samplesperpixel} channels; save the one with the ids alone: "
                f"`gdal_translate -b 1 {path.name} label.tif`"
            )
        mode = _mode(page)
        if mode == "YCbCr":
            raise HarmonizeError(f"{path}: its colours are stored as YCbCr; save it as RGB")
        if window is not None:
            refuse_turned_page(page, path)
        values = turned(read_numbers(page, path, window), _turn(page))
        values = values[..., 0] if values.shape[2] == 1 else values
        return TiffNumbers(values, mode, _palette(page), page.photometric == 0)


def turned(values: Num[ndarray, "H W *C"], orientation: int) -> Num[ndarray, "h w *C"]:
    """Return a picture as its orientation, 1 to 8, says that it is to be seen."""
    if orientation > 4:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)


def refuse_turned_page(page: "tifffile.TiffPage", path: Path) -> None:
    """Refuse a page that is not stored upright, of which no windows are read."""
    if _turn(page) != 1:
        raise HarmonizeError(
            f"{path}: its orientation is {_turn(page)}; save it upright: "
            f"`gdal_translate {path.name} upright.tif`"
        )


@contextlib.contextmanager
def open_page(path: Path, *, whole: bool = True) -> "Iterator[tifffile.TiffPage]":
    """Yield the page of a file's one picture; whatever goes wrong becomes one line.

    One with more pixels than are read as a ``whole`` is refused if that is wanted.
    """
    import tifffile  # takes a fifth of a second, which those without such files need not wait for

    try:
        stored = open_plain(path) if isinstance(path, StoredPath) else None
        with tifffile.TiffFile(path if stored is None else stored) as file:
            page = file.pages.first
            most = MOST_PIXELS if whole else MOST_OF_WINDOWS
            refuse_huge((page.imagewidth, page.imagelength), path, most)
            for further in list(file.pages)[1:]:
                assert isinstance(further, tifffile.TiffPage)
                if not (further.is_reduced or further.is_mask):  # made smaller, or its mask
                    refuse_several(len(file.pages), path)
            if page.imagedepth != 1 or 0 in page.shaped:
                raise ValueError("no flat picture")
            _refuse_lost_tags(page)
            yield page
    except HarmonizeError:
        raise
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except Exception as error:  # a damaged file can raise anything
        told = not isinstance(error, LookupError | TypeError | AttributeError | struct.error)
        reason = str(error).partition("\n")[0] if told else ""
        raise HarmonizeError(f"{path}: not a readable picture: {reason or 'damaged'}") from None


def _refuse_lost_tags(page: "tifffile.TiffPage") -> None:
    """Refuse a page with tags beyond the file's end, which tifffile leaves out without a word."""
    big = page.parent.is_bigtiff
    number, length = ("Q", 20) if big else ("H", 12)
    order, file = page.parent.byteorder, page.parent.filehandle
    file.seek(page.offset)
    count = struct.unpack(f"{order}{number}", file.read(8 if big else 2))[0]
    listed = file.read(count * length)
    for place in range(0, len(listed) - length + 1, length):
        code = struct.unpack_from(f"{order}H", listed, place)[0]
        if code in _ESSENTIAL and code not in page.tags:
            raise ValueError(f"image file is truncated: its tag {code} is lost")


def _by_pillow(page: "tifffile.TiffPage") -> bool:
    """Say whether Pillow reads a page's colours right.

    It reads anything where strips or tiles are left out, mixes up the pixels of files that it maps
    into memory and turns by 90 degrees, changes grey of which 0 is white, and knows neither colours
    that are not declared as such nor big files of the other byte order.
    """
    holes = any(
        not offset or not count
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)
    )
    undeclared = page.photometric == 1 and page.samplesperpixel > 2
    inverted = page.photometric == 0 and page.bitspersample == 8
    other_order = page.parent.is_bigtiff and page.parent.byteorder == ">"
    return not (holes or undeclared or inverted or other_order or _turn(page) > 4)


def _turn(page: "tifffile.TiffPage") -> int:
    found = page.tags.valueof(274, 1)
    return found if found in range(1, 9) else 1


def _mode(page: "tifffile.TiffPage") -> str:
    """Name what the channels of a page are."""
    channels, bits = page.samplesperpixel, page.bitspersample
    name = _MODES.get(int(page.photometric), "grey")
    if name == "YCbCr" and page.compression == 7:
        name = "RGB"  # which decoding makes of it
    if name in ("RGB", "grey") and channels > 1:
        return {2: "LA", 3: "RGB", 4: "RGBA"}[channels]
    if name == "P" and channels > 1:
        return "PA"
    if name == "grey":
        kind = str(page.dtype) if bits in (8, 16, 32, 64) else f"uint{bits}"
        return {"uint1": "1", "uint8": "L"}.get(kind, kind)
    return name


def _palette(page: "tifffile.TiffPage") -> UInt8[ndarray, "N 3"] | None:
    """Return a page's palette, of 16 bits by the standard, of 8 in some files."""
    found = page.tags.valueof(320)
    if found is None:
        return None
    colors = np.asarray(found, dtype=np.uint16).reshape(3, -1).T
    return (colors >> (8 if colors.max() > 255 else 0)).astype(np.uint8)
