"""What is counted of each picture that is scored, and what all of it says of a data set."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from harmonize.data.windows import RowsOfLabel
from harmonize.decoding.answers import Answers
from harmonize.decoding.decoder import Decoder
from harmonize.errors import HarmonizeError
from harmonize.evaluation.boundary import boundary_entries
from harmonize.evaluation.by_depth import DepthGroups, DepthScores, score_depth
from harmonize.evaluation.counting import AnsweredPicture, Counter
from harmonize.evaluation.picture_counts import Entries, PictureCounts, entries_of
from harmonize.evaluation.sampling import PixelSample, Sampler, join

# Letters of shapes: C classes, K leaves, H x W pixels of a label, R rows of it, h x w of the
# network.


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

    Each pixel is decided once; what it is answered as in classes and groups follows from that.

    Args:
        decoder: decides pixels.
        masks: the leaves of each class that is scored, none for the others.
        known: the leaves of each class, those included that are not scored.
        groups: at each depth.
        pictures: the number of pictures of the data set.
        boundary: whether pixels near edges are counted too.
        keep: the numbers of those whose truth and answer are kept.
        truth: the leaves of each class whose pixels are counted; ``masks`` unless given.

    Attributes:
        kept: the pictures of this process that were asked for.
    """

    def __init__(
        self,
        decoder: Decoder,
        masks: Bool[ndarray, "C K"],
        known: Bool[ndarray, "C K"],
        groups: Sequence[DepthGroups],
        *,
        pictures: int,
        boundary: bool = False,
        keep: Collection[int] = (),
        truth: Bool[ndarray, "C K"] | None = None,
    ) -> None:
        counted = masks if truth is None else truth
        scored = np.where(counted.any(1), np.arange(len(masks)), -1)
        self._decoder = decoder
        self._groups = groups
        self._classes = _PictureCounter(Counter(Answers.of(decoder.tree, masks), scored))
        self._depths = [
            _PictureCounter(Counter(Answers.of(decoder.tree, one.masks), _scored(one)))
            for one in groups
        ]
        self._scored = scored >= 0
        self._sampler = Sampler(torch.from_numpy(known), pictures=pictures)
        self._keep = frozenset(keep)
        self._edges: dict[int, Entries] | None = {} if boundary and self._scored.any() else None
        self.kept: dict[int, Kept] = {}

    def add(
        self, logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"], number: int
    ) -> None:
        """Count a picture of the data set by its number; logits are scaled to the label's size."""
        self._add([(0, logits, classes)], classes, number)

    def add_strips(
        self,
        strips: Iterable[tuple[int, Float[Tensor, "K R W"]]],
        classes: Integer[Tensor, "H W"] | RowsOfLabel,
        number: int,
    ) -> None:
        """Count a picture whose logits come in strips of rows, each with its first row's number.

        Of a label that is read in strips too, nothing is kept.

        Raises:
            HarmonizeError: the edges of such a label are wanted.
        """
        if isinstance(classes, RowsOfLabel) and self._edges is not None:
            raise HarmonizeError(
                f"evaluate.boundary: {classes.name} has {classes.shape[1]} x {classes.shape[0]} "
                "pixels, too many for the scores near edges; say evaluate.boundary=false, or cut it"
            )
        parts = (
            (row, strip, _rows(classes, row, row + strip.shape[1]).to(strip.device))
            for row, strip in strips
        )
        self._add(parts, classes, number)

    def _add(
        self,
        parts: Iterable[tuple[int, Float[Tensor, "K h w"], Integer[Tensor, "R W"]]],
        classes: Integer[Tensor, "H W"] | RowsOfLabel,
        number: int,
    ) -> None:
        kept = isinstance(classes, Tensor) and number in self._keep
        keep = kept and bool(self._scored.any())
        answers: list[ndarray] = []
        sampled: list[PixelSample] = []
        counters = (self._classes, *self._depths)
        counts = [counter.counter.nothing() for counter in counters]
        for row, logits, truth in parts:
            picture = AnsweredPicture(self._decoder, logits, truth)
            for total, counter in zip(counts, counters, strict=True):
                total += counter.counter.count(picture)
            height = classes.shape[0]
            sampled.append(self._sampler.of(logits, truth, number, first=row, height=height))
            if keep or self._edges is not None:
                answers.append(picture.answer(self._classes.counter.answers).cpu().numpy())
        self._sampler.add(sampled)  # no part of a picture that could not be read to its end
        for total, counter in zip(counts, counters, strict=True):
            counter.add(total, number)
        if not answers:
            return
        assert isinstance(classes, Tensor)
        truth, found = classes.cpu().numpy(), np.concatenate(answers)
        if keep:
            self.kept[number] = Kept(truth, found)
        if self._edges is not None:
            self._edges[number] = boundary_entries(truth, found, self._scored)

    def together(self, accelerator: Accelerator) -> Counted:
        """Add up what all processes counted; each of them must call this."""
        confusion, pictures = self._classes.together(accelerator)
        depths: list[DepthScores] = []
        for one, counter in zip(self._groups, self._depths, strict=True):
            counts, by_picture = counter.together(accelerator)
            depths.append(score_depth(one, counts[:-1, :-1], by_picture))
        samples = gather_object([self._sampler.sample()])
        sample = join(samples, leaves=self._decoder.tree.leaves.shape[1])
        edges = None if self._edges is None else _join(self._edges)
        return Counted(confusion, tuple(depths), sample, pictures, edges)


def _rows(
    classes: Integer[Tensor, "H W"] | RowsOfLabel, first: int, last: int
) -> Integer[Tensor, "R W"]:
    return classes[first:last] if isinstance(classes, Tensor) else classes.rows(first, last)


class _PictureCounter:
    """Counts pixels, of all pictures and of each."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter
        self._counts = counter.nothing()
        self._pictures: dict[int, Entries] = {}

    def add(self, found: Int[Tensor, "C C"], number: int) -> None:
        self._counts += found
        self._pictures[number] = entries_of(found)

    def together(self, accelerator: Accelerator) -> tuple[Int[Tensor, "C C"], PictureCounts]:
        """Return what all processes counted; each of them must call this."""
        total = accelerator.reduce(self._counts.to(accelerator.device), reduction="sum")
        assert isinstance(total, Tensor)
        return total.cpu(), _join(self._pictures)


def _scored(groups: DepthGroups) -> Int[ndarray, " C"]:
    """Return the group that each class counts as, or -1."""
    return np.where(groups.group_of < len(groups.groups), groups.group_of, -1)


def _join(mine: dict[int, Entries]) -> PictureCounts:
    """Put together what all processes counted of their pictures; each of them must call this."""
    shares: list[dict[int, Entries]] = gather_object([mine])
    return PictureCounts.join({number: one for share in shares for number, one in share.items()})
