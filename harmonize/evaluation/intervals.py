"""How far a mean IoU would lie elsewhere on other pictures like these: the bootstrap's interval."""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from harmonize.evaluation.picture_counts import PixelsByClass

# Letters of shapes: P pictures, C classes, R resamples, S of them at a time.

Interval = tuple[float, float]
"""The lower and the upper end; NaN where there is none."""

RESAMPLES = 1000
LEVEL = 0.95
NONE: Interval = (float("nan"), float("nan"))
SEED = 18
_AT_A_TIME = 100
"""Resamples whose weights are held together."""


def draw_weights(
    pictures: int, *, resamples: int = RESAMPLES, seed: int = SEED
) -> Iterator[Float[ndarray, "S P"]]:
    """Yield how often each picture is in each resample: as many pictures, drawn with replacement.

    They follow from the number of pictures and the seed alone.
    """
    rng = np.random.default_rng([seed, pictures])
    for first in range(0, resamples, _AT_A_TIME):
        rows = min(_AT_A_TIME, resamples - first)
        drawn = rng.integers(0, pictures, (rows, pictures))
        drawn += pictures * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * pictures)
        yield counts.reshape(rows, pictures).astype(np.float64)


def mean_ious(
    weights: Float[ndarray, "S P"], pixels: PixelsByClass, scored: Bool[ndarray, " C"] | None = None
) -> Float[ndarray, " S"]:
    """Return the mean IoU of each resample, over the classes that occur in it; NaN if none does.

    Args:
        weights: how often each picture counts.
        pixels: of the classes in these pictures.
        scored: the classes that are in the mean; all unless given.
    """
    right, union = weights @ pixels.right, weights @ pixels.union
    present = union > 0 if scored is None else (union > 0) & scored
    iou = np.where(present, right / np.where(present, union, 1), 0)
    number = present.sum(1)
    return np.where(number > 0, iou.sum(1) / np.maximum(number, 1), np.nan)


def interval_of(values: Float[ndarray, " R"], pictures: int, level: float = LEVEL) -> Interval:
    """Return the percentiles of resamples that hold the true value in a share of cases.

    With few pictures these lie farther out, since resamples then vary too little: as far as those
    of Student's t and of the standard error of n - 1 do (Hesterberg, "What Teachers Should Know
    about the Bootstrap", 2015: expanded percentiles).

    Args:
        values: of the resamples; those that are NaN do not count.
        pictures: n, two at least.
        level: the share.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return NONE
    reach = _student((1 + level) / 2, pictures - 1) * math.sqrt(pictures / (pictures - 1))
    outside = NormalDist().cdf(-reach)
    low, high = np.quantile(known, [outside, 1 - outside])
    return float(low), float(high)


def _student(share: float, freedom: int) -> float:
    """Return a quantile of Student's t, by the first terms of its expansion around the normal."""
    z = NormalDist().inv_cdf(share)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def mean_iou_interval(pixels: PixelsByClass, scored: Bool[ndarray, " C"] | None = None) -> Interval:
    """Return the interval of a mean IoU over pictures; none if there are fewer than two."""
    pictures = len(pixels.right)
    if pictures < 2:
        return NONE
    means = [mean_ious(weights, pixels, scored) for weights in draw_weights(pictures)]
    return interval_of(np.concatenate(means), pictures)
