"""TIFF pictures of any bands and numbers, read as windows, scaled to levels of 0 to 255."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Num, UInt8
from numpy import ndarray

from harmonize.config.channels import RGB, Channel
from harmonize.errors import HarmonizeError
from harmonize.pictures.limits import MOST_PIXELS, refuse_huge
from harmonize.pictures.tiff import is_tiff, open_page, refuse_turned_page
from harmonize.pictures.tiff_numbers import Window, number_type, part_rows, read_numbers
from harmonize.plurals import counted

# Letters of shapes: C bands, H x W pixels of a window, h x w of one that is reduced.

_NO_DATA = 42113
_TOP = {"uint8": 255.0, "uint16": 65535.0}
"""The number that becomes 1, of types that are read without a range."""
_STRIPE = 1 << 24
"""Numbers that are reduced at a time."""


@dataclass(frozen=True)
class BandedFile:
    """A TIFF file whose bands are read by their names.

    Attributes:
        path: of the file.
        size: width and height.
        rows: of its strips or tiles.
        bands: for each band that is wanted, its number in the file, from 0, and what becomes 0 and
            1 of its numbers; None where the file does not have it.
    """

    path: Path
    size: tuple[int, int]
    rows: int
    bands: tuple[tuple[int, float, float] | None, ...]

    @classmethod
    def open(cls, path: Path, channels: Sequence[Channel], names: Sequence[str]) -> "BandedFile":
        """Look at a file, without decoding it.

        Args:
            path: of the file.
            channels: the bands that it has.
            names: those that are wanted.

        Raises:
            HarmonizeError: no TIFF file, one that is damaged, or one that does not have a band.
        """
        if not is_tiff(path):
            what = "is no TIFF file" if path.exists() else "no such file"
            raise HarmonizeError(
                f"{path}: {what}; `channels` of the mapping names the bands of TIFF pictures"
            )
        own = {channel.name: channel for channel in channels}
        with open_page(path, whole=False) as page:
            refuse_turned_page(page, path)
            kind = number_type(page, path).newbyteorder("=").name
            number = page.samplesperpixel
            if page.photometric == 3 or (page.photometric == 6 and page.compression != 7):
                raise HarmonizeError(
                    f"{path}: its colours are stored as "
                    f"{'a palette' if page.photometric == 3 else 'YCbCr'}, not in bands; save it "
                    "as RGB"
                )
            for channel in channels:
                if channel.band > number:
                    raise HarmonizeError(
                        f"{path}: has {counted(number, 'band')}, but `channels` "
                        f"says that {channel.name} is band {channel.band}"
                    )
            size, rows = (page.imagewidth, page.imagelength), part_rows(page)
        bands = tuple(
            None if name not in own else _scaling(own[name], kind, path) for name in names
        )
        return cls(path, size, rows, bands)

    def read(self, window: Window, factor: int = 1) -> Float32[ndarray, "h w C"]:
        """Read a window, in levels of 0 to 255; NaN where a band or a pixel is missing.

        Args:
            window: of the file's pixels; it begins at multiples of ``factor``.
            factor: the mean of each block of so many pixels a side is one pixel; blocks at the end
                may be cut off.

        Raises:
            HarmonizeError: the file is damaged, or the window too large.
        """
        refuse_huge(window.shape, self.path, MOST_PIXELS * factor**2)
        height, width = window.shape
        found = np.empty((-(-height // factor), -(-width // factor), len(self.bands)), np.float32)
        step = max(_STRIPE // (width * max(len(self.bands), 1)) // self.rows, 1) * self.rows
        step = -(-step // factor) * factor
        starts = [window.top, *range((window.top // step + 1) * step, window.bottom, step)]
        for first, last in zip(starts, [*starts[1:], window.bottom], strict=True):
            part = Window(first, window.left, last, window.right)
            row = (first - window.top) // factor
            blocks = self._levels(part)
            blocks = blocks if factor == 1 else _block_means(blocks, factor)
            found[row : row + len(blocks)] = blocks
        return found

    @property
    def whole(self) -> Window:
        """All of the file."""
        return Window(0, 0, self.size[1], self.size[0])

    def _levels(self, window: Window) -> Float32[ndarray, "H W C"]:
        numbers = [band[0] for band in self.bands if band is not None]
        found = np.full((*window.shape, len(self.bands)), np.nan, np.float32)
        with open_page(self.path, whole=False) as page:
            if (page.imagewidth, page.imagelength) != self.size:
                raise HarmonizeError(f"{self.path}: has changed meanwhile; start again")
            values = read_numbers(page, self.path, window, bands=numbers)
            missing = page.nodata if _NO_DATA in page.tags else None
        places = [place for place, band in enumerate(self.bands) if band is not None]
        for number, place in enumerate(places):
            band = self.bands[place]
            assert band is not None
            found[..., place] = _levels(values[..., number], band[1], band[2], missing)
        return found


def _scaling(channel: Channel, kind: str, path: Path) -> tuple[int, float, float]:
    """Return a band's number from 0, and what becomes 0 and 1 of its numbers."""
    if channel.range is None and kind not in _TOP:
        raise HarmonizeError(
            f"{path}: its numbers are of type {kind}; give the band {channel.name} a range in "
            "`channels` of the mapping: what becomes 0 and what becomes 1, such as range: [0, 1]"
        )
    low, high = channel.range or (0.0, _TOP[kind])
    return channel.band - 1, low, high


