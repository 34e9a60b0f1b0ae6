"""Thresholds that let each class keep its share among the pixels that are completed.

Class-balanced self-training (Zou et al., ECCV 2018) chooses a threshold for each class so that the
same portion of its pixels is taken. Here none goes below the confidence that was asked for: easy
classes are held back, and hard ones get no more than they earn.
"""

import statistics
from collections.abc import Sequence

import torch
from accelerate import Accelerator
from jaxtyping import Float, Int
from torch import Tensor

from harmonize.completion.within import Choices, complete
from harmonize.tools.refine.label_sets import LabelSets

# Letters of shapes: N sets, B bins, K leaves, P pixels.

BINS = 1000
FEWEST = 100
"""Pixels of a set below which nothing is said about its share."""


class ReachedTally:
    """How probable the finest sets are where they are chosen.

    Args:
        sets: what labels can become.
        choices: of each class, with the confidence as threshold.

    Attributes:
        chosen: pixels by set and bin of the probability within the label.
        best: pixels by the finest set that is the most probable.
    """

    def __init__(self, sets: LabelSets, choices: Sequence[Choices | None]) -> None:
        self._sets = sets
        self._choices = choices
        number = len(sets.names)
        self.chosen: Int[Tensor, "N B"] = torch.zeros(number, BINS, dtype=torch.int64)
        self.best: Int[Tensor, " N"] = torch.zeros(number, dtype=torch.int64)

    def add(self, number: int, probabilities: Float[Tensor, "K P"]) -> None:
        """Add pixels of a class."""
        choices = self._choices[number]
        if choices is None:
            return
        finest = torch.from_numpy(self._sets.finer.is_finest(number))
        global_number = torch.tensor(self._sets.finer.choices[number])
        sums = choices.masks.to(probabilities.dtype) @ probabilities
        best = torch.where(finest[:, None], sums, -1).argmax(0)
        self.best += global_number[best].bincount(minlength=len(self.best))
        completed = complete(probabilities, choices)
        fine = finest[completed.numbers]
        bins = (completed.confidence[fine] * BINS).long().clamp(max=BINS - 1)
        cells = global_number[completed.numbers[fine]] * BINS + bins
        self.chosen += cells.bincount(minlength=self.chosen.numel()).view_as(self.chosen)

    def together(self, accelerator: Accelerator) -> None:
        """Take in what the other processes counted."""
        for part in (self.chosen, self.best):
            part.copy_(accelerator.reduce(part.to(accelerator.device)))  # type: ignore[arg-type]

    def thresholds(self) -> dict[int, float]:
        """Return by set the probability that pixels must reach for the set to keep its share.

        Of the pixels for which a finest set is the most probable it then gets at most the portion
        that the median set gets without this.
        """
        known = [one for one in range(len(self.best)) if self.best[one] >= FEWEST]
        chosen = self.chosen.sum(1)
        if not known:
            return {}
        portion = statistics.median((chosen[one] / self.best[one]).item() for one in known)
        found: dict[int, float] = {}
        for one in known:
            allowed = round(portion * int(self.best[one]))
            above = self.chosen[one].flip(0).cumsum(0).flip(0)  # pixels in a bin or a higher one
            if int(chosen[one]) > allowed:
                lowest = int((above <= allowed).nonzero()[0]) if (above <= allowed).any() else BINS
                found[one] = lowest / BINS
        return found
