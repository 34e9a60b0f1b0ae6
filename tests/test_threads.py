"""Work shared out to the cores: results in order, failures passed on."""

import threading

import pytest
import torch

from harmonize.system.threads import each


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(torch, "get_num_threads", lambda: request.param)
    return request.param


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("pieces", [0, 1, 7])
def test_results_are_in_the_order_of_the_pieces(pieces: int) -> None:
    assert each(lambda piece: piece * piece, range(pieces)) == [n * n for n in range(pieces)]


def test_pieces_are_worked_off_at_the_same_time(threads: int) -> None:
    meeting = threading.Barrier(threads, timeout=600)
    assert sorted(each(lambda _: meeting.wait(), range(threads))) == list(range(threads))


@pytest.mark.usefixtures("threads")
def test_a_failure_is_passed_on_and_no_thread_stays() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        each(lambda piece: 1 / piece, [1, 0, 2])
    assert threading.active_count() == before
