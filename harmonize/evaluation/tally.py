"""What is counted of each picture that is scored, and what all of it says of a data set."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from harmonize.evaluation.boundary import boundary_entries
from harmonize.evaluation.by_depth import DepthGroups, DepthScores, score_depth
from harmonize.evaluation.counting import PixelCounter, answer
from harmonize.evaluation.picture_counts import Entries, PictureCounts, entries_of
from harmonize.evaluation.sampling import PixelSample, Sampler, join

# Letters of shapes: C classes, K leaves, H x W pixels of a label, h x w of the network.


@dataclass(frozen=True)
class Counted:
    """What all processes counted of a data set.

    Attributes:
        confusion: pixels by true class (row) and answer (column).
        depths: the same at each depth, scored.
        sample: of the pixels.
        pictures: the pixels of each class in each picture.
        boundary: those of them that are near edges, if they were asked for.
    """

    confusion: Int[Tensor, "C C"]
    depths: tuple[DepthScores, ...]
    sample: PixelSample
    pictures: PictureCounts
    boundary: PictureCounts | None = None


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
        boundary: whether pixels near edges are counted too.
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
        boundary: bool = False,
        keep: Collection[int] = (),
    ) -> None:
        self._masks = masks
        self._groups = groups
        self._counter = _PictureCounter(masks)
        self._equal = [_class_of_group(masks.cpu().numpy(), one) for one in groups]
        self._depths = [
            _DepthCounter(one, masks.device) if equal is None else None
            for one, equal in zip(groups, self._equal, strict=True)
        ]
        self._sampler = Sampler(known, pictures=pictures)
        self._keep = frozenset(keep)
        self._edges: dict[int, Entries] | None = {} if boundary and bool(masks.any()) else None
        self.kept: dict[int, Kept] = {}

    def add(
        self, logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"], number: int
    ) -> None:
        """Count a picture of the data set by its number."""
        self._counter.add(logits, classes, number)
        for counter in self._depths:
            if counter is not None:
                counter.add(logits, classes, number)
        self._sampler.add(logits, classes, number)
        keep = number in self._keep and bool(self._masks.any())
        if not keep and self._edges is None:
            return
        size = (classes.shape[0], classes.shape[1])
        found = answer(logits.float(), size, self._masks).cpu().numpy()
        truth = classes.cpu().numpy()
        if keep:
            self.kept[number] = Kept(truth, found)
        if self._edges is not None:
            scored = self._masks.any(1).cpu().numpy()
            self._edges[number] = boundary_entries(truth, found, scored)

    def together(self, accelerator: Accelerator) -> Counted:
        """Add up what all processes counted; each of them must call this."""
        confusion, pictures = self._counter.together(accelerator)
        depths: list[DepthScores] = []
        for one, equal, counter in zip(self._groups, self._equal, self._depths, strict=True):
            if counter is not None:
                counts, by_picture = counter.together(accelerator)
                depths.append(score_depth(one, counts[:-1, :-1], by_picture))
            elif equal is not None:  # the groups are the classes
                by_picture = pictures.renumbered(equal)
                depths.append(score_depth(one, confusion[equal][:, equal], by_picture))
        samples = gather_object([self._sampler.sample()])
        sample = join(samples, leaves=self._masks.shape[1])
        edges = None if self._edges is None else _join(self._edges)
        return Counted(confusion, tuple(depths), sample, pictures, edges)


class _PictureCounter:
    """Counts pixels, of all pictures and of each."""

    def __init__(self, masks: Bool[Tensor, "C K"]) -> None:
        self._counter = PixelCounter(masks)
        self._pictures: dict[int, Entries] = {}

    def add(
        self, logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"], number: int
    ) -> None:
        before = self._counter.counts.clone()
        self._counter.add(logits, classes)
        self._pictures[number] = entries_of(self._counter.counts - before)

    def together(self, accelerator: Accelerator) -> tuple[Int[Tensor, "C C"], PictureCounts]:
        """Return what all processes counted; each of them must call this."""
        return _total(self._counter.counts, accelerator), _join(self._pictures)


def _join(mine: dict[int, Entries]) -> PictureCounts:
    """Put together what all processes counted of their pictures; each of them must call this."""
    shares: list[dict[int, Entries]] = gather_object([mine])
    return PictureCounts.join({number: one for share in shares for number, one in share.items()})


class _DepthCounter:
    """Counts pixels in the groups of a depth."""

    def __init__(self, groups: DepthGroups, device: torch.device) -> None:
        self._counter = _PictureCounter(torch.from_numpy(groups.masks).to(device))
        kind = torch.uint8 if len(groups.masks) <= 256 else torch.int16
        self._group_of = torch.from_numpy(groups.group_of).to(kind).to(device)

    def add(
        self, logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"], number: int
    ) -> None:
        groups = self._group_of.index_select(0, classes.flatten().int())  # quicker than indexing
        self._counter.add(logits, groups.view(classes.shape), number)

    def together(self, accelerator: Accelerator) -> tuple[Int[Tensor, "G G"], PictureCounts]:
        return self._counter.together(accelerator)


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
