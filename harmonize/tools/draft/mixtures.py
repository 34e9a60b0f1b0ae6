"""Colours of labels that only lie between others, where scaling has blurred the edges."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int, Integer
from numpy import ndarray

# Letters of shapes: H x W pixels of a label, P some of them, N colours, M mixtures.

_SOLID = 1e-4
"""The share of pixels amid their like from which on a colour is no mixture."""
_NEAR = 8
"""How far a mixture may be from the line between two colours."""
_MOST_PAIRS = 500
_SHIFTS = np.array([16, 8, 0])


def solid(numbers: Integer[ndarray, "H W"]) -> Integer[ndarray, " P"]:
    """Return the numbers of the pixels whose four neighbours have the same."""
    inner = numbers[1:-1, 1:-1]
    same = (inner == numbers[:-2, 1:-1]) & (inner == numbers[2:, 1:-1])
    same &= (inner == numbers[1:-1, :-2]) & (inner == numbers[1:-1, 2:])
    return inner[same]


def without_mixtures(counted: Mapping[int, tuple[int, int]], total: int) -> tuple[set[int], int]:
    """Leave out colours that only lie between others.

    Args:
        counted: by colour, its pixels and those of them whose neighbours have it too.
        total: the number of all pixels.

    Returns:
        The other colours, and the largest difference of a part between a mixture and the nearest
        of them: the tolerance that takes all mixtures in.
    """
    kept = [color for color, (_, amid) in counted.items() if amid >= _SOLID * total]
    rest = [color for color in counted if color not in {*kept}]
    if not kept or not rest:
        return {*counted}, 0
    unsure = _parts(rest)
    mixed = _between(unsure, _parts(kept))
    for place, color in enumerate(rest):
        pixels, amid = counted[color]
        mixed[place] |= amid == 0 and pixels < _SOLID * total
        if not mixed[place]:
            kept.append(color)
    known = _parts(kept)
    nearest = [int(np.abs(known - mixture).max(1).min()) for mixture in unsure[mixed]]
    return {*kept}, max(nearest, default=0)


def _parts(colors: list[int]) -> Int[ndarray, "N 3"]:
    return np.array(colors, dtype=np.int64)[:, None] >> _SHIFTS & 255


def _between(colors: Int[ndarray, "M 3"], known: Int[ndarray, "N 3"]) -> ndarray:
    """Mark the colours that lie close to the line between two known ones."""
    marked = np.zeros(len(colors), dtype=bool)
    pairs = [(a, b) for a in range(len(known)) for b in range(a)]
    for first, second in pairs[:_MOST_PAIRS]:
        start, way = known[first].astype(float), (known[second] - known[first]).astype(float)
        along = ((colors - start) @ way / max(way @ way, 1.0)).clip(0, 1)
        marked |= np.abs(start + along[:, None] * way - colors).max(1) <= _NEAR
    return marked
