"""How far a mean IoU would lie elsewhere on other pictures like these: the bootstrap's interval."""

from collections.abc import Iterator

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
_SEED = 18
_AT_A_TIME = 100
"""Resamples whose weights are held together."""


def draw_weights(
    pictures: int, *, resamples: int = RESAMPLES, seed: int = _SEED
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


def interval_of(values: Float[ndarray, " R"], level: float = LEVEL) -> Interval:
    """Return the percentiles that a share of the values lies between."""
    known = values[~np.isnan(values)]
    if not len(known):
        return NONE
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_iou_interval(pixels: PixelsByClass, scored: Bool[ndarray, " C"] | None = None) -> Interval:
    """Return the interval of a mean IoU over pictures; none if there are fewer than two."""
    pictures = len(pixels.right)
    if pictures < 2:
        return NONE
    means = [mean_ious(weights, pixels, scored) for weights in draw_weights(pictures)]
    return interval_of(np.concatenate(means))
