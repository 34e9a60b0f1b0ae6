"""Pictures and labels that are read as windows: what a training crop or a strip of rows needs."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Integer, Num
from numpy import ndarray
from torch import Tensor

from harmonize.data.bad_samples import naming
from harmonize.data.labels import LabelReader
from harmonize.data.pixels import Pixels
from harmonize.data.resizing import block_centres
from harmonize.data.transforms import Augmentation
from harmonize.data.warping import Warp, reached
from harmonize.pictures.banded import BandedFile
from harmonize.pictures.reading import choose_factor, reduced_size
from harmonize.pictures.tiff_numbers import Window

# Letters of shapes: C bands, H x W pixels of a file, h x w of a window or of a reduced picture.

_ROWS = 1 << 22
"""Pixels of a label that are read at a time."""


@dataclass(frozen=True)
class WindowedLabel:
    """A label of which rows are read as they are asked for.

    Attributes:
        shape: height and width.
        reader: of the data set's labels.
        root: the data set's folder.
        label: as the index keeps it; None where there is no label, and all is of class 0.
        name, split, picture: of what is read, for errors.
        numbers: that take the place of the classes' own, if any do.
    """

    shape: tuple[int, int]
    reader: LabelReader
    root: Path
    label: str | None
    name: str
    split: str
    picture: str
    numbers: Integer[ndarray, " C"] | None = None

    def read(self, window: Window) -> Integer[ndarray, "h w"]:
        """Read the classes of a window.

        Raises:
            BadSampleError: naming the file that cannot be read.
        """
        if self.label is None:
            return np.zeros(window.shape, np.int16)
        with naming(self.name, self.split, self.picture, self.root):
            height, width = self.shape
            found = self.reader.read_window(self.root, self.label, window, (width, height))
        return found if self.numbers is None else self.numbers.astype(found.dtype)[found]

    def rows_together(self) -> int:
        """Return how many rows are best read together."""
        return max(_ROWS // self.shape[1] // 256, 1) * 256


class RowsOfLabel:
    """The rows of a label, of which those last read are kept.

    Attributes:
        shape: height and width.
        name: of the picture's file.
    """

    def __init__(self, label: WindowedLabel) -> None:
        self.shape = label.shape
        self.name = label.picture
        self._label = label
        self._first = 0
        self._kept = np.zeros((0, label.shape[1]), np.int16)

    def rows(self, first: int, last: int) -> Integer[Tensor, "h W"]:
        """Return rows; those asked for later must not come before those asked for earlier."""
        if last > self._first + len(self._kept):
            held = self._kept[max(first - self._first, 0) :]
            start = first + len(held)
            end = min(max(start + self._label.rows_together(), last), self.shape[0])
            read = self._label.read(Window(start, 0, end, self.shape[1]))
            self._first, self._kept = first, np.concatenate([held, read])
        return torch.from_numpy(self._kept[first - self._first : last - self._first])


@dataclass(frozen=True)
class CutPixels:
    """What one sample needs of a picture and its classes, which were reduced alike.

    Attributes:
        pixels: that part.
        shape: height and width of the whole reduced picture.
        corner: the row and the column of it that the part begins at.
    """

    pixels: Pixels
    shape: tuple[int, int]
    corner: tuple[int, int]

    def inside(self, choices: Augmentation) -> Augmentation:
        """Return choices for the whole picture as those for the part."""
        top, left, side = choices.crop
        return dataclasses.replace(
            choices, crop=(top - self.corner[0], left - self.corner[1], side)
        )


@dataclass(frozen=True)
class WindowedPixels:
    """A picture and its classes as training takes them, reduced alike, read as windows.

    Attributes:
        file: of the picture.
        label: its label.
        factor: by which both are reduced.
    """

    file: BandedFile
    label: WindowedLabel
    factor: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the reduced picture."""
        width, height = reduced_size(self.file.size, self.factor)
        return height, width

    @property
    def picture(self) -> Float32[ndarray, "h w C"]:
        """All of the picture."""
        return self._picture(slice(0, self.shape[0]), slice(0, self.shape[1]))

    @property
    def classes(self) -> Integer[ndarray, "h w"]:
        """All of the label."""
        return self._classes(slice(0, self.shape[0]), slice(0, self.shape[1]))

    def cut(self, choices: Augmentation, size: int) -> CutPixels:
        """Read what a sample of a side ``size`` needs.

        Raises:
            BadSampleError: naming the file that cannot be read.
        """
        top, left, side = choices.crop
        height, width = self.shape
        if choices.warp is None and 0 <= top <= height - side and 0 <= left <= width - side:
            rows, columns = slice(top, top + side), slice(left, left + side)
        else:
            matrix = (choices.warp or Warp()).matrix(top, left, side)
            rows, columns = reached(matrix, size, self.shape)
        pixels = Pixels(self._picture(rows, columns), self._classes(rows, columns))
        return CutPixels(pixels, self.shape, (rows.start, columns.start))

    def _picture(self, rows: slice, columns: slice) -> Float32[ndarray, "h w C"]:
        with naming(self.label.name, self.label.split, self.label.picture, self.label.root):
            return self.file.read(self._window(rows, columns), self.factor)

    def _classes(self, rows: slice, columns: slice) -> Integer[ndarray, "h w"]:
        window = self._window(rows, columns)
        step = max(_ROWS // window.shape[1], 1) * self.factor
        parts = [
            block_centres(
                self.label.read(
                    Window(first, window.left, min(first + step, window.bottom), window.right)
                ),
                self.factor,
            )
            for first in range(window.top, window.bottom, step)
        ]
        return np.concatenate(parts)

    def _window(self, rows: slice, columns: slice) -> Window:
        """Return the file's pixels that make up those of a part of the reduced picture."""
        width, height = self.file.size
        last_row, last_column = (stop * self.factor for stop in (rows.stop, columns.stop))
        return Window(
            rows.start * self.factor,
            columns.start * self.factor,
            min(last_row, height),
            min(last_column, width),
        )


@dataclass(frozen=True)
class LargePicture:
    """A picture of which rows are read as they are asked for, on a device.

    It is what a network is given in tiles instead of a tensor (C, H, W).

    Attributes:
        file: of the picture.
        device: that rows are put on.
        mirrored: whether left and right are exchanged.
        whose: says whose file it is, of what goes wrong with it.
    """

    file: BandedFile
    device: torch.device | str = "cpu"
    mirrored: bool = False
    whose: Callable[[], AbstractContextManager[None]] = nullcontext

    @property
    def shape(self) -> tuple[int, int, int]:
        """Bands, height and width."""
        return len(self.file.bands), self.file.size[1], self.file.size[0]

    def to(self, device: torch.device) -> "LargePicture":
        """Return the same whose rows are put on a device."""
        return dataclasses.replace(self, device=device)

    def flip(self, axis: int) -> "LargePicture":
        """Return the same, mirrored; the axis must be the last one."""
        assert axis == -1
        return dataclasses.replace(self, mirrored=not self.mirrored)

    def __getitem__(self, part: tuple[slice, slice]) -> Num[Tensor, "C h W"]:
        """Read some rows of all bands, ``[:, first:last]``."""
        rows = part[1]
        window = Window(rows.start, 0, rows.stop, self.file.size[0])
        with self.whose():
            found = torch.from_numpy(self.file.read(window)).permute(2, 0, 1)
        found = found.flip(-1) if self.mirrored else found
        return found.to(self.device)

    def reduced(self, least: float) -> Num[Tensor, "C h w"]:
        """Read all of it as small as leaves its shorter side ``least`` pixels."""
        factor = choose_factor(self.file.size, least)
        with self.whose():
            found = torch.from_numpy(self.file.read(self.file.whole, factor)).permute(2, 0, 1)
        found = found.flip(-1) if self.mirrored else found
        return found.to(self.device)
