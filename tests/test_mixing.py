"""The order of training samples, and how processes and accumulation parts share it."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize.data.mixing import MixedOrder, StepSampler

WEIGHTS = [(1,), (1, 1), (3, 1), (0.7, 0.2, 0.1), (1, 1, 1), (5, 4, 3, 2, 1), (1, 1000)]


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[int], list[float], int]:
    """Draw the sizes and weights of up to five data sets, and a seed."""
    number = draw(st.integers(1, 5))
    sizes = draw(st.lists(st.integers(1, 60), min_size=number, max_size=number))
    weights = draw(st.lists(st.floats(0.01, 100), min_size=number, max_size=number))
    return sizes, weights, draw(st.integers(0, 2**40))


@settings(max_examples=20)
@given(mixture=mixtures(), positions=st.lists(st.integers(0, 30_000), max_size=20))
def test_a_sample_depends_on_the_seed_and_its_position_alone(
    mixture: tuple[list[int], list[float], int], positions: list[int]
) -> None:
    sizes, weights, seed = mixture
    walked, jumped = (MixedOrder(sizes, weights, seed=seed) for _ in range(2))
    start = min(positions, default=0)
    sequential = {place: walked[place] for place in range(start, start + 200)}
    for place in [*positions, *range(start + 199, start - 1, -7)]:
        draw = jumped[place]
        assert draw == sequential.get(place, draw)
        assert 0 <= draw.picture < sizes[draw.dataset]
        assert draw.seed == (seed, place)
    for place in positions[:3]:
        assert jumped[place] == MixedOrder(sizes, weights, seed=seed)[place]


def test_seeds_and_rounds_shuffle_differently() -> None:
    one, other = (MixedOrder([50], [1], seed=seed) for seed in (1, 2))
    orders = [
        tuple(order[place].picture for place in range(start, start + 50))
        for order in (one, other)
        for start in (0, 50)
    ]
    assert len(set(orders)) == 4
    assert tuple(range(50)) not in orders


def test_two_data_sets_of_one_size_are_shuffled_differently() -> None:
    order = MixedOrder([40, 40], [1, 1], seed=0)
    draws = [order[place] for place in range(80)]
    first, second = ([draw.picture for draw in draws if draw.dataset == n] for n in (0, 1))
    assert sorted(first) == sorted(second) == list(range(40))
    assert first != second


@pytest.mark.parametrize(("sizes", "weights"), [((7, 13), (2, 1)), ((1, 5, 300), (1, 1, 2))])
def test_every_picture_is_drawn_once_before_any_is_drawn_again(
    sizes: tuple[int, ...], weights: tuple[float, ...]
) -> None:
    order = MixedOrder(sizes, weights, seed=3)
    drawn: dict[int, list[int]] = {number: [] for number in range(len(sizes))}
    for place in range(9000):  # beyond two blocks of the pattern
        draw = order[place]
        drawn[draw.dataset].append(draw.picture)
    for number, size in enumerate(sizes):
        rounds = [drawn[number][start : start + size] for start in range(0, 9000, size)]
        whole = [one for one in rounds if len(one) == size]
        assert len(whole) >= 10
        assert all(sorted(one) == list(range(size)) for one in whole)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_every_window_of_sixteen_is_mixed_by_the_weights(weights: tuple[float, ...]) -> None:
    order = MixedOrder([10] * len(weights), weights, seed=0)
    datasets = np.array([order[place].dataset for place in range(5000)])
    for number, weight in enumerate(weights):
        seen = np.convolve(datasets == number, np.ones(16), mode="valid")
        assert abs(seen - 16 * weight / sum(weights)).max() < 2


@settings(max_examples=20)
@given(weights=st.lists(st.floats(0.05, 10), min_size=1, max_size=6))
def test_shares_over_a_block_are_exact_to_the_rounding(weights: list[float]) -> None:
    order = MixedOrder([3] * len(weights), weights, seed=0)
    counts = np.bincount([order[place].dataset for place in range(4096)], minlength=len(weights))
    expected = 4096 * np.array(weights) / sum(weights)
    assert abs(counts - expected).max() <= 1 + len(weights) / 2


def test_a_data_set_of_hardly_any_weight_is_still_drawn() -> None:
    order = MixedOrder([5, 5], [1e-9, 1.0], seed=0)
    assert sum(order[place].dataset == 0 for place in range(4096)) == 1


def walk(*, processes: int, parts: int, start: int = 0, batch_size: int = 24) -> list[list[int]]:
    """Return the global batch of each of the steps up to 5, put together in order of rank."""
    ranks = [
        list(
            StepSampler(
                start=start,
                steps=5,
                batch_size=batch_size,
                num_parts=parts,
                rank=rank,
                num_processes=processes,
            )
        )
        for rank in range(processes)
    ]
    return [
        [
            position
            for batches in ranks
            for batch in batches[step * parts : (step + 1) * parts]
            for position in batch
        ]
        for step in range(5 - start)
    ]


@pytest.mark.parametrize("parts", [1, 2, 3])
@pytest.mark.parametrize("processes", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [24, 13])
def test_the_global_batches_do_not_depend_on_processes_and_parts(
    processes: int, parts: int, batch_size: int
) -> None:
    expected = [list(range(step * batch_size, (step + 1) * batch_size)) for step in range(5)]
    assert walk(processes=processes, parts=parts, batch_size=batch_size) == expected


@pytest.mark.parametrize(("processes", "parts"), [(1, 1), (2, 3), (4, 2)])
def test_pieces_differ_by_at_most_one_sample(processes: int, parts: int) -> None:
    sizes = {
        len(batch)
        for rank in range(processes)
        for batch in StepSampler(
            start=0, steps=2, batch_size=13, num_parts=parts, rank=rank, num_processes=processes
        )
    }
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1


@pytest.mark.parametrize("start", [0, 1, 3, 5])
@pytest.mark.parametrize(("processes", "parts"), [(1, 1), (2, 3)])
def test_resuming_gives_the_tail(start: int, processes: int, parts: int) -> None:
    whole = walk(processes=processes, parts=parts)
    assert walk(processes=processes, parts=parts, start=start) == whole[start:]


@pytest.mark.parametrize(("start", "parts"), [(0, 1), (2, 3), (5, 2)])
def test_the_length_counts_the_batches(start: int, parts: int) -> None:
    sampler = StepSampler(
        start=start, steps=5, batch_size=8, num_parts=parts, rank=1, num_processes=2
    )
    assert len(sampler) == len(list(sampler)) == (5 - start) * parts
    assert list(sampler) == list(sampler)


def test_ranks_share_no_position() -> None:
    seen = [
        set(
            itertools.chain.from_iterable(
                StepSampler(
                    start=0, steps=3, batch_size=10, num_parts=2, rank=rank, num_processes=3
                )
            )
        )
        for rank in range(3)
    ]
    assert set.union(*seen) == set(range(30))
    assert sum(map(len, seen)) == 30
