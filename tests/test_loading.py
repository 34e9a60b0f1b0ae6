"""Loader processes: the order of batches, and mistakes handed over whole."""

import itertools

import pytest
from torch.utils.data import Dataset

from harmonize.data.loading import load
from harmonize.errors import HarmonizeError

pytestmark = [
    pytest.mark.parametrize("workers", [0, 2]),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]

PROBLEMS = ("a.png: cannot be read; mend it", "b.png: 3 x 4 pixels")


class Numbers(Dataset[int]):
    """Ten times each position; 13 is a user's mistake and 14 a defect."""

    def __getitem__(self, position: int) -> int:
        """Return a sample."""
        if position == 13:
            raise HarmonizeError(*PROBLEMS)
        if position == 14:
            raise ZeroDivisionError("a defect")
        return 10 * position


def test_batches_come_in_the_order_asked_for(workers: int) -> None:
    batches = [[place, place + 1, 5] for place in range(0, 12, 2)] * 5  # more than are read ahead
    expected = [[10 * position for position in batch] for batch in batches]
    assert list(load(Numbers(), batches, list, workers=workers)) == expected


def test_the_joined_samples_are_what_arrives(workers: int) -> None:
    assert list(load(Numbers(), [[1, 2], [], [3]], sum, workers=workers)) == [30, 0, 30]


def test_a_mistake_arrives_whole_and_after_the_batches_before_it(workers: int) -> None:
    batches = load(Numbers(), [[0], [1, 2], [3, 13, 4], [5]], list, workers=workers)
    assert list(itertools.islice(batches, 2)) == [[0], [10, 20]]
    with pytest.raises(HarmonizeError) as caught:
        next(batches)
    assert type(caught.value) is HarmonizeError
    assert caught.value.problems == PROBLEMS
    assert str(caught.value) == "\n".join(PROBLEMS)
    assert "Traceback" not in str(caught.value)
    assert "Caught" not in str(caught.value)


def test_the_first_mistake_of_a_batch_is_told(workers: int) -> None:
    class Picky(Dataset[int]):
        def __getitem__(self, position: int) -> int:
            raise HarmonizeError(f"sample {position}")

    batches = load(Picky(), [[4, 2, 9]], list, workers=workers)
    with pytest.raises(HarmonizeError, match=r"^sample 4$"):
        next(batches)


def test_a_defect_stays_an_error_of_its_own_kind(workers: int) -> None:
    with pytest.raises(ZeroDivisionError, match="a defect"):
        list(load(Numbers(), [[0], [14]], list, workers=workers))


def test_loading_nothing_ends_at_once(workers: int) -> None:
    assert list(load(Numbers(), [], list, workers=workers)) == []
