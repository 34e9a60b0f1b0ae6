"""What one of several processes cannot do, none goes on from: they agree before they next meet."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from jaxtyping import Int
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.system.signals import Stopped


@dataclass
class Shared:
    """Counts that the processes add up while they agree.

    Attributes:
        count: this process's own; afterwards that of all.
        news: what happened to this process alone, such as a sample that is bad; afterwards to all.
    """

    count: Int[Tensor, ""] | None = None
    news: int = 0


@contextlib.contextmanager
def together() -> Iterator[Shared]:
    """Do a piece of work in all processes; what fails in one of them, fails in all.

    The work must not wait for other processes itself. One reduction is all that the agreement
    costs, and it adds up what is ``Shared`` on the way.

    Raises:
        Stopped: a signal has reached one of the processes.
        HarmonizeError: another process failed; its message, with its number. The process that
            failed raises its own error.
    """
    shared, trouble = Shared(), None
    try:
        yield shared
    except Exception as error:
        trouble = error
    if num_processes() > 1:
        _agree(shared, trouble)
    elif trouble is not None:
        raise trouble


def num_processes() -> int:
    """Return how many processes do the same as this one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_world_size()
    return 1


def _agree(shared: Shared, trouble: Exception | None) -> None:
    device = PartialState().device
    flags = torch.zeros(3, dtype=torch.int64, device=device)
    if shared.count is not None and trouble is None:
        flags[0] = shared.count
    flags[1] = shared.news
    flags[2] = trouble is not None
    torch.distributed.all_reduce(flags)
    shared.count = flags[0]
    shared.news, num_failed = flags[1:].tolist()
    if not num_failed:
        return
    told: list[tuple[bool, tuple[str, ...], int | None]] = gather_object([_told(trouble)])
    if trouble is not None and not isinstance(trouble, Stopped):
        raise trouble
    for number, (failed, problems, _) in enumerate(told):
        if failed:
            raise HarmonizeError(*(f"process {number} failed: {line}" for line in problems))
    raise Stopped(next(signal for _, _, signal in told if signal is not None))


def _told(trouble: Exception | None) -> tuple[bool, tuple[str, ...], int | None]:
    """Return what the others need to know: whether this is a failure, which, or which signal."""
    if trouble is None:
        return False, (), None
    if isinstance(trouble, Stopped):
        return False, (), trouble.number
    if isinstance(trouble, HarmonizeError):
        return True, trouble.problems, None
    return True, (f"{type(trouble).__name__}: {trouble}".partition("\n")[0],), None
