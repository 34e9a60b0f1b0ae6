"""The order of training samples: the g-th sample of a run is a function of the seed and g alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler

_BLOCK = 4096
"""Samples after which the pattern of data sets repeats; weights are rounded to this many parts."""


@dataclass(frozen=True)
class Draw:
    """One sample of a run: which data set, which of its pictures, and its augmentation's seed."""

    dataset: int
    picture: int
    seed: tuple[int, int]


class MixedOrder:
    """The order in which a run draws from several data sets.

    The data sets take turns in a pattern that spreads each as evenly as its weight allows, so every
    batch is mixed. Within a data set all pictures are drawn in a random order before any is drawn
    again.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        weights: Sequence[float],
        *,
        seed: int,
        to: Sequence[float] | None = None,
        total: int | None = None,
    ) -> None:
        """Prepare the order.

        Args:
            sizes: pictures of each data set.
            weights: of each, in any unit: their shares of the samples.
            seed: of the run.
            to: weights at the end of the run, towards which the shares change evenly.
            total: samples of the whole run; needed with ``to``.
        """
        assert len(sizes) == len(weights) > 0
        assert min(sizes) > 0
        assert min(weights) > 0
        self.sizes = tuple(sizes)
        self.seed = seed
        shares = np.asarray(weights, dtype=float) / sum(weights)
        if to is None:
            self._pattern = _spread(shares)
        else:
            assert total is not None
            self._pattern = _changing(shares, np.asarray(to, dtype=float) / sum(to), total)
        # How often each data set is drawn before a position of the pattern, and in all of it.
        own = self._pattern[:, None] == np.arange(len(sizes))
        self._per_block = own.sum(0)
        self._before = (own.cumsum(0, dtype=np.int32) - 1)[own]  # of the position's own data set
        self._shuffled: dict[int, tuple[int, np.ndarray]] = {}  # data set -> (round, order)

    def __getitem__(self, position: int) -> Draw:
        """Return the sample at a position of the run, counted from 0."""
        return self.draw(position)

    def draw(self, position: int, *, later: int = 0) -> Draw:
        """Return a position's sample, or with its seed the one so much later in the same round."""
        block, place = divmod(position, len(self._pattern))
        dataset = int(self._pattern[place])
        turn = block * int(self._per_block[dataset]) + int(self._before[place])
        round_number, place_in_round = divmod(turn, self.sizes[dataset])
        order = self._order(dataset, round_number)
        picture = order[(place_in_round + later) % len(order)]
        return Draw(dataset, int(picture), (self.seed, position))

    def _order(self, dataset: int, round_number: int) -> np.ndarray:
        known = self._shuffled.get(dataset)
        if known is None or known[0] != round_number:
            rng = np.random.default_rng((self.seed, dataset, round_number))
            known = (round_number, rng.permutation(self.sizes[dataset]).astype(np.int32))
            self._shuffled[dataset] = known
        return known[1]


class StepSampler(Sampler[list[int]]):
    """The positions of a run that one process reads, one list per accumulation part of each step.

    Every step's global batch is a run of consecutive positions; processes and parts take
    consecutive pieces of it, so the batches do not depend on how many there are.
    """

    def __init__(
        self,
        *,
        start: int,
        steps: int,
        batch_size: int,
        num_parts: int,
        rank: int,
        num_processes: int,
    ) -> None:
        """Cover the steps ``start`` to ``steps``; the batch must fill every process and part."""
        assert batch_size >= num_parts * num_processes
        self._steps = range(start, steps)
        self._batch_size = batch_size
        pieces = np.array_split(np.arange(batch_size), num_processes * num_parts)
        self._offsets = [
            piece.tolist() for piece in pieces[rank * num_parts : (rank + 1) * num_parts]
        ]

    def __len__(self) -> int:
        return len(self._steps) * len(self._offsets)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps:
            first = step * self._batch_size
            for offsets in self._offsets:
                yield [first + offset for offset in offsets]


def _spread(shares: np.ndarray) -> np.ndarray:
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


def _changing(first: np.ndarray, last: np.ndarray, total: int) -> np.ndarray:
    """Return the data set of each sample of a run over which the shares change evenly.

    Of a data set that is owed c(t) samples up to time t, the n-th comes where c is n + 1/2.
    """
    times = np.linspace(0, total, 2049)
    owed = first[:, None] * times + (last - first)[:, None] * times**2 / (2 * total)
    numbers = np.diff(np.round(owed[:, -1].cumsum()), prepend=0).astype(int)
    due = [
        np.interp(np.arange(number) + 0.5, its, times)
        for number, its in zip(numbers, owed, strict=True)
    ]
    dataset = np.repeat(np.arange(len(first), dtype=np.int16), numbers)
    return dataset[np.concatenate(due).argsort(kind="stable")]