def _levels(
    values: Num[ndarray, "H W"], low: float, high: float, missing: float | None
) -> Float[ndarray, "H W"]:
    wide = np.float32 if values.dtype.itemsize <= 2 or values.dtype == np.float32 else np.float64
    found = values.astype(wide)
    if low:
        found -= wide(low)
    found *= wide(255 / (high - low))
    unknown = ~np.isfinite(found)
    if missing is not None and not np.isnan(missing):
        unknown |= values == missing
    found[unknown] = np.nan
    return found


def _block_means(pixels: Float32[ndarray, "H W C"], factor: int) -> Float32[ndarray, "h w C"]:
    """Return the mean of what is known of each block."""
    known = ~np.isnan(pixels)
    sums, counts = np.where(known, pixels, 0), known.astype(np.float32)
    for axis in (0, 1):
        starts = np.arange(0, pixels.shape[axis], factor)
        sums = np.add.reduceat(sums, starts, axis=axis)
        counts = np.add.reduceat(counts, starts, axis=axis)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.float32(np.nan))


def bands_of_colors(
    picture: UInt8[ndarray, "H W 3"], names: Sequence[str]
) -> Float32[ndarray, "H W C"]:
    """Return the bands that are wanted of a colour picture; NaN for those that it does not have."""
    found = np.full((*picture.shape[:2], len(names)), np.nan, np.float32)
    for place, name in enumerate(names):
        if name in RGB:
            found[..., place] = picture[..., RGB.index(name)]
    return found


def as_colors(picture: Num[ndarray, "H W C"], names: Sequence[str]) -> UInt8[ndarray, "H W 3"]:
    """Return a picture as people can see it.

    Its red, green and blue bands are shown where it has them all, else the first one or three; each
    is stretched from its 2nd to its 98th percentile. One of 8 bits stays as it is.
    """
    if picture.dtype == np.uint8:
        return picture
    known = [n for n in range(len(names)) if not np.isnan(picture[..., n]).all()]
    chosen = [names.index(name) for name in RGB if name in names]
    if not set(chosen) <= set(known) or len(chosen) < 3:
        chosen = known[:3] if len(known) >= 3 else known[:1] * 3
    planes = [_stretched(picture[..., n]) for n in chosen]
    return np.dstack(planes) if planes else np.zeros((*picture.shape[:2], 3), np.uint8)


def _stretched(plane: Num[ndarray, "H W"]) -> UInt8[ndarray, "H W"]:
    low, high = np.nanpercentile(plane, (2, 98)).tolist()
    scaled = (np.nan_to_num(plane, nan=low) - low) * (255 / max(high - low, 1e-6))
    return scaled.clip(0, 255).astype(np.uint8)


def missing_bands(channels: Iterable[Channel], names: Sequence[str]) -> list[str]:
    """Return which of the bands that are wanted a data set's pictures do not have."""
    own = {channel.name for channel in channels} or set(RGB)
    return [name for name in names if name not in own]
