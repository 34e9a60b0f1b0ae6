"""Which data set has its turn at a position of a run, and its how manyth turn that is."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

# Letters of shapes: S data sets, B positions of a block.

_BLOCK = 4096
"""Positions that are worked out together; constant shares are rounded to this many parts."""
Block = tuple[Int[ndarray, " B"], Int[ndarray, " B"]]
"""The data set of each position, and which of its turns that is."""


class ConstantTurns:
    """Data sets take turns in a pattern that spreads each as evenly as its share allows."""

    def __init__(self, shares: Float[ndarray, " S"]) -> None:
        """Prepare the pattern, which repeats."""
        self._pattern = _spread(shares)
        # How often each data set has its turn before a position of the pattern, and in all of it.
        own = self._pattern[:, None] == np.arange(len(shares))
        self._per_block = own.sum(0)
        self._before = (own.cumsum(0, dtype=np.int32) - 1)[own]  # of the position's own data set

    def at(self, position: int) -> tuple[int, int]:
        """Return a position's data set, and which of its turns it is, from 0."""
        block, place = divmod(position, _BLOCK)
        dataset = int(self._pattern[place])
        return dataset, block * int(self._per_block[dataset]) + int(self._before[place])


class ChangingTurns:
    """Data sets take turns by shares that change evenly over a run, each spread evenly.

    A data set is owed c(t) turns up to time t, the integral of its share; all of them together are
    owed t. Its n-th turn, from 0, is due where c is n + 1/2, and turns come as they are due. After
    the run the shares stay as they are at its end.
    """

    def __init__(self, first: Float[ndarray, " S"], last: Float[ndarray, " S"], total: int) -> None:
        """Prepare the turns of a run of so many samples."""
        self._first, self._last, self._total = first, last, total
        self._whole = (first + last) / 2 * total  # owed at the end of the run
        self._known: tuple[int, Block] | None = None

    def at(self, position: int) -> tuple[int, int]:
        """Return a position's data set, and which of its turns it is, from 0."""
        block, place = divmod(position, _BLOCK)
        if self._known is None or self._known[0] != block:
            self._known = block, self._block(block * _BLOCK)
        datasets, turns = self._known[1]
        return int(datasets[place]), int(turns[place])

    def _block(self, start: int) -> Block:
        """Work out the turns from a position on.

        Up to time t come t turns give or take half a turn for each data set, so the block's are
        among those due from a little before its start until a little after its end.
        """
        margin = len(self._first) + 2
        begin = self._turns_until(max(start - margin, 0))
        end = self._turns_until(start + _BLOCK + margin)
        turns = [np.arange(*span) for span in zip(begin.tolist(), end.tolist(), strict=True)]
        due = [self._due(dataset, its) for dataset, its in enumerate(turns)]
        datasets = np.repeat(np.arange(len(turns)), end - begin)
        skipped = start - int(begin.sum())
        order = np.concatenate(due).argsort(kind="stable")[skipped : skipped + _BLOCK]
        return datasets[order], np.concatenate(turns)[order]

    def _turns_until(self, time: int) -> Int[ndarray, " S"]:
        """Return how many turns of each data set are due up to a time."""
        early, late = min(time, self._total), max(time - self._total, 0)
        change = (self._last - self._first) / self._total
        owed = self._first * early + change * early**2 / 2 + self._last * late
        return np.floor(owed + 0.5).astype(np.int64)

    def _due(self, dataset: int, turns: Int[ndarray, " N"]) -> Float[ndarray, " N"]:
        """Return when some turns of a data set are due."""
        first, last, whole = (float(a[dataset]) for a in (self._first, self._last, self._whole))
        owed = turns + 0.5
        early = np.minimum(owed, whole)
        change = (last - first) / self._total
        root = np.sqrt(np.maximum(first**2 + 2 * change * early, 0))
        return 2 * early / (first + root) + np.maximum(owed - whole, 0) / last


def _spread(shares: Float[ndarray, " S"]) -> Int[ndarray, " B"]:
    """Return a block of data-set numbers in which each is spread evenly by its share."""
    counts = np.maximum(np.round(shares * _BLOCK), 1)
    counts[np.argmax(counts)] += _BLOCK - counts.sum()
    pattern = np.empty(_BLOCK, dtype=np.int16)
    credit = np.zeros(len(shares))
    for place in range(_BLOCK):
        credit += counts
        pattern[place] = np.argmax(credit)
        credit[pattern[place]] -= _BLOCK
    return pattern
