"""Work shared among processes that need no torch: results come in the order of the work."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import TypeVar

from harmonize.errors import HarmonizeError
from harmonize.system.signals import prepare_loader

Item = TypeVar("Item")
Result = TypeVar("Result")


def num_cores() -> int:
    """Return how many processor cores this process may use."""
    cores = os.cpu_count() or 1
    return min(cores, len(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else cores


def shared_out(
    work: Callable[[Item], Result], items: Sequence[Item], *, workers: int
) -> Iterator[Result]:
    """Yield what each item comes to, in order; below two workers this process does all of it.

    A process whose parent is gone ends when it hands over its next result.

    Raises:
        HarmonizeError: a process has ended by itself.
        Exception: what ``work`` raises, at its item's turn.
    """
    workers = min(workers, len(items))
    if workers < 2:
        yield from map(work, items)
        return
    pipes = [multiprocessing.Pipe(duplex=False) for _ in range(workers)]
    processes = [
        multiprocessing.Process(
            target=_work, args=(work, items[number::workers], pipes[number]), daemon=True
        )
        for number in range(workers)
    ]
    try:
        for process, (_, sender) in zip(processes, pipes, strict=True):
            process.start()
            sender.close()  # else the end of the process would not be seen
        for number in range(len(items)):
            yield _received(pipes[number % workers][0])
    finally:
        for process, (receiver, _) in zip(processes, pipes, strict=True):
            receiver.close()
            if process.pid is not None:
                process.terminate()
                process.join()


def _received(receiver: Connection) -> Result:  # pyright: ignore[reportInvalidTypeVarUse]
    try:
        result, error = receiver.recv()
    except EOFError:
        raise HarmonizeError(
            "a process that reads files has ended by itself; most often the machine has no memory "
            "left for it"
        ) from None
    if error is not None:
        raise error
    return result


def _work(
    work: Callable[[Item], Result], items: Sequence[Item], pipe: tuple[Connection, Connection]
) -> None:
    """Do one process's share and send each result."""
    prepare_loader(0)
    receiver, sender = pipe
    receiver.close()
    try:
        for item in items:
            try:
                found = work(item), None
            except Exception as error:
                found = None, error
            sender.send(found)
    except BrokenPipeError:  # nobody reads any more
        os._exit(0)
