"""What is counted of each picture: pixels of each answer, and how steady and right they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harmonize.calibration.back_off import MOST_DRAWN

# Letters of shapes: Q pictures, C answers, P pixels.

COUNTS = ("pixels", "right", "confidence", "mirrored", "steady")
"""Of the pixels of an answer: their number, how many are right, the sum of their probabilities, how
many keep their answer in the mirrored picture, and how many in every view."""


@dataclass(frozen=True)
class SeenPixels:
    """Some pixels of a picture, as a network answers them in several views.

    Attributes:
        answers: the number of each one's answer.
        confidence: the calibrated probability of the answer, in [0, 1].
        mirrored: whether the mirrored picture gives the same answer there.
        steady: whether every view does.
    """

    answers: Int[Tensor, " P"]
    confidence: Float[Tensor, " P"]
    mirrored: Bool[Tensor, " P"]
    steady: Bool[Tensor, " P"]


def count_picture(
    seen: SeenPixels,
    num_answers: int,
    right: Bool[Tensor, " P"] | None = None,
    counted: Bool[Tensor, " P"] | None = None,
) -> Float[Tensor, "C 5"]:
    """Count the pixels of a picture by their answers, in the order of ``COUNTS``.

    Args:
        seen: the pixels.
        num_answers: C.
        right: whether each answer is right; unless given, none is counted as such.
        counted: which pixels are counted; all unless given.
    """
    ones = torch.ones_like(seen.answers, dtype=torch.float64)
    right = torch.zeros_like(seen.mirrored) if right is None else right
    columns = [ones, right, seen.confidence, seen.mirrored, seen.steady]
    values = torch.stack([column.double() for column in columns], 1)
    if counted is not None:
        values = values * counted[:, None]
    counts = torch.zeros(num_answers, len(COUNTS), dtype=torch.float64)
    return counts.index_add(0, seen.answers.long(), values)


@dataclass(frozen=True)
class PictureSums:
    """The counts of every picture of a set.

    Attributes:
        name: of the set.
        counts: in the order of ``COUNTS``.
    """

    name: str
    counts: Float[Tensor, "Q C 5"]

    @property
    def total(self) -> Float[Tensor, "C 5"]:
        """The counts of all pictures together."""
        return self.counts.sum(0)

    def drawn(self, weights: Float[Tensor, "D B"]) -> Float[Tensor, "D C 5"]:
        """Return the counts of draws of blocks of pictures; see ``num_blocks``."""
        return torch.tensordot(weights, self._blocks(), dims=1)

    @property
    def num_blocks(self) -> int:
        """The number of blocks that are drawn: pictures, or of very many so many neighbours."""
        return min(len(self.counts), MOST_DRAWN)

    def _blocks(self) -> Float[Tensor, "B C 5"]:
        number = len(self.counts)
        if number <= MOST_DRAWN:
            return self.counts
        owners = torch.arange(number) * MOST_DRAWN // number
        return self.counts.new_zeros(MOST_DRAWN, *self.counts.shape[1:]).index_add(
            0, owners, self.counts
        )


def joined(sets: Sequence[PictureSums]) -> PictureSums:
    """Return the pictures of several sets as one."""
    return PictureSums(
        " + ".join(one.name for one in sets), torch.cat([one.counts for one in sets])
    )
