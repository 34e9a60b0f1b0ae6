"""Work in C shared out to the CPU's cores."""

import ctypes
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

from harmonize.errors import HarmonizeError
from harmonize.system.compile_c import compiled

_ShareOut = Callable[..., int]
_PROCESS = os.getpid()
"""The process that may have started torch's threads, which one that is forked from it lacks."""


def share_out(work: Callable[..., int], arguments: ctypes.Structure, pieces: int) -> bool:
    """Call C code with each piece in 0, ..., pieces - 1, in as many threads as torch may use.

    They are the threads of torch's own operations. After each operation these spin for a while; a
    second set of threads would compete with them for the cores. A process that was forked cannot
    use them, and has threads of its own.

    Args:
        work: a function of compiled code, ``int work(const Arguments *, int64_t piece)``.
        arguments: its first argument.
        pieces: their number.

    Returns:
        Whether each call returned 0.
    """
    threads = torch.get_num_threads()
    call = functools.partial(work, ctypes.byref(arguments))
    if min(threads, pieces) <= 1:
        return not any(call(ctypes.c_int64(piece)) for piece in range(pieces))
    by_torch = _by_torch() if os.getpid() == _PROCESS else None
    if by_torch is None:
        with ThreadPoolExecutor(min(threads, pieces), thread_name_prefix="cores") as pool:
            return not any([*pool.map(call, map(ctypes.c_int64, range(pieces)))])
    # All of them, with or without a piece: GNU's OpenMP ends the threads that a region leaves out,
    # and starts them anew for the next (https://github.com/pytorch/pytorch/issues/32008).
    return not by_torch(
        ctypes.c_uint(threads), work, ctypes.byref(arguments), ctypes.c_int64(pieces)
    )


@functools.cache
def _by_torch() -> _ShareOut | None:
    """Return what shares work out to torch's threads, if its OpenMP library has what it takes."""
    parallel = getattr(ctypes.CDLL(torch._C.__file__), "GOMP_parallel", None)
    try:
        code = compiled(Path(__file__).with_suffix(".c"))
    except HarmonizeError:
        return None
    return None if parallel is None else functools.partial(code.share_out, parallel)
