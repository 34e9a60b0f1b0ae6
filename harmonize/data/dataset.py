"""The one data-set class: files to pictures and class numbers, or to training samples."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from harmonize.config import AugmentConfig
from harmonize.data.index import FileIndex, index_files
from harmonize.data.labels import LabelReader
from harmonize.data.mixing import MixedOrder
from harmonize.data.pictures import read_picture
from harmonize.data.transforms import augment, draw_augmentation
from harmonize.errors import HarmonizeError
from harmonize.spec import DatasetSpec
from harmonize.targets import TargetSpace

# Letters of shapes: H x W pixels of a file, S the side of a training crop, B samples of a batch.


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and the class number of each of its pixels."""

    picture: UInt8[Tensor, "3 H W"]
    classes: Integer[Tensor, "H W"]


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
        path = self.root / self.files.picture(number)
        image = read_picture(path)
        label = self.files.label(number)
        classes = self._labels.read(self.root, label)
        height, width = classes.shape
        if self.spec.resize_picture and image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BOX)
        refuse_sizes(path, image.size, label, (width, height))
        picture = np.asarray(image)
        return LabelledPicture(
            torch.from_numpy(picture.copy()).permute(2, 0, 1), torch.from_numpy(classes)
        )


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
    ) -> None:
        self._datasets = datasets
        self._order = order
        self._config = config
        self._size = size
        codes = [space.class_codes(dataset.spec.name) for dataset in datasets]
        self._codes = [torch.from_numpy(table.astype(space.dtype)) for table in codes]
        self._mirror = torch.from_numpy(space.mirror)

    def __getitem__(self, position: int) -> Batch:
        """Return the sample at a position of the run, as a batch of one."""
        draw = self._order[position]
        sample = self._datasets[draw.dataset][draw.picture]
        codes = self._codes[draw.dataset][sample.classes.long()]
        height, width = codes.shape
        rng = np.random.default_rng(draw.seed)
        choices = draw_augmentation(rng, self._config, height=height, width=width)
        picture, codes = augment(
            sample.picture, codes, choices, size=self._size, mirror=self._mirror
        )
        return Batch(picture[None], codes[None], torch.tensor([draw.dataset]))


def collate(samples: list[Batch]) -> Batch:
    """Join samples into one batch."""
    return Batch(
        torch.cat([sample.pictures for sample in samples]),
        torch.cat([sample.codes for sample in samples]),
        torch.cat([sample.datasets for sample in samples]),
    )
