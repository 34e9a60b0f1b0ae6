"""Boundary IoU: how well answers follow the edges of things, whatever their size.

Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation" (CVPR 2021):
IoU over the pixels of truth and answer that lie within some distance of their own edges.
"""

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Integer
from numpy import ndarray

from harmonize.evaluation.picture_counts import Entries

# Letters of shapes: H x W pixels of a label, C classes.

WIDTH = 0.02
"""How far from an edge pixels count, as a share of the picture's diagonal; the paper's."""


def near_edges(classes: Integer[ndarray, "H W"], distance: int) -> Bool[ndarray, "H W"]:
    """Mark the pixels of each class from which another one, or the border, is within a distance.

    Distances are counted in steps to any of the eight neighbours, as by eroding each class that
    often with a square of 3 x 3 pixels. Beyond the border nothing is of any class.
    """
    inside = slice(distance, -distance or None)
    edge = np.ones(classes.shape, dtype=bool)
    if min(classes.shape) > 2 * distance:
        low, high = (_over_windows(classes, distance, of) for of in (np.minimum, np.maximum))
        edge[inside, inside] = low != high
    return edge


def boundary_entries(
    truth: Integer[ndarray, "H W"],
    answer: Integer[ndarray, "H W"],
    scored: Bool[ndarray, " C"],
    *,
    width: float = WIDTH,
) -> Entries:
    """Count the pixels near edges of a picture: right, true and answered ones of each class.

    Pixels without a scored label are none of any class, in truth and in answer.

    Args:
        truth, answer: numbers of classes.
        scored: the classes that are.
        width: how far from an edge pixels count, as a share of the diagonal; one pixel at least.
    """
    void = len(scored)
    labelled = scored[truth]
    wide = np.uint8 if void < 256 else np.int32
    seen = [np.where(labelled, one, void).astype(wide) for one in (truth, answer)]
    distance = max(round(width * math.hypot(*truth.shape)), 1)
    true, answered = (near_edges(one, distance) & labelled for one in seen)
    right = true & answered & (seen[0] == seen[1])
    counts = np.stack(
        [
            np.bincount(classes[chosen], minlength=void + 1)[:void]
            for classes, chosen in ((seen[0], right), (seen[0], true), (seen[1], answered))
        ]
    )
    present = np.flatnonzero(counts[1:].any(0))
    return np.concatenate([present[None], counts[:, present]]).astype(np.int64)


def _over_windows(
    classes: Integer[ndarray, "H W"],
    distance: int,
    of: Callable[[ndarray, ndarray], ndarray],
) -> Integer[ndarray, "_ _"]:
    """Return the least or largest number in each square of 2 * distance + 1 pixels a side."""
    size = 2 * distance + 1
    for axis in (0, 1):
        reach, length = 1, classes.shape[axis]
        while reach < size:  # numbers stand for ``reach`` pixels from here on
            step = min(reach, size - reach)
            length -= step
            rows, columns = (length, None) if axis == 0 else (None, length)
            further = classes[step:] if axis == 0 else classes[:, step:]
            classes = of(classes[:rows, :columns], further)
            reach += step
    return classes
