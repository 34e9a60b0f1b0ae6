"""The one data-set class: files to pictures and class numbers, or to training samples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from harmonize.config import AugmentConfig
from harmonize.data.index import FileIndex, index_files
from harmonize.data.labels import LabelReader
from harmonize.data.mixing import MixedOrder
from harmonize.data.pictures import choose_factor, header_size, read_reduced
from harmonize.data.transforms import augment, block_centres, draw_augmentation
from harmonize.errors import HarmonizeError
from harmonize.spec import DatasetSpec
from harmonize.targets import TargetSpace

# Letters of shapes: H x W pixels of a file, h x w of a picture that was reduced, S the side of a
# training crop, B samples of a batch.


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
            HarmonizeError: naming the file that cannot be read or does not fit.
        """
        return self.scaled_down(number, least=math.inf)

    def scaled_down(self, number: int, *, least: float) -> LabelledPicture:
        """Read a picture at the scale that leaves it ``least`` pixels, and its label in full.

        Raises:
            HarmonizeError: naming the file that cannot be read or does not fit.
        """
        image, classes, _ = self._read(number, least)
        picture = torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)
        return LabelledPicture(picture, torch.from_numpy(classes))

    def pixels(self, number: int, *, least: float) -> Pixels:
        """Read a picture at the scale that leaves it ``least`` pixels, and its label at the same.

        Raises:
            HarmonizeError: naming the file that cannot be read or does not fit.
        """
        image, classes, factor = self._read(number, least)
        return Pixels(np.asarray(image), block_centres(classes, factor))

    def size(self, number: int) -> tuple[int, int]:
        """Return a picture's width and height before it is reduced, without decoding anything.

        Raises:
            HarmonizeError: naming the file that cannot be read.
        """
        picture, *label = self.paths(number)
        return header_size(label[0] if self.spec.resize_picture else picture)

    def paths(self, number: int) -> tuple[Path, ...]:
        """Return the files that a picture and its label are read from, the picture's first."""
        label = self._labels.files(self.root, self.files.label(number))
        return self.root / self.files.picture(number), *label

    def _read(self, number: int, least: float) -> tuple[Image.Image, Integer[ndarray, "H W"], int]:
        """Return the reduced picture, the whole label, and the factor between them."""
        path = self.root / self.files.picture(number)
        scaled = self.spec.resize_picture
        picture = read_reduced(path, least=math.inf if scaled else least)
        label = self.files.label(number)
        classes = self._labels.read(self.root, label)
        height, width = classes.shape
        if not scaled:
            refuse_sizes(path, picture.size, label, (width, height))
            return picture.image, classes, picture.factor
        image, factor = picture.image, choose_factor((width, height), least)
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BOX)
        return image if factor == 1 else image.reduce(factor), classes, factor


def refuse_sizes(
    path: Path, picture: tuple[int, int], label: str, expected: tuple[int, int]
) -> None:
    """Refuse a picture whose width and height are not its label's."""
    if picture != expected:
        raise HarmonizeError(
            f"{path}: {picture[0]} x {picture[1]} pixels, but its label {label} has "
            f"{expected[0]} x {expected[1]}"
        )


@dataclass(frozen=True)
class Batch:
    """A batch of training samples."""

    pictures: UInt8[Tensor, "B 3 S S"]
    codes: Integer[Tensor, "B S S"]
    datasets: Integer[Tensor, " B"]
    """The number of each sample's data set."""

    def pin_memory(self) -> "Batch":
        """Copy into page-locked memory, as the loader does for CUDA devices."""
        return Batch(*(tensor.pin_memory() for tensor in vars(self).values()))

    def to(self, device: torch.device) -> "Batch":
        """Move to a device."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in vars(self).values()))


class MixedSamples(Dataset[Batch]):
    """The training samples of a run, by their position in its mixed order.

    Each position gives a sample that depends on the position and the run's seed alone, whichever
    process reads it.
    """

    def __init__(
        self,
        datasets: list[SegmentationDataset],
        order: MixedOrder,
        space: TargetSpace,
        *,
        config: AugmentConfig,
        size: int,
        cache: Callable[[int, int], Pixels | None] | None = None,
    ) -> None:
        """Prepare the samples.

        Args:
            datasets: what is mixed.
            order: which picture stands at which position.
            space: gives the codes.
            config: how samples are changed.
            size: the side S of the samples.
            cache: gives a picture by its data set and number, or None if it does not have it.
        """
        self._datasets = datasets
        self._order = order
        self._config = config
        self._size = size
        self._least = least_side(config, size)
        self._cache = cache
        self._codes = [
            space.class_codes(dataset.spec.name).astype(space.dtype) for dataset in datasets
        ]
        self._mirror = space.mirror

    def __getitem__(self, position: int) -> Batch:
        """Return the sample at a position of the run, as a batch of one."""
        draw = self._order[position]
        pixels = self._pixels(draw.dataset, draw.picture)
        height, width = pixels.classes.shape
        rng = np.random.default_rng(draw.seed)
        choices = draw_augmentation(rng, self._config, height=height, width=width)
        picture, codes = augment(
            pixels.picture,
            pixels.classes,
            choices,
            size=self._size,
            codes=self._codes[draw.dataset],
            mirror=self._mirror,
        )
        return Batch(picture[None], codes[None], torch.tensor([draw.dataset]))

    def _pixels(self, dataset: int, number: int) -> Pixels:
        kept = None if self._cache is None else self._cache(dataset, number)
        return self._datasets[dataset].pixels(number, least=self._least) if kept is None else kept


def least_side(config: AugmentConfig, size: int) -> float:
    """Return the shorter side that pictures need so that no crop is smaller than ``size``."""
    return size / config.scale[0]


def collate(samples: list[Batch]) -> Batch:
    """Join samples into one batch."""
    return Batch(
        torch.cat([sample.pictures for sample in samples]),
        torch.cat([sample.codes for sample in samples]),
        torch.cat([sample.datasets for sample in samples]),
    )
