"""Pixels within polygons, as COCO's own tools see them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.rle import read_runs
from harmonize.system.extras import need

# Letters of shapes: N runs.

_LEAST = 6
"""Numbers of three corners."""


def polygon_runs(polygons: Sequence[Any], size: tuple[int, int], where: str) -> Int[ndarray, " N"]:
    """Return the runs of the pixels that lie in any of some polygons.

    Args:
        polygons: x and y of each corner, from the left and the top of the picture, in pixels.
        size: width and height of the picture.
        where: names the polygons in errors.

    Raises:
        HarmonizeError: they are no polygons, or pycocotools is not installed.
    """
    for polygon in polygons:
        _check(polygon, size, where)
    tools = need("pycocotools.mask", extra="coco", key=where)
    width, height = size
    parts = tools.frPyObjects([[float(value) for value in one] for one in polygons], height, width)
    merged = tools.merge(parts)
    counts: bytes = merged["counts"]
    return read_runs({"size": [height, width], "counts": counts.decode()}, size, where)


def _check(polygon: Any, size: tuple[int, int], where: str) -> None:
    """Refuse what is no polygon; also one far outside, whose edge would take all memory."""
    if not isinstance(polygon, list | tuple | np.ndarray):
        raise HarmonizeError(f"{where}: expected a list of polygons, got {str(polygon)[:40]!r}")
    if len(polygon) < _LEAST or len(polygon) % 2:
        raise HarmonizeError(
            f"{where}: a polygon has x and y of 3 corners or more, got {len(polygon)} numbers"
        )
    if not all(type(value) in (int, float) and math.isfinite(value) for value in polygon):
        raise HarmonizeError(f"{where}: corners are numbers, got {str(list(polygon))[:60]!r}")
    for side, values in zip(size, (polygon[::2], polygon[1::2]), strict=True):
        low, high = min(values), max(values)
        if low < -side or high > 2 * side:
            raise HarmonizeError(
                f"{where}: a corner at {low if low < -side else high:g} lies far outside of its "
                f"picture, which ends at {side}"
            )
