"""Complete the labels of pictures, one after the other, with a network that looks at each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, Num
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset

from harmonize.completion.within import Choices, best_leaves, complete
from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import load
from harmonize.decoding.views import ViewedNetwork
from harmonize.system.signals import until_stopped
from harmonize.tools.refine.label_sets import LabelSets
from harmonize.tools.refine.refine_tally import CONTRADICTED, RefineTally

# Letters of shapes: N bands, K leaves, H x W pixels of a label, h x w of a picture, P pixels, V
# views.


@dataclass(frozen=True)
class FullPicture:
    """A picture and its label, class numbers at the label's own size."""

    number: int
    picture: Num[Tensor, "N h w"]
    classes: Integer[Tensor, "H W"]


class FullPictures(Dataset[FullPicture | BadSample]):
    """The pictures of a data set, no smaller than they are looked at."""

    def __init__(self, dataset: SegmentationDataset, *, least: float) -> None:
        self._dataset = dataset
        self._least = least

    def __getitem__(self, number: int) -> FullPicture | BadSample:
        try:
            sample = self._dataset.scaled_down(number, least=self._least)
        except BadSampleError as error:
            return error.sample
        return FullPicture(number, sample.picture, sample.classes)


def read_pictures(
    dataset: SegmentationDataset, numbers: Sequence[int], *, least: float, workers: int
) -> Iterator[FullPicture | BadSample]:
    """Read pictures of a data set in the given order."""
    pictures = FullPictures(dataset, least=least)
    return until_stopped(load(pictures, [[one] for one in numbers], _only, workers=workers))


def _only(samples: list[FullPicture | BadSample]) -> FullPicture | BadSample:
    return samples[0]


@dataclass(frozen=True)
class ClassPixels:
    """What a network sees in the pixels of one class.

    Attributes:
        where: their places among the picture's pixels, row by row.
        mean: probabilities, averaged over the views.
        best: the best leaf within the label in each view.
    """

    where: Int[Tensor, " P"]
    mean: Float[Tensor, "K P"]
    best: Int[Tensor, "V P"]


def see_classes(
    item: FullPicture, network: ViewedNetwork, sets: LabelSets
) -> Iterator[tuple[int, ClassPixels]]:
    """Yield what a network sees in the pixels of each class that can be completed."""
    height, width = item.classes.shape
    views = network.look(item.picture, (height, width))
    flat = [view.flatten(1) for view in views]
    classes = item.classes.flatten()
    for number in classes.unique().tolist():
        if len(sets.finer.choices[number]) < 2:
            continue
        where = (classes == number).nonzero().flatten()
        label = torch.from_numpy(sets.labels[number])
        each = [view[:, where] for view in flat]
        best = torch.stack([best_leaves(view, label) for view in each])
        yield number, ClassPixels(where, torch.stack(each).mean(0), best)


@dataclass(frozen=True)
class CompletedLabel:
    """A label with what it became.

    Attributes:
        number: of the picture.
        sets: the number of each pixel's set; -1 for void.
        tally: of this picture.
        views: that the network had.
    """

    number: int
    sets: Integer[ndarray, "H W"]
    tally: RefineTally
    views: int


def complete_label(
    item: FullPicture,
    network: ViewedNetwork,
    sets: LabelSets,
    choices: Sequence[Choices | None],
) -> CompletedLabel:
    """Complete a picture's label.

    Args:
        item: the picture.
        network: what looks at it.
        sets: what labels can become.
        choices: of each class, with their thresholds; None for what has no leaves.
    """
    own = torch.tensor([one[0] if one else -1 for one in sets.finer.choices])
    found = own[item.classes.long()].flatten()
    tally = RefineTally.empty(len(sets.classes), len(sets.names))
    masks = torch.from_numpy(sets.finer.masks)
    for number, seen in see_classes(item, network, sets):
        chosen = choices[number]
        assert chosen is not None
        numbers = torch.tensor(sets.finer.choices[number])[complete(seen.mean, chosen).numbers]
        found[seen.where] = numbers
        inside = masks[numbers, seen.best].sum(0)  # views
        tally.agreed[number].index_add_(0, numbers, inside)
        label = torch.from_numpy(sets.labels[number])
        tally.contradicted[number] = (seen.mean[label].sum(0) < CONTRADICTED).sum()
    labelled = found >= 0
    cells = item.classes.flatten().long()[labelled] * len(sets.names) + found[labelled]
    tally.pixels += cells.bincount(minlength=tally.pixels.numel()).view_as(tally.pixels)
    found[labelled] = torch.where(masks.all(1)[found[labelled]], -1, found[labelled])
    height, width = item.classes.shape
    numbers = found.view(height, width).numpy().astype(np.int32)
    return CompletedLabel(item.number, numbers, tally, len(network.views))
