"""The order of training samples: the g-th sample of a run is a function of the seed and g alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from torch.utils.data import Sampler

from harmonize.data.turns import ChangingTurns, ConstantTurns


@dataclass(frozen=True)
class Draw:
    """One sample of a run.

    Attributes:
        dataset: its number.
        picture: which of the data set's.
        seed: of its augmentation.
        rare: whether another picture may take the place of this one, to look for what is rare.
    """

    dataset: int
    picture: int
    seed: tuple[int, int]
    rare: bool = False


class MixedOrder:
    """The order in which a run draws from several data sets.

    The data sets take turns, each spread as evenly as its weight allows, so every batch is mixed.
    Within a data set all pictures are drawn in a random order before any is drawn again; turns
    that look for what is rare are spread evenly between these, and take nothing from them.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        weights: Sequence[float],
        *,
        seed: int,
        to: Sequence[float] | None = None,
        total: int | None = None,
        rare: Sequence[float] | None = None,
    ) -> None:
        """Prepare the order.

        Args:
            sizes: pictures of each data set.
            weights: of each, in any unit: their shares of the samples.
            seed: of the run.
            to: weights at the end of the run, towards which the shares change evenly.
            total: samples of the whole run; needed with ``to``.
            rare: shares of each data set's samples that look for what is rare; none by default.
        """
        assert len(sizes) == len(weights) > 0
        assert min(sizes) > 0
        assert min(weights) > 0
        self.sizes = tuple(sizes)
        self.seed = seed
        shares = np.asarray(weights, dtype=float) / sum(weights)
        if to is None:
            self._turns = ConstantTurns(shares)
        else:
            assert total is not None
            last = np.asarray(to, dtype=float) / sum(to)
            self._turns = ChangingTurns(shares, last, total)
        # As written, so that of ten turns exactly three are 0.3 of them.
        self._rare = [Fraction(str(share)) for share in rare or [0] * len(sizes)]
        self._shuffled: dict[int, tuple[int, np.ndarray]] = {}  # data set -> (round, order)

    def __getitem__(self, position: int) -> Draw:
        """Return the sample at a position of the run, counted from 0."""
        return self.draw(position)

    def draw(self, position: int, *, later: int = 0) -> Draw:
        """Return a position's sample, or with its seed the one so much later in the same round."""
        dataset, turn = self._turns.at(position)
        share = self._rare[dataset]
        rare_before = turn * share.numerator // share.denominator
        rare = (turn + 1) * share.numerator // share.denominator > rare_before
        round_number, place_in_round = divmod(turn - rare_before, self.sizes[dataset])
        order = self._order(dataset, round_number)
        start = turn if rare else place_in_round  # what stands in for rare ones varies too
        picture = order[(start + later) % len(order)]
        return Draw(dataset, int(picture), (self.seed, position), rare)

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
