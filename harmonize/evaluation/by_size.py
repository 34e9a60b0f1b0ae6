"""Scores by how much of a picture a class covers: small, medium and large parts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.evaluation.picture_counts import PixelsByClass

# Letters of shapes: C classes.

SIZES: dict[str, tuple[float, float]] = {
    "small": (0.0, 0.01),
    "medium": (0.01, 0.1),
    "large": (0.1, 1.01),
}
"""From which share of a picture's scored pixels on a class counts as so large there, and up to
which."""


@dataclass(frozen=True)
class SizeScores:
    """The scores of classes in the pictures where they are about as large.

    Attributes:
        size: small, medium or large.
        iou: of each class over the pictures whose truth it covers so much of; NaN if there is none.
            What is answered as the class in other pictures does not count.
        mean_iou: over the classes that have one; NaN if none has.
    """

    size: str
    iou: Float[ndarray, " C"]
    mean_iou: float


def score_sizes(pixels: PixelsByClass) -> tuple[SizeScores, ...]:
    """Score classes apart by how much of each picture they cover."""
    whole = pixels.true.sum(1, keepdims=True)
    share = pixels.true / np.maximum(whole, 1)
    found: list[SizeScores] = []
    for size, (low, high) in SIZES.items():
        here = (pixels.true > 0) & (share >= low) & (share < high)
        right, union = (pixels.right * here).sum(0), (pixels.union * here).sum(0)
        iou = np.where(union > 0, right / np.maximum(union, 1), np.nan)
        known = iou[~np.isnan(iou)]
        found.append(SizeScores(size, iou, float(known.mean()) if len(known) else float("nan")))
    return tuple(found)
