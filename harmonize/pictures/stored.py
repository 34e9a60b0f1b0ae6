"""Label pictures as the numbers that their files store, at any depth."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Num, UInt8
from numpy import ndarray
from PIL import Image

from harmonize.errors import HarmonizeError
from harmonize.pictures.arrays import is_array, read_array
from harmonize.pictures.deep_png import is_deep, read_deep
from harmonize.pictures.opening import opened, refuse_rescaled
from harmonize.pictures.reading import refuse_turned
from harmonize.pictures.tiff import is_tiff, read_tiff
from harmonize.pictures.tiff_numbers import Window

# Letters of shapes: H x W pixels, C channels, N colours.


@dataclass(frozen=True)
class Stored:
    """The numbers of a picture file.

    Attributes:
        values: numbers of a palette, too, are as stored.
        mode: Pillow's name of what the channels are, such as RGB; a type where it has none.
        palette: the colours of a TIFF file's palette.
        picture: what Pillow decoded, if it did.
    """

    values: Num[ndarray, "H W *C"]
    mode: str
    palette: UInt8[ndarray, "N 3"] | None = None
    picture: Image.Image | None = field(default=None, repr=False)

    @property
    def is_jpeg(self) -> bool:
        """Whether it was stored with loss, as JPEG: numbers are not those that were saved."""
        return self.picture is not None and self.picture.format in ("JPEG", "MPO")

    def channels(self) -> dict[str, Num[ndarray, "H W"]]:
        """Return the channels by the names that formulas use; none for other colours."""
        if self.values.ndim == 2:
            return {"V": self.values}
        if self.mode in ("RGB", "RGBA"):
            return {name: self.values[..., place] for place, name in enumerate(self.mode)}
        return {}

    def colors(self, path: Path) -> UInt8[ndarray, "H W 4"]:
        """Return red, green, blue and alpha; those of 16 bits must be ones of 8 times 257.

        Raises:
            HarmonizeError: no colours, or others.
        """
        if self.mode not in ("RGB", "RGBA", "P"):
            raise HarmonizeError(f"{path}: expected a colour picture, got mode {self.mode}")
        if self.picture is not None:
            return np.asarray(self.picture.convert("RGBA"))
        is_palette = self.mode == "P"
        parts = self._of_palette(path) if is_palette else _whole_bytes(self.values, path)
        if parts.shape[2] == 4:
            return parts
        return np.dstack([parts, np.full_like(parts[..., 0], 255)])

    def _of_palette(self, path: Path) -> UInt8[ndarray, "H W 3"]:
        lowest, highest = self.values.min(initial=0), self.values.max(initial=0)
        if self.palette is None or lowest < 0 or highest >= len(self.palette):
            raise HarmonizeError(f"{path}: not a readable picture: its palette lacks colours")
        return self.palette[self.values.astype(np.intp)]


def read_stored(path: Path, *, exact: bool = True, window: Window | None = None) -> Stored:
    """Read a label picture.

    Args:
        path: of the file.
        exact: else grey of fewer than 8 bits may be scaled to 8.
        window: the part that is read, of a TIFF file alone; all unless given.

    Raises:
        HarmonizeError: naming the file.
    """
    if is_array(path):
        values = read_array(path)
        return Stored(values, str(values.dtype))
    if is_tiff(path):
        found = read_tiff(path, window)
        return Stored(found.values, found.mode, found.palette)
    with opened(path, tiff=False, is_label=True) as one:
        picture = one.picture
        if is_deep(picture):
            stored = Stored(read_deep(one), picture.mode)
        else:
            if exact:
                refuse_rescaled(picture, path)
            one.decode()
            values = np.asarray(picture)
            values = values.astype(np.uint8) if picture.mode == "1" else values
            stored = Stored(values, picture.mode, picture=picture)
        refuse_turned(picture, path)
    return stored


def _whole_bytes(values: Num[ndarray, "H W *C"], path: Path) -> UInt8[ndarray, "H W *C"]:
    """Return colours of 8 bits, also where they are stored in 16."""
    if values.dtype == np.uint8:
        return values
    if values.dtype != np.uint16:
        raise HarmonizeError(f"{path}: expected colours of 8 bits, got {values.dtype}")
    parts, rest = np.divmod(values, 257)
    if rest.any():
        place = tuple(np.argwhere(rest.reshape(*values.shape[:2], -1).any(2))[0])
        raise HarmonizeError(
            f"{path}: its colours have 16 bits and are no colours of 8 bits times 257, such as "
            f"{np.atleast_1d(values[place]).tolist()}; use `encoding: ids` with a formula, such "
            "as `value: R//256 + 256*(G//256) + 65536*(B//256)`"
        )
    return parts.astype(np.uint8)
