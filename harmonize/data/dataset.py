"""The one data-set class: files to pictures and class numbers."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.index import FileIndex, index_files
from harmonize.data.labels import LabelReader
from harmonize.data.sizes import refuse_sizes
from harmonize.data.transforms import block_centres
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pictures.limits import refuse_scaled
from harmonize.pictures.reading import choose_factor, header_size, picture_size, read_reduced

# Letters of shapes: H x W pixels of a file, h x w of a picture that was reduced.


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and the class number of each pixel of its label; of one size unless reduced."""

    picture: UInt8[Tensor, "3 h w"]
    classes: Integer[Tensor, "H W"]


@dataclass(frozen=True)
class Pixels:
    """A picture and its class numbers as training takes them: both reduced alike."""

    picture: UInt8[ndarray, "h w 3"]
    classes: Integer[ndarray, "h w"]


class SegmentationDataset(Dataset[LabelledPicture]):
    """The labelled pictures of one split of one data set, whatever its format.

    Attributes:
        spec: the mapping.
        split: the split's name.
        files: the index of its files.
    """

    def __init__(self, spec: DatasetSpec, split: str, *, root: Path) -> None:
        """Index the split's files below ``root``.

        Raises:
            HarmonizeError: unknown split, missing files.
        """
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
        with self.naming(number):
            image, classes, _ = self._read(number, least, scaled=True)
        picture = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
        return LabelledPicture(picture, torch.from_numpy(classes))

    def pixels(self, number: int, *, least: float) -> Pixels:
        """Read a picture at the scale that leaves it ``least`` pixels, and its label at the same.

        Raises:
            BadSampleError: naming the file that cannot be read or does not fit.
        """
        with self.naming(number):
            image, classes, factor = self._read(number, least)
        return Pixels(np.asarray(image), block_centres(classes, factor))

    def label(self, number: int) -> Integer[ndarray, "H W"]:
        """Read the class number of each pixel of a label, -1 where there is none.

        Raises:
            BadSampleError: naming the file that cannot be read.
        """
        if not self.spec.has_labels:
            width, height = self.size(number)
            return np.zeros((height, width), dtype=np.int16)
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

    @contextlib.contextmanager
    def naming(self, number: int) -> Iterator[None]:
        """Say of what goes wrong with a picture's files whose they are.

        Raises:
            BadSampleError: instead of another ``HarmonizeError``, and of want of memory.
        """
        picture = self.files.picture(number)
        try:
            yield
        except HarmonizeError as error:
            sample = BadSample(self.spec.name, self.split, picture, "; ".join(error.problems))
            raise BadSampleError(sample) from None
        except MemoryError:
            reason = f"{self.root / picture}: there is not enough memory to read it and its label"
            sample = BadSample(self.spec.name, self.split, picture, reason)
            raise BadSampleError(sample) from None

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
