"""Whole numbers of label files, whatever type they are stored in."""

from pathlib import Path

import numpy as np
from jaxtyping import Integer, Num
from numpy import ndarray

from harmonize.errors import HarmonizeError

# Letters of shapes: H x W pixels.

ROUNDED = 1e-3
"""How far from whole a number that a formula makes of fractions may be."""
_MOST, _MOST_FLOAT = (1 << 63) - 1, 1 << 53
"""Beyond the first integers, beyond the second whole numbers are not told apart."""


def whole_numbers(
    values: Num[ndarray, "H W"], path: Path, *, within: float = 0
) -> Integer[ndarray, "H W"]:
    """Return numbers that are whole as integers; those of a formula may be a little off.

    Raises:
        HarmonizeError: others.
    """
    if values.dtype.kind != "f":
        return values if values.dtype != np.uint64 else np.minimum(values, _MOST).astype(np.int64)
    if not np.isfinite(values).all():
        number = np.count_nonzero(~np.isfinite(values))
        raise HarmonizeError(
            f"{path}: holds no number (NaN or infinity) in {number} pixels; write an id of its own "
            "there, and give it a class with the meaning `ignore`"
        )
    values = values.astype(np.float64)
    found = np.rint(values)
    others = (np.abs(values - found) > within) | (np.abs(found) > _MOST_FLOAT)
    if others.any():
        raise HarmonizeError(
            f"{path}: holds numbers that are not whole, such as {values[others][0]:.6g} "
            f"({np.count_nonzero(others)} pixels); say in the mapping how ids are made of them, "
            "such as `value: V*255` of 0 to 1, or `value: V//1` to cut the fractions off"
        )
    return found.astype(np.int64)
