"""Masks with soft edges, or saved with loss: their values lie around two numbers, not on them."""

import numpy as np
from jaxtyping import Num
from numpy import ndarray

# Letters of shapes: H x W pixels.

_FEWEST = 8
"""Different values between the two from which on they are no further ids."""
_COVER = 0.8
"""Share of the pixels that lie near the two."""
_LEAST = 1e-4
"""Share of the pixels that lie near each of them."""


def largest_value(values: Num[ndarray, "H W"]) -> int:
    """Return the largest number that a picture's channel can hold: 255, or 65535 if it needs it."""
    return 255 if values.dtype == np.uint8 or values.max(initial=0) <= 255 else 65535


def lie_around(values: Num[ndarray, "H W"], *, cover: float = _COVER) -> bool:
    """Say whether values lie around 0 and the largest one, with others in between at edges.

    Args:
        values: of a channel.
        cover: the share of the pixels that must lie near the two.
    """
    if values.dtype.kind not in "iu" or not values.size or values.min() < 0:
        return False
    top = largest_value(values)
    found, counts = np.unique(values, return_counts=True)
    between = found[(found > 0) & (found < top)]
    near = top // 16
    low, high = counts[found <= near].sum(), counts[found >= top - near].sum()
    spread = len(between) >= _FEWEST and int(between[-1]) - int(between[0]) >= top // 2
    covered = min(low, high) >= _LEAST * values.size and low + high >= cover * values.size
    return bool(spread and covered and _is_edge(values, near, top - near))


def half(values: Num[ndarray, "H W"]) -> str:
    """Write the formula that cuts such values in the middle."""
    return f"V//{(largest_value(values) + 1) // 2}"


def _is_edge(values: Num[ndarray, "H W"], low: int, high: int) -> bool:
    """Say whether the values in between change from pixel to pixel, as ids do not."""
    middle = (values > low) & (values < high)
    pairs = middle[:, 1:] & middle[:, :-1]
    same = pairs & (values[:, 1:] == values[:, :-1])
    return 2 * int(same.sum()) <= int(middle.sum())
