"""Whole numbers of label files, whatever type they are stored in."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Integer, Num
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.formula import MAX_ID, MIN_ID
from harmonize.plurals import counted

# Letters of shapes: H x W pixels.

ROUNDED = 1e-3
"""How far from whole a number that a formula makes of fractions may be."""
_MOST, _MOST_FLOAT = (1 << 63) - 1, 1 << 53
"""Beyond the first integers, beyond the second whole numbers are not told apart."""
_DIVISORS = (1000, 997, 10_000, 9973, 65_536, 65_521, 1_000_003)
"""By which numbers beyond ids leave rests that may be ids."""
_SHOWN = 5
_FACTORS = (1, *range(2, 21), 50, 100, 127, 128, 200, 254, 255, 256, 1000)
"""By which fractions may become whole."""


def whole_numbers(
    values: Num[ndarray, "H W"], path: Path, *, within: float = 0, formula: str = "V"
) -> Integer[ndarray, "H W"]:
    """Return numbers that are whole as integers; those of a formula may be a little off.

    Args:
        values: the numbers.
        path: of their file.
        within: how far from whole they may be.
        formula: what they are made by.

    Raises:
        HarmonizeError: others.
    """
    if values.dtype.kind != "f":
        return values if values.dtype != np.uint64 else np.minimum(values, _MOST).astype(np.int64)
    values = values.astype(np.float64)
    beyond = ~(np.abs(values) <= _MOST_FLOAT)  # NaN as well
    if beyond.any():
        first = values[beyond][0]
        what = (
            f"{first:.6g}, which is no id," if np.isfinite(first) else "no number (NaN or infinity)"
        )
        raise HarmonizeError(
            f"{path}: holds {what} in {counted(np.count_nonzero(beyond), 'pixel')}; write an id of "
            "its own "
            f"there (`gdalwarp -ot Int32 -srcnodata {first:.9g} -dstnodata -9999 IN OUT`), and "
            "give it a class with the meaning `ignore`"
        )
    found = np.rint(values)
    others = np.abs(values - found) > within
    if others.any():
        raise HarmonizeError(
            f"{path}: holds numbers that are not whole, such as {values[others][0]:.6g} "
            f"({counted(np.count_nonzero(others), 'pixel')}); say in the mapping how ids are "
            f"made of them: {_remedy(values, formula)}"
        )
    return found.astype(np.int64)


def _remedy(values: Num[ndarray, "H W"], formula: str) -> str:
    """Write a formula that makes whole numbers of fractions."""
    inner = formula if formula.isalnum() else f"({formula})"
    numbers = np.unique(values)
    for factor in _FACTORS:
        if (np.abs(numbers * factor - np.rint(numbers * factor)) <= ROUNDED).all():
            return f"`value: {inner}*{factor}`"
    return f"`value: {inner}//1` cuts the fractions off"


def beyond_ids(numbers: Iterable[int]) -> str:
    """Say how numbers that no class can have become ids; empty if there are none."""
    found = {*numbers}
    if all(MIN_ID <= number <= MAX_ID for number in found):
        return ""
    ids = {number for number in found if 0 <= number <= MAX_ID}
    advice = "save them as others"
    for divisor in _DIVISORS:
        rests = {number % divisor for number in found}
        if len(rests) == len(found) and ids <= rests:
            made = ", ".join(map(str, sorted(rests - ids)[:_SHOWN]))
            advice = f"say `value: V%{divisor}`, which makes {made} of the others"
            break
    return f"ids reach from {MIN_ID} to {MAX_ID}; {advice}, and "
