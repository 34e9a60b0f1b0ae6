"""Work shared out to the CPU's cores, each call on one of them."""

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")


def each(work: Callable[..., Result], pieces: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
    """Call ``work`` with each piece, in as many threads as torch may use; results are in order."""
    threads = torch.get_num_threads()
    if threads == 1 or len(pieces) <= 1:
        return (work(*piece) for piece in pieces)

    def call(piece: tuple[Any, ...]) -> Result:
        with torch.no_grad():
            return work(*piece)

    return _pool(threads).map(call, pieces)


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    """Return threads in which every operation runs on one core."""
    started = threading.Barrier(threads)

    def start() -> None:
        torch.set_num_threads(1)  # of this thread, and of those yet to come
        started.wait()

    pool = ThreadPoolExecutor(threads, thread_name_prefix="loss", initializer=start)
    for _ in range(threads):
        pool.submit(int)
    pool.submit(int).result()
    torch.set_num_threads(threads)  # of those yet to come
    return pool
