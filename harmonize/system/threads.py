"""Work in C shared out to the CPU's cores, each call on one of them."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def each(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """Call ``work`` with each piece, in as many threads as torch may use; results are in order.

    The work must leave Python's lock to the others, as calls of C do.
    """
    todo = list(pieces)
    threads = min(torch.get_num_threads(), len(todo))
    if threads <= 1:
        return [work(piece) for piece in todo]
    with ThreadPoolExecutor(threads, thread_name_prefix="cores") as pool:
        return list(pool.map(work, todo))
