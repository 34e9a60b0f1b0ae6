"""Signals that are put off to where a run can go on from."""

import signal
from collections.abc import Iterator

import pytest

from harmonize.system.signals import Stopped, signals_put_off, stop_if_asked, until_stopped


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_waits_until_it_is_asked_for(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with signals_put_off():
        stop_if_asked()
        signal.raise_signal(number)
        with pytest.raises(Stopped) as stopped:
            stop_if_asked()
        assert (stopped.value.status, stopped.value.name) == (128 + number, number.name)
    assert signal.getsignal(number) == before
    stop_if_asked()


@pytest.mark.usefixtures("signals_heard")
def test_a_signal_that_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with signals_put_off():
        signal.raise_signal(signal.SIGINT)
        stop_if_asked()
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_a_handler_that_is_not_python_s_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    monkeypatch.setattr(signal, "signal", None)  # would fail
    with signals_put_off():
        stop_if_asked()


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("failing", [False, True])
def test_items_end_at_the_signal(failing: bool) -> None:
    """A loader whose processes the signal has ended fails; that is no failure of the run."""

    def items() -> Iterator[int]:
        yield 1
        signal.raise_signal(signal.SIGTERM)
        if failing:
            raise RuntimeError("DataLoader worker exited")
        yield 2
        raise AssertionError

    with signals_put_off():
        handed_on = until_stopped(items())
        assert next(handed_on) == 1
        if not failing:
            assert next(handed_on) == 2
        with pytest.raises(Stopped):
            next(handed_on)


def test_other_failures_of_a_loader_are_passed_on() -> None:
    def items() -> Iterator[int]:
        raise RuntimeError("a bug")
        yield 1

    with signals_put_off(), pytest.raises(RuntimeError, match="a bug"):
        next(until_stopped(items()))
