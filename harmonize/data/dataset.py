"""The one data-set class: files to pictures and class numbers."""

import dataclasses
import functools
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer, Num
from numpy import ndarray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from harmonize.config.channels import RGB
from harmonize.data.bad_samples import naming
from harmonize.data.index import FileIndex, index_files
from harmonize.data.labels import LabelReader
from harmonize.data.pixels import Pixels
from harmonize.data.resizing import block_centres
from harmonize.data.sizes import refuse_sizes
from harmonize.data.windows import LargePicture, WindowedLabel, WindowedPixels
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pictures.banded import BandedFile, bands_of_colors
from harmonize.pictures.limits import refuse_scaled
from harmonize.pictures.reading import choose_factor, header_size, picture_size, read_reduced

# Letters of shapes: C bands, H x W pixels of a file, h x w of a picture that was reduced.

LARGE = 1 << 24
"""Pixels of a picture beyond which it is scored in strips, if its bands have names."""


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and the class number of each pixel of its label; of one size unless reduced.

    Bands that are not red, green and blue of 8 bits are float32, NaN where one is missing.
    """

    picture: Num[Tensor, "C h w"]
    classes: Integer[Tensor, "H W"]


class SegmentationDataset(Dataset[LabelledPicture]):
    """The labelled pictures of one split of one data set, whatever its format.

    Attributes:
        spec: the mapping.
        split: the split's name.
        files: the index of its files.
        bands: the names of those that pictures are read as.
    """

    def __init__(
        self, spec: DatasetSpec, split: str, *, root: Path, bands: Sequence[str] = RGB
    ) -> None:
        """Index the split's files below ``root``.

        Raises:
            HarmonizeError: unknown split, missing files.
        """
        self.bands = tuple(bands)
        self.spec = spec.with_ids(root)
        self.split = split
        self.root = root
        self.files: FileIndex = index_files(self.spec, split, root)
        self._labels = LabelReader(self.spec)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, number: int) -> LabelledPicture:
        """Read a picture and its label.

        Raises:
            BadSampleError: naming the file that cannot be read or does not fit.
        """
        return self.scaled_down(number, least=math.inf)

    def scaled_down(self, number: int, *, least: float) -> LabelledPicture:
        """Read a picture at the scale that leaves it ``least`` pixels, and its label in full.

        One is refused that would be huge once its shorter side is ``least``.

        Raises:
            BadSampleError: naming the file that cannot be read or does not fit.
        """
        if self.spec.channels:
            whole = self._windowed(number, least, scaled=True)
            classes = dataclasses.replace(whole, factor=1).classes
            picture = torch.from_numpy(whole.picture).permute(2, 0, 1)
            return LabelledPicture(picture, torch.from_numpy(classes))
        with self.naming(number):
            image, classes, _ = self._read(number, least, scaled=True)
        picture = torch.from_numpy(self._banded(image).copy()).permute(2, 0, 1)
        return LabelledPicture(picture, torch.from_numpy(classes))

    def pixels(self, number: int, *, least: float) -> Pixels | WindowedPixels:
        """Read a picture at the scale that leaves it ``least`` pixels, and its label at the same.

        One whose bands have names is looked at, to be read as windows.

        Raises:
            BadSampleError: naming the file that cannot be read or does not fit.
        """
        if self.spec.channels:
            return self._windowed(number, least)
        with self.naming(number):
            image, classes, factor = self._read(number, least)
        return Pixels(self._banded(image), block_centres(classes, factor))

    def large(self, number: int) -> tuple[LargePicture, WindowedLabel] | None:
        """Return a picture and its label that are too large to be read as a whole, else None.

        Raises:
            BadSampleError: naming the file that cannot be read or does not fit.
        """
        if not self.spec.channels:
            return None
        found = self._windowed(number, math.inf)
        width, height = found.file.size
        if width * height <= LARGE:
            return None
        picture = self.files.picture(number)
        whose = functools.partial(naming, self.spec.name, self.split, picture, self.root)
        return LargePicture(found.file, whose=whose), found.label

    @property
    def is_plain(self) -> bool:
        """Whether pictures are red, green and blue of 8 bits."""
        return self.bands == RGB and not self.spec.channels

    def label(self, number: int) -> Integer[ndarray, "H W"]:
        """Read the class number of each pixel of a label, -1 where there is none.

        Raises:
            BadSampleError: naming the file that cannot be read.
        """
        if not self.spec.has_labels:
            width, height = self.size(number)
            return np.zeros((height, width), dtype=np.int16)
        if self.spec.channels:
            return self._windowed(number, math.inf).classes
        with self.naming(number):
            picture = self.root / self.files.picture(number)
            return self._labels.read(
                self.root,
                self.files.label(number),
                lambda: picture_size(picture, exif=self.spec.exif),
            )

    def size(self, number: int) -> tuple[int, int]:
        """Return a picture's width and height before it is reduced, without decoding anything.

        Raises:
            BadSampleError: naming the file that cannot be read.
        """
        picture, *label = self.paths(number)
        with self.naming(number):
            if not self.spec.resize_picture or self.spec.encoding.needs_size:
                return header_size(picture)
            told = self._labels.size(self.root, self.files.label(number))
            return told or header_size(label[0])

    def paths(self, number: int) -> tuple[Path, ...]:
        """Return the files that a picture and its label are read from, the picture's first."""
        label = self._labels.files(self.root, self.files.label(number))
        return self.root / self.files.picture(number), *label

    def naming(self, number: int) -> AbstractContextManager[None]:
        """Say of what goes wrong with a picture's files whose they are; see ``naming``."""
        return naming(self.spec.name, self.split, self.files.picture(number), self.root)

    def _windowed(self, number: int, least: float, *, scaled: bool = False) -> WindowedPixels:
        """Look at a picture whose bands have names, and at its label."""
        path = self.root / self.files.picture(number)
        label = self.files.label(number) if self.spec.has_labels else None
        with self.naming(number):
            file = BandedFile.open(path, self.spec.channels, self.bands)
            if scaled:
                refuse_scaled(file.size, least, path)
            if label is not None and not self.spec.encoding.needs_size:
                told = self._labels.size(self.root, label)
                size = told or header_size(self._labels.files(self.root, label)[0])
                refuse_sizes(path, file.size, label, size, fixed=True)
        width, height = file.size
        picture, whose = self.files.picture(number), (self.spec.name, self.split)
        windowed = WindowedLabel((height, width), self._labels, self.root, label, *whose, picture)
        return WindowedPixels(file, windowed, choose_factor(file.size, least))

    def _banded(self, image: Image.Image) -> Num[ndarray, "h w C"]:
        """Return the bands of a colour picture that are wanted."""
        pixels = np.asarray(image)
        return pixels if self.is_plain else bands_of_colors(pixels, self.bands)

    def _read(
        self, number: int, least: float, *, scaled: bool = False
    ) -> tuple[Image.Image, Integer[ndarray, "H W"], int]:
        """Return the reduced picture, the whole label, and the factor between them."""
        path = self.root / self.files.picture(number)
        fitted = self.spec.resize_picture
        picture = read_reduced(
            path, least=math.inf if fitted else least, exif=self.spec.exif, scaled=scaled
        )
        if not self.spec.has_labels:
            width, height = picture.size
            return picture.image, np.zeros((height, width), dtype=np.int16), picture.factor
        label = self.files.label(number)
        classes = self._labels.read(self.root, label, lambda: picture.size)
        height, width = classes.shape
        refuse_sizes(path, picture.size, label, (width, height), scaled=fitted)
        if scaled:
            refuse_scaled((width, height), least, self.root / label)
        if not fitted:
            return picture.image, classes, picture.factor
        image, factor = picture.image, choose_factor((width, height), least)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BOX)
        return image if factor == 1 else image.reduce(factor), classes, factor
