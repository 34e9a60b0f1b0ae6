"""The numbers of a TIFF page, put together from its strips or tiles."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Num, UInt8
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.pictures.limits import MOST_PIXELS
from harmonize.pictures.tiff_codecs import Packed, unpack

if TYPE_CHECKING:
    import tifffile

# Letters of shapes: H x W pixels of a page, h x w of a strip or tile, C channels, b bytes of a row.

_KINDS = {1: "u", 2: "i", 3: "f", 4: "u"}
"""NumPy's letter, by a file's SampleFormat."""
_WHOLE_BYTES = {"u": (8, 16, 32, 64), "i": (8, 16, 32, 64), "f": (16, 32, 64)}
_WITH_PREDICTOR = (5, 8, 32946, 34925, 50000)
"""Compressions that keep differences where a file says so; libtiff ignores others' predictors."""
_TOGETHER = 1 << 24
"""Bytes of strips or tiles that are decoded at a time."""
_MOST_BYTES = 1 << 31
"""Of numbers: the most pixels that are read, with 8 bytes each."""
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class _Grid:
    """How a page is cut into strips or tiles.

    Attributes:
        rows, columns: of each; the last strip may have fewer rows.
        across: how many lie side by side.
        per_plane: how many make up a plane, of which a file with separate channels has several.
        planes: their number.
        channels: those of a strip or tile.
    """

    rows: int
    columns: int
    across: int
    per_plane: int
    planes: int
    channels: int


