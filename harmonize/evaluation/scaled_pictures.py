"""The pictures of a data set as they are scored: scaled, and those of one size together."""

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Integer, Num
from torch import Tensor
from torch.utils.data import Dataset

from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.resizing import resize, resize_nearest, shorter_side
from harmonize.data.transforms import centre_square
from harmonize.data.windows import LargePicture, WindowedLabel
from harmonize.decoding.views import Views
from harmonize.labels.scored_classes import ScoredClasses

# Letters of shapes: N bands, H x W pixels of a label, h x w of the network.

_BATCH = 8
"""Pictures of equal size that go through the network together."""


@dataclass(frozen=True)
class ScaledPicture:
    """A picture at the size that the network sees, its label at the size that is scored.

    Where it is looked at in several views, or in tiles, it is at least as large as those. Both are
    read in strips where they are too large for memory.
    """

    number: int
    picture: Num[Tensor, "N h w"] | LargePicture
    classes: Integer[Tensor, "H W"] | WindowedLabel


class ScaledPictures(Dataset[ScaledPicture | BadSample]):
    """The pictures of a data set, ready to be scored."""

    def __init__(
        self,
        dataset: SegmentationDataset,
        scored: ScoredClasses,
        *,
        views: Views,
        crop: bool,
        skip_bad: bool,
    ) -> None:
        self._dataset = dataset
        self._numbers = None if scored.is_as_written else torch.from_numpy(scored.numbers)
        self._skip_bad = skip_bad
        self._views = views
        self._crop = crop

    def __getitem__(self, number: int) -> ScaledPicture | BadSample:
        try:
            return self._scaled(number)
        except BadSampleError as error:
            if not self._skip_bad:
                raise
            return error.sample

    def _scaled(self, number: int) -> ScaledPicture:
        large = None if self._crop else self._dataset.large(number)
        if large is not None:
            numbers = None if self._numbers is None else self._numbers.numpy()
            return ScaledPicture(number, large[0], dataclasses.replace(large[1], numbers=numbers))
        least = math.inf if self._crop else self._views.largest
        sample = self._dataset.scaled_down(number, least=least)
        picture, classes = sample.picture, sample.classes
        if self._crop:
            picture, classes = centre_square(picture), centre_square(classes)
            if self._views.size != "full":
                size = int(self._views.size)
                classes = resize_nearest(classes, size, size)
        if self._numbers is not None:
            classes = self._numbers.to(classes.dtype)[classes.int()]
        if self._views.size == "full" or not self._views.is_one:
            return ScaledPicture(number, picture, classes)
        height, width = shorter_side(classes.shape[0], classes.shape[1], int(self._views.size))
        scaled = resize(picture, (height, width))
        return ScaledPicture(number, scaled, classes)


def only(samples: list[ScaledPicture | BadSample]) -> ScaledPicture | BadSample:
    """Return the sample of a batch of one."""
    return samples[0]


def share(number: int, rank: int, processes: int) -> list[int]:
    """Return the pictures that a process scores: every n-th block of those that go together.

    So a picture goes through the network beside the same others, however many processes there are,
    and comes out the same to the last bit.
    """
    firsts = range(rank * _BATCH, number, processes * _BATCH)
    return [n for first in firsts for n in range(first, min(first + _BATCH, number))]


def equal_sizes(
    pictures: Iterable[ScaledPicture | BadSample], met: list[BadSample]
) -> Iterator[list[ScaledPicture]]:
    """Group consecutive pictures of a block that have the same size; add bad ones to ``met``."""
    batch: list[ScaledPicture] = []
    for number, item in enumerate(pictures):
        if batch and number % _BATCH == 0:
            yield batch
            batch = []
        if isinstance(item, BadSample):
            met.append(item)
            continue
        if batch and batch[0].picture.shape != item.picture.shape:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
