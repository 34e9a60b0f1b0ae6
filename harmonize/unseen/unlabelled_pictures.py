"""Pictures to be looked at: those of data sets with their labels, and any others without."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Integer, Num
from torch import Tensor
from torch.utils.data import Dataset

from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.pictures.reading import Exif, read_reduced

# Letters of shapes: N bands, H x W pixels of a picture.


@dataclass(frozen=True)
class Read:
    """A picture that was read, and its label if it has one; or why it was not."""

    picture: Num[Tensor, "N H W"] | None = None
    classes: Integer[Tensor, "H W"] | None = None
    problem: str = ""


class LabelledPictures(Dataset[Read]):
    """The pictures of a data set, with their labels.

    Args:
        dataset: the data set.
        least: pixels that the shorter side needs.
        skip_bad: go on without pictures that cannot be used.
    """

    def __init__(self, dataset: SegmentationDataset, least: float, *, skip_bad: bool) -> None:
        self._dataset = dataset
        self._least = least
        self._skip_bad = skip_bad

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, number: int) -> Read:
        try:
            sample = self._dataset.scaled_down(number, least=self._least)
        except HarmonizeError as error:
            if not self._skip_bad:
                raise
            return Read(problem="; ".join(error.problems))
        return Read(sample.picture, sample.classes)


class UnlabelledPictures(Dataset[Read]):
    """Pictures by their paths; one that cannot be read is left to the others.

    Args:
        paths: of the files.
        exif: see ``read_reduced``.
        least: pixels that the shorter side needs.
    """

    def __init__(self, paths: list[Path], exif: Exif | None, least: float) -> None:
        self._paths = np.array([str(path) for path in paths])
        self._exif: Exif | None = exif
        self._least = least

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> Read:
        try:
            read = read_reduced(Path(self._paths[number]), least=self._least, exif=self._exif)
        except HarmonizeError as error:
            return Read(problem="; ".join(error.problems))
        return Read(torch.from_numpy(np.array(read.image)).permute(2, 0, 1))
