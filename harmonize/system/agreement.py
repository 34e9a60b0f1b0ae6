"""An error in one process stops all of them."""

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
    """Counts that are summed over the processes at the end of ``together``.

    Attributes:
        counts: set it to this process's counts; afterwards they are the sums over all.
        news: likewise, for things that happen to single processes, such as bad samples.
    """

    counts: Int[Tensor, " M"] | None = None
    news: int = 0


@contextlib.contextmanager
def together(num_counts: int = 0) -> Iterator[Shared]:
    """Do a piece of work in all processes; if one of them fails, all raise.

    The work itself must not communicate with other processes. This costs one reduction, which also
    sums what is ``Shared``, of which so many are ``counts``.

    Each user's mistake is told once on each machine: where all processes find the same, the others
    raise it without a message.

    Raises:
        Stopped: a signal has reached one of the processes.
        HarmonizeError: another process failed; the message names it. The process that failed raises
            its own error.
    """
    shared, trouble = Shared(), None
    try:
        yield shared
    except Exception as error:
        trouble = error
    if num_processes() > 1:
        _agree(shared, num_counts, trouble)
    elif trouble is not None:
        raise trouble


def num_processes() -> int:
    """Return the number of processes that train or score together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_world_size()
    return 1


def everywhere(holds: bool) -> bool:
    """Say whether something holds in all processes, which must all call this."""
    if num_processes() == 1:
        return holds
    failing = torch.tensor(int(not holds), device=PartialState().device)
    torch.distributed.all_reduce(failing)
    return not failing.item()


def _agree(shared: Shared, num_counts: int, trouble: Exception | None) -> None:
    device = PartialState().device
    flags = torch.zeros(num_counts + 2, dtype=torch.int64, device=device)
    if shared.counts is not None and trouble is None:
        flags[:num_counts] = shared.counts
    flags[num_counts] = shared.news
    flags[num_counts + 1] = trouble is not None
    torch.distributed.all_reduce(flags)
    shared.counts = flags[:num_counts]
    shared.news, num_failed = flags[num_counts:].tolist()
    if not num_failed:
        return
    reports: list[tuple[bool, tuple[str, ...], int | None]] = gather_object([_report(trouble)])
    state = PartialState()
    if trouble is not None and not isinstance(trouble, Stopped):
        told = reports.index(_report(trouble)) < state.process_index
        if (
            told
            and isinstance(trouble, HarmonizeError | OSError)
            and not state.is_local_main_process
        ):
            raise HarmonizeError from trouble
        raise trouble
    if any(failed for failed, _, _ in reports) and not state.is_local_main_process:
        raise HarmonizeError
    for number, (failed, problems, _) in enumerate(reports):
        if failed:
            raise HarmonizeError(*(f"process {number} failed: {line}" for line in problems))
    raise Stopped(next(signal for _, _, signal in reports if signal is not None))


def _report(trouble: Exception | None) -> tuple[bool, tuple[str, ...], int | None]:
    """Return whether this process failed, its messages, and the signal that it received."""
    if trouble is None:
        return False, (), None
    if isinstance(trouble, Stopped):
        return False, (), trouble.number
    if isinstance(trouble, HarmonizeError):
        return True, trouble.problems, None
    return True, (f"{type(trouble).__name__}: {trouble}".partition("\n")[0],), None
