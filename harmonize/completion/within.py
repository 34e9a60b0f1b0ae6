"""Choose, of what a label can become, the deepest that is probable enough."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Letters of shapes: M sets that a label can become, K leaves, P pixels.

_LEAST = 1e-30
"""Of a probability that others are divided by."""


@dataclass(frozen=True)
class Choices:
    """What a label can become; see ``FinerSets``.

    Attributes:
        masks: the leaves of each set, the label's own first.
        depths: how deep each lies.
        thresholds: the probability within the label that each must reach, in (0, 1]. None reaches
            1: there the label stays.
    """

    masks: Bool[Tensor, "M K"]
    depths: Int[Tensor, " M"]
    thresholds: Float[Tensor, " M"]


@dataclass(frozen=True)
class Completed:
    """What some pixels of one label become.

    Attributes:
        numbers: of the sets; 0 where the label stays.
        confidence: the probability of the set within the label; 1 where that stays.
    """

    numbers: Int[Tensor, " P"]
    confidence: Float[Tensor, " P"]


def complete(probabilities: Float[Tensor, "K P"], choices: Choices) -> Completed:
    """Choose the deepest set of each pixel that is probable enough, given that its label is true.

    With the leaves S of the label and T of a set, T within S, that is p(T | S) = p(T) / p(S). Of
    several the most probable; the label where none is (pseudo-labels constrained to the label space
    of their data set, as in arXiv 2502.19177).

    Args:
        probabilities: of leaves, of pixels with this label.
        choices: what it can become.
    """
    masks = choices.masks.to(probabilities.dtype)
    sums = masks @ probabilities
    within = (sums / sums[0].clamp(min=_LEAST)).clamp(max=1)
    known = sums[0] > _LEAST
    reached = (within >= choices.thresholds[:, None]) & (choices.thresholds[:, None] < 1) & known
    reached[0] = True
    rank = choices.depths[:, None] + within / 2
    numbers = torch.where(reached, rank, -torch.inf).argmax(0)
    chosen = within.gather(0, numbers[None])[0]
    return Completed(numbers, torch.where(numbers == 0, 1.0, chosen))


def best_leaves(
    probabilities: Float[Tensor, "K P"], label: Bool[Tensor, " K"]
) -> Int[Tensor, " P"]:
    """Return the most probable leaf of each pixel among those of its label."""
    return torch.where(label[:, None], probabilities, -1).argmax(0)
