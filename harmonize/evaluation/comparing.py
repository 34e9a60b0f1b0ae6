"""Whether two networks score differently on the same pictures: a paired bootstrap of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from harmonize.evaluation.intervals import Interval, draw_weights, interval_of, mean_ious
from harmonize.evaluation.picture_counts import PixelsByClass

# Letters of shapes: C classes, S resamples at a time, N runs of one config.

_SEED = 19


@dataclass(frozen=True)
class Difference:
    """How a mean IoU differs between two sides, on the same pictures and classes.

    Attributes:
        baseline, other: the mean IoU of each side, over its seeds.
        interval: of the other less the baseline.
    """

    baseline: float
    other: float
    interval: Interval

    @property
    def difference(self) -> float:
        """The other less the baseline."""
        return self.other - self.baseline

    @property
    def differs(self) -> bool:
        """Whether the interval does not hold zero."""
        low, high = self.interval
        return low > 0 or high < 0

    @property
    def text(self) -> str:
        """The difference and its interval, in percent points."""
        low, high = self.interval
        return f"{100 * self.difference:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"

    @property
    def verdict(self) -> str:
        """Whether the two differ, in words."""
        return "differs" if self.differs else "does not differ"


def difference_of(
    baseline: Sequence[PixelsByClass],
    other: Sequence[PixelsByClass],
    scored: Bool[ndarray, " C"],
) -> Difference | None:
    """Compare two sides, each of one run or of several seeds of one config.

    Each resample draws pictures with replacement, the same for all runs, and on each side as many
    seeds as there are. Seeds drawn so vary too little, by (N - 1) / N of their variance, which is
    made up for.

    Args:
        baseline, other: the pixels of the runs of each side, in the same pictures and classes.
        scored: the classes that are in the mean.

    Returns:
        None where there are fewer than two pictures, or nothing to score.
    """
    pictures = len(baseline[0].right)
    if pictures < 2:
        return None
    whole = np.ones((1, pictures))
    first, second = (
        float(np.mean([mean_ious(whole, one, scored)[0] for one in side]))
        for side in (baseline, other)
    )
    if math.isnan(first) or math.isnan(second):
        return None
    rng = np.random.default_rng([_SEED, len(baseline), len(other)])
    found = [
        _of_side(other, weights, scored, rng) - _of_side(baseline, weights, scored, rng)
        for weights in draw_weights(pictures)
    ]
    return Difference(first, second, interval_of(np.concatenate(found), pictures))


def _of_side(
    side: Sequence[PixelsByClass],
    weights: Float[ndarray, "S P"],
    scored: Bool[ndarray, " C"],
    rng: np.random.Generator,
) -> Float[ndarray, " S"]:
    """Return the mean IoU of a side in each resample, over seeds that are drawn too."""
    each: Float[ndarray, "S N"] = np.stack(
        [mean_ious(weights, one, scored) for one in side], axis=1
    )
    number = len(side)
    if number == 1:
        return each[:, 0]
    drawn = np.take_along_axis(each, rng.integers(0, number, each.shape), axis=1).mean(1)
    middle = each.mean(1)
    return middle + math.sqrt(number / (number - 1)) * (drawn - middle)
