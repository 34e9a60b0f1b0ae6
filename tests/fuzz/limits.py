"""What one input may cost: seconds and memory."""

import contextlib
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

SECONDS = 10.0
"""Of processor time, which grows little on a busy machine; a right reader takes a tenth of one."""
MEMORY = 3 << 30
"""Bytes of address space that may be asked for; a decoded picture below Pillow's limit has 1 GB."""


class TooSlowError(BaseException):
    """An input takes too long; no ``except Exception`` stops it."""


@contextlib.contextmanager
def memory_limited() -> Iterator[None]:
    """Let allocations fail beyond ``MEMORY`` more than there are now."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextlib.contextmanager
def time_limited(seconds: float = SECONDS) -> Iterator[None]:
    """Raise ``TooSlowError`` after some seconds of this process's own time."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TooSlowError(f"takes more than {seconds} seconds")

    before = signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
