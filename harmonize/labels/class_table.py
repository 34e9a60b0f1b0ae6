"""Look up which class of a data set each value of a label file stands for."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError

# Letters of shapes: H x W pixels, P values, N entries of a table.

_TABLE_LIMIT = 1 << 16
"""Values below this are looked up in a table, others among the sorted values."""
_COMPARED = 1 << 20
"""Pairs of a value and a class that are compared at a time, for memory."""
_LOOKED_UP = 1 << 14
"""Pixels that are looked up at a time."""


@dataclass(frozen=True)
class DataClass:
    """A data set's own class: its name and what stands for it in the label files."""

    name: str
    values: tuple[int, ...] = ()
    """Ids or colours as numbers; none where the data set's own class file gives them."""
    mask: str | None = None
    """What stands in the name of its mask; None for what no mask covers."""
    more_masks: tuple[str, ...] = ()
    """What stands in the names of further masks of the class."""

    @property
    def masks(self) -> tuple[str, ...]:
        """What stands in the names of all its masks; ``*`` in it for any text."""
        return () if self.mask is None else (self.mask, *self.more_masks)


class UnknownValuesError(HarmonizeError):
    """Values in a label file that no class stands for.

    Attributes:
        counts: the pixels of each such value, which is a number or a name.
        classes: the class number of each pixel, -1 where the value is unknown.
        soft: how the values are read if they are a mask's with soft edges, and so not counted.
    """

    def __init__(
        self,
        problem: str,
        counts: Mapping[int | str, int] | Mapping[int, int],
        classes: Int[ndarray, "H W"],
        *,
        soft: str = "",
    ) -> None:
        super().__init__(problem)
        self.soft = soft
        self.counts: dict[int | str, int] = dict(counts.items())
        self.classes = classes


class ClassTable:
    """The classes of a data set, by number and by the values that stand for them.

    Attributes:
        dataset: the data set's name.
        classes: in the order of their numbers.
    """

    def __init__(self, dataset: str, classes: Mapping[str, DataClass]) -> None:
        """Prepare the look-ups; ids that a class file gives must be known."""
        self.dataset = dataset
        self.classes = tuple(classes.values())
        values = sorted(
            (value, number) for number, entry in enumerate(self.classes) for value in entry.values
        )
        self._values = np.array([value for value, _ in values], dtype=np.int64)
        self._numbers = np.array([number for _, number in values], dtype=np.int16)

    @property
    def highest(self) -> int:
        """The largest value of any class."""
        return int(self._values.max())

    def look_up(
        self, values: Integer[ndarray, "H W"], *, tolerance: int = 0
    ) -> Int[ndarray, "H W"]:
        """Return the class number of each value, int16, or -1 where no class has it.

        With a tolerance a value may stand for a class from whose none of its four bytes differs by
        more.
        """
        if tolerance or self.highest >= _TABLE_LIMIT or self._values[0] < 0:
            return self._search(values, tolerance)
        if values.dtype in (np.uint8, np.uint16):
            return _take(self._table, values)
        inside = (values >= 0) & (values < _TABLE_LIMIT)
        return np.where(inside, self._table[np.where(inside, values, 0)], np.int16(-1))

    @functools.cached_property
    def _table(self) -> Int[ndarray, " N"]:
        table = np.full(_TABLE_LIMIT, -1, dtype=np.int16)
        table[self._values] = self._numbers
        return table

    def _search(self, values: Integer[ndarray, "H W"], tolerance: int) -> Int[ndarray, "H W"]:
        """Look up values too large for a table: each run of equal neighbours once."""
        flat = values.ravel()
        starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1]))[: flat.size])
        runs = flat[starts].astype(np.int64)
        place = np.searchsorted(self._values, runs).clip(max=len(self._values) - 1)
        numbers = self._numbers[place]
        unknown = self._values[place] != runs
        if unknown.any():
            numbers[unknown] = self._nearest(runs[unknown], tolerance) if tolerance else -1
        return np.repeat(numbers, np.diff(starts, append=flat.size)).reshape(values.shape)

    def _nearest(self, values: Integer[ndarray, " P"], tolerance: int) -> Int[ndarray, " P"]:
        """Give each value its nearest class, by the largest difference of a byte, or -1."""
        found, inverse = np.unique(values, return_inverse=True)
        shifts = np.array([24, 16, 8, 0])
        known = self._values[:, None] >> shifts & 255
        numbers = np.full(len(found), -1, dtype=np.int16)
        at_once = max(_COMPARED // len(known), 1)
        for start in range(0, len(found), at_once):
            parts = found[start : start + at_once, None] >> shifts & 255
            distance = np.abs(parts[:, None] - known[None]).max(2)
            near = self._numbers[distance.argmin(1)]
            numbers[start : start + at_once][distance.min(1) <= tolerance] = near[
                distance.min(1) <= tolerance
            ]
        return numbers[inverse]


def _take(table: Int[ndarray, " N"], values: Integer[ndarray, "H W"]) -> Int[ndarray, "H W"]:
    """Return the entry of each value, which must all have one, some rows at a time.

    NumPy widens the values to 64 bits first: of few rows these stay in the processor's cache.
    """
    found = np.empty(values.shape, dtype=table.dtype)
    rows = max(_LOOKED_UP // max(values.shape[1], 1), 1)
    for start in range(0, values.shape[0], rows):
        part = slice(start, start + rows)
        table.take(values[part], out=found[part], mode="clip")
    return found