@dataclass(frozen=True)
class Window:
    """A part of a page, inside it: the first row and column, and those after the last."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left


def read_numbers(
    page: "tifffile.TiffPage",
    path: Path,
    window: Window | None = None,
    *,
    bands: Sequence[int] | None = None,
) -> Num[ndarray, "H W C"]:
    """Read the numbers of a page.

    What the file leaves out has its no-data value, or 0; of colours that a JPEG stores as YCbCr
    the numbers are RGB.

    Args:
        page: of the file.
        path: of the file, for errors.
        window: what is read, from the strips or tiles that it lies in alone; all unless given.
        bands: which of the channels, from 0; all unless given.

    Raises:
        HarmonizeError: numbers or a compression of a kind that is not read.
        Exception: of any kind, where the page is damaged.
    """
    dtype = number_type(page, path)
    grid = _grid(page)
    if grid.columns * grid.rows > MOST_PIXELS:
        raise HarmonizeError(
            f"{path}: is stored in strips or tiles of {grid.columns} x {grid.rows} pixels, more "
            f"than the {MOST_PIXELS / 1e6:.0f} million that are read at once; save it in small "
            f"tiles: `gdal_translate -co TILED=YES {path.name} tiled.tif`"
        )
    for listed in (page.dataoffsets, page.databytecounts):
        if len(listed) != grid.planes * grid.per_plane:
            raise ValueError(f"{len(listed)} strips or tiles")
    window = window or Window(0, 0, page.imagelength, page.imagewidth)
    bands = range(page.samplesperpixel) if bands is None else bands
    shape = (*window.shape, len(bands))
    if math.prod(shape) * dtype.itemsize > _MOST_BYTES:
        raise ValueError("too big")
    full = np.full(shape, page.nodata, dtype.newbyteorder("="))
    planes, every = bands if grid.planes > 1 else [0], list(bands) == list(range(grid.channels))
    for rows, places, packed in _by_height(page, grid, dtype, _places(grid, window, planes)):
        parts = unpack(page, Packed(packed, rows, grid.columns, grid.channels), path)
        for place, part in zip(places, parts, strict=True):
            plane, place = divmod(place, grid.per_plane)
            top = place // grid.across * grid.rows - window.top
            left = place % grid.across * grid.columns - window.left
            numbers = _numbers(part, page, dtype, (rows, grid.columns, grid.channels))
            numbers = numbers[max(-top, 0) :, max(-left, 0) :]
            target = full[max(top, 0) : top + rows, max(left, 0) : left + grid.columns]
            numbers = numbers[: target.shape[0], : target.shape[1]]
            if grid.planes == 1:
                target[...] = numbers if every else numbers[..., list(bands)]
                continue
            for number in [number for number, band in enumerate(bands) if band == plane]:
                target[..., number] = numbers[..., 0]
    return full


def _places(grid: _Grid, window: Window, planes: Iterable[int]) -> list[int]:
    """Return the numbers of the strips or tiles that a window of some planes meets, in order."""
    down = range(window.top // grid.rows, -(-window.bottom // grid.rows))
    across = range(window.left // grid.columns, -(-window.right // grid.columns))
    return [
        plane * grid.per_plane + row * grid.across + column
        for plane in sorted(set(planes))
        for row in down
        for column in across
    ]


def part_rows(page: "tifffile.TiffPage") -> int:
    """Return the rows of a strip or tile."""
    return _grid(page).rows


def number_type(page: "tifffile.TiffPage", path: Path) -> np.dtype:
    """Return the type of a page's numbers in the file's byte order."""
    bits = page.bitspersample
    kind = _KINDS.get(page.sampleformat if isinstance(page.sampleformat, int) else 0)
    if kind is not None and bits in _WHOLE_BYTES[kind]:
        return np.dtype(f"{page.parent.byteorder}{kind}{bits // 8}")
    if kind == "u" and isinstance(bits, int) and 0 < bits < 16:
        return np.dtype(np.uint8 if bits < 8 else np.uint16)
    raise HarmonizeError(
        f"{path}: numbers of a kind that is not read (SampleFormat {page.sampleformat}, {bits} "
        "bits); save whole numbers of 8, 16 or 32 bits: "
        f"`gdal_translate -ot Int32 {path.name} label.tif`"
    )


def _grid(page: "tifffile.TiffPage") -> _Grid:
    height, width = page.imagelength, page.imagewidth
    separate = page.planarconfig == 2 and page.samplesperpixel > 1
    rows, columns = page.rowsperstrip, width
    if page.is_tiled:
        rows, columns = page.tilelength, page.tilewidth
        if page.tiledepth != 1:
            raise ValueError("no flat picture")
    across = -(-width // columns)
    planes, channels = (page.samplesperpixel, 1) if separate else (1, page.samplesperpixel)
    return _Grid(rows, columns, across, across * -(-height // rows), planes, channels)


def _by_height(
    page: "tifffile.TiffPage", grid: _Grid, dtype: np.dtype, wanted: Iterable[int]
) -> Iterator[tuple[int, list[int], list[bytes]]]:
    """Yield the strips or tiles that are there, some at a time: of full height, then lower ones."""
    last = page.imagelength % grid.rows if not page.is_tiled else 0
    groups: dict[int, list[int]] = {grid.rows: [], last: []}
    for place in wanted:
        if page.dataoffsets[place] and page.databytecounts[place]:
            is_last = place % grid.per_plane == grid.per_plane - 1
            groups[last if is_last and last else grid.rows].append(place)
    together = max(_TOGETHER // (grid.rows * grid.columns * grid.channels * dtype.itemsize), 1)
    for rows, places in groups.items():
        for first in range(0, len(places), together):
            some = places[first : first + together]
            yield rows, some, [_stored(page, place) for place in some]


def _stored(page: "tifffile.TiffPage", place: int) -> bytes:
    """Return the bytes of a strip or tile as they lie in the file, the high bit first."""
    count = page.databytecounts[place]
    file = page.parent.filehandle
    file.seek(page.dataoffsets[place])
    data = file.read(count)
    if len(data) != count:
        raise ValueError(f"image file is truncated ({count - len(data)} bytes missing)")
    return data.translate(_REVERSED) if page.fillorder == 2 and page.compression != 7 else data


def _numbers(
    part: UInt8[ndarray, "h *row"],
    page: "tifffile.TiffPage",
    dtype: np.dtype,
    shape: tuple[int, ...],
) -> Num[ndarray, "h w C"]:
    """Return the numbers that the bytes of a strip or tile hold, or those that it is already."""
    bits = page.bitspersample
    if part.ndim == 3:
        return part
    if bits not in (8, 16, 32, 64):
        return _of_bits(part, bits, shape).astype(dtype)
    predictor = page.predictor if page.compression in _WITH_PREDICTOR else 1
    if predictor == 3:
        return _without_float_predictor(part, dtype, shape)
    numbers = np.ascontiguousarray(part).view(dtype).reshape(shape)
    numbers = numbers.astype(dtype.newbyteorder("="), copy=False)
    if predictor == 2:
        whole = numbers.view(f"u{dtype.itemsize}")
        return np.cumsum(whole, axis=1, dtype=whole.dtype).view(numbers.dtype)
    if predictor != 1:
        raise ValueError(f"predictor {predictor}")
    return numbers


def _of_bits(
    part: UInt8[ndarray, "h b"], bits: int, shape: tuple[int, ...]
) -> Num[ndarray, "h w C"]:
    """Return numbers of any bits, which lie one after the other in each row."""
    rows, columns, channels = shape
    ones = np.unpackbits(part, axis=1)[:, : columns * channels * bits]
    ones = ones.reshape(rows, columns, channels, bits)
    numbers = np.zeros(shape, np.uint16)
    for place in range(bits):
        numbers = numbers << 1 | ones[..., place]
    return numbers


def _without_float_predictor(
    part: UInt8[ndarray, "h b"], dtype: np.dtype, shape: tuple[int, ...]
) -> Num[ndarray, "h w C"]:
    """Undo the differences between bytes of floats, of which each row has the high ones first."""
    rows, _, channels = shape
    parts = part.reshape(rows, -1, channels)
    whole = np.cumsum(parts, axis=1, dtype=np.uint8).reshape(rows, dtype.itemsize, -1)
    big = np.ascontiguousarray(whole.transpose(0, 2, 1)).view(dtype.newbyteorder(">"))
    return big.reshape(shape).astype(dtype.newbyteorder("="))
