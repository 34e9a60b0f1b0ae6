"""Delay SIGTERM, Ctrl-C and the end of a terminal until a run can be saved."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")

SIGNALS = (signal.SIGTERM, signal.SIGINT) + ((signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ())
_GRACE = 2.0
"""Seconds in which a further signal counts as the same one: launchers pass on signals that their
processes have received themselves."""
_asked: list[tuple[int, float]] = []
"""Each signal received, and when."""
_waits: list[bool] = []
"""Not empty while the main thread waits for other processes, which may never answer."""


class Stopped(Exception):
    """A signal asked the run to end; raised where the run can be resumed from."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status of a process that a signal ended."""
        return 128 + self.number

    @property
    def name(self) -> str:
        """The signal's name."""
        return signal.Signals(self.number).name


@contextlib.contextmanager
def signals_put_off() -> Iterator[None]:
    """Leave signals to ``stop_if_asked``; a second one ends the process at once."""
    _asked.clear()
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    unheard = (signal.SIG_IGN, None)  # ignored, as under nohup; or not set from Python
    before = {number: handler for number, handler in before.items() if handler not in unheard}
    try:
        for number in before:
            signal.signal(number, _remember)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.clear()


def stop_if_asked() -> None:
    """Raise ``Stopped`` if a signal has come."""
    if _asked:
        raise Stopped(_asked[0][0])


@contextlib.contextmanager
def stopped_at_once() -> Iterator[None]:
    """Raise ``Stopped`` in the middle of what is done here: a wait for what is given up then."""
    _waits.append(True)
    try:
        yield
    finally:
        _waits.pop()


def is_stop_asked() -> bool:
    """Say whether a signal has come."""
    return bool(_asked)


def until_stopped(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and raise ``Stopped`` between two of them if a signal has come.

    A generator of items is closed at once then, so that its processes do not outlive it.
    """
    iterator = iter(items)
    try:
        while True:
            stop_if_asked()
            try:
                item = next(iterator)
            except StopIteration:
                return
            except RuntimeError:
                stop_if_asked()  # the signal has ended loader processes too
                raise
            yield item
    finally:
        if isinstance(iterator, Generator):
            iterator.close()


def prepare_loader(_: int) -> None:
    """Make a loader process ignore Ctrl-C, and end quietly on other signals that are heard."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: os._exit(0))


def _remember(number: int, _: FrameType | None) -> None:
    if _asked and time.monotonic() - _asked[0][1] > _GRACE:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _asked.append((number, time.monotonic()))
    if _waits:
        raise Stopped(number)
