"""What is counted of each picture that is scored, and what all of it says of a data set."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from harmonize.evaluation.by_depth import DepthGroups, DepthScores, score_depth
from harmonize.evaluation.counting import PixelCounter, answer
from harmonize.evaluation.sampling import PixelSample, Sampler, join

# Letters of shapes: C classes, K leaves, H x W pixels of a label, h x w of the network.


@dataclass(frozen=True)
class Counted:
    """What all processes counted of a data set.

    Attributes:
        confusion: pixels by true class (row) and answer (column).
        depths: the same at each depth, scored.
        sample: of the pixels.
        mean_iou: of each picture by its number, over the classes in it.
    """

    confusion: Int[Tensor, "C C"]
    depths: tuple[DepthScores, ...]
    sample: PixelSample
    mean_iou: Mapping[int, float]


@dataclass(frozen=True)
class Kept:
    """A picture's truth and answer, as numbers of the mapping's classes."""

    truth: Integer[ndarray, "H W"]
    answer: Integer[ndarray, "H W"]


class Tally:
    """Counts pictures one by one in this process, then together with the others.

    Args:
        masks: the leaves of each class that is scored, none for the others; on the device of the
            logits.
        known: the leaves of each class, those included that are not scored.
        groups: at each depth.
        pictures: the number of pictures of the data set.
        keep: the numbers of those whose truth and answer are kept.

    Attributes:
        kept: the pictures of this process that were asked for.
    """

    def __init__(
        self,
        masks: Bool[Tensor, "C K"],
        known: Bool[Tensor, "C K"],
        groups: Sequence[DepthGroups],
        *,
        pictures: int,
        keep: Collection[int] = (),
    ) -> None:
        self._masks = masks
        self._groups = groups
        self._counter = PixelCounter(masks)
        self._equal = [_class_of_group(masks.cpu().numpy(), one) for one in groups]
        self._depths = [
            _DepthCounter(one, masks.device) if equal is None else None
            for one, equal in zip(groups, self._equal, strict=True)
        ]
        self._sampler = Sampler(known, pictures=pictures)
        self._keep = frozenset(keep)
        self._hits: dict[int, Int[Tensor, "2 C"]] = {}
        self.kept: dict[int, Kept] = {}

    def add(
        self, logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"], number: int
    ) -> None:
        """Count a picture of the data set by its number."""
        before = self._counter.counts.clone()
        self._counter.add(logits, classes)
        here = self._counter.counts - before
        right = here.diagonal()
        self._hits[number] = torch.stack([right, here.sum(0) + here.sum(1) - right])
        for counter in self._depths:
            if counter is not None:
                counter.add(logits, classes)
        self._sampler.add(logits, classes, number)
        if number in self._keep and bool(self._masks.any()):
            size = (classes.shape[0], classes.shape[1])
            found = answer(logits.float(), size, self._masks)
            self.kept[number] = Kept(classes.cpu().numpy(), found.cpu().numpy())

    def together(self, accelerator: Accelerator) -> Counted:
        """Add up what all processes counted; each of them must call this."""
        confusion = _total(self._counter.counts, accelerator)
        depths: list[DepthScores] = []
        for one, equal, counter in zip(self._groups, self._equal, self._depths, strict=True):
            if counter is not None:
                counts = _total(counter.counts, accelerator)[:-1, :-1]
            else:  # the groups are the classes
                counts = confusion[equal][:, equal]
            depths.append(score_depth(one, counts))
        means = {number: _mean_iou(hits) for number, hits in self._hits.items()}
        shares = gather_object([(self._sampler.sample(), means)])
        sample = join((part for part, _ in shares), leaves=self._masks.shape[1])
        mean_iou = {number: mean for _, part in shares for number, mean in part.items()}
        return Counted(confusion, tuple(depths), sample, dict(sorted(mean_iou.items())))


class _DepthCounter:
    """Counts pixels in the groups of a depth."""

    def __init__(self, groups: DepthGroups, device: torch.device) -> None:
        self._counter = PixelCounter(torch.from_numpy(groups.masks).to(device))
        kind = torch.uint8 if len(groups.masks) <= 256 else torch.int16
        self._group_of = torch.from_numpy(groups.group_of).to(kind).to(device)

    @property
    def counts(self) -> Int[Tensor, "G G"]:
        return self._counter.counts

    def add(self, logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"]) -> None:
        groups = self._group_of.index_select(0, classes.flatten().int())  # quicker than indexing
        self._counter.add(logits, groups.view(classes.shape))


def _class_of_group(masks: Bool[ndarray, "C K"], groups: DepthGroups) -> list[int] | None:
    """Return the class that equals each group, if the two are scored on the same pixels."""
    scored = np.flatnonzero(masks.any(1)).tolist()
    if scored != np.flatnonzero(groups.group_of < len(groups.groups)).tolist():
        return None
    class_of = {masks[number].tobytes(): number for number in scored}
    equal = [class_of[row.tobytes()] for row in groups.masks[:-1] if row.tobytes() in class_of]
    return equal if len(equal) == len(scored) == len(groups.groups) else None


def _total(counts: Int[Tensor, "C C"], accelerator: Accelerator) -> Int[Tensor, "C C"]:
    total = accelerator.reduce(counts, reduction="sum")
    assert isinstance(total, Tensor)
    return total.cpu()


def _mean_iou(hits: Int[Tensor, "2 C"]) -> float:
    """Return the mean over the classes in a picture's truth or answer; NaN if there is none."""
    right, union = hits.double().cpu()
    return (right[union > 0] / union[union > 0]).mean().item()
