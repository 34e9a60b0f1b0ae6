"""Count what labels became, in whole numbers that add up over processes."""

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from jaxtyping import Int
from torch import Tensor

# Letters of shapes: C classes of the data set, N sets.

CONTRADICTED = 0.5
"""Probability of a label below which the network contradicts it."""


@dataclass
class RefineTally:
    """Pixels, by class and by what its label became.

    Attributes:
        pixels: of each class and set; void is not counted.
        agreed: times that a view's best leaf within the label lay in the set.
        contradicted: pixels of each class whose label the network finds less probable than
            ``CONTRADICTED``.
    """

    pixels: Int[Tensor, "C N"]
    agreed: Int[Tensor, "C N"]
    contradicted: Int[Tensor, " C"]

    @classmethod
    def empty(cls, classes: int, sets: int) -> "RefineTally":
        """Return a tally of nothing."""
        zeros = torch.zeros(classes, sets, dtype=torch.int64)
        return cls(zeros, zeros.clone(), torch.zeros(classes, dtype=torch.int64))

    def add(self, other: "RefineTally") -> None:
        """Add another tally to this one."""
        self.pixels += other.pixels
        self.agreed += other.agreed
        self.contradicted += other.contradicted

    def together(self, accelerator: Accelerator) -> "RefineTally":
        """Return the sum over all processes."""
        parts = (self.pixels, self.agreed, self.contradicted)
        summed = [accelerator.reduce(part.to(accelerator.device)).cpu() for part in parts]  # type: ignore[union-attr]
        return RefineTally(*summed)
