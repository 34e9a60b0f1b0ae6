"""Work in C shared out to the CPU's cores."""

import ctypes
import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from harmonize.system.compile_c import compiled


def share_out(work: Any, arguments: ctypes.Structure, pieces: int) -> bool:
    """Call C code with each piece in 0, ..., pieces - 1, in as many threads as torch may use.

    These are the threads of torch's own operations: they wait for work for a while by looking for
    it without a pause, and others would have to share the cores with them meanwhile.

    Args:
        work: a function of compiled code, ``int work(const Arguments *, int64_t piece)``.
        arguments: its first argument.
        pieces: their number.

    Returns:
        Whether each call returned 0.
    """
    threads = min(torch.get_num_threads(), pieces)
    call = functools.partial(work, ctypes.byref(arguments))
    if threads <= 1:
        return not any(call(ctypes.c_int64(piece)) for piece in range(pieces))
    parallel = _torch_threads()
    if parallel is None:
        with ThreadPoolExecutor(threads, thread_name_prefix="cores") as pool:
            return not any([*pool.map(call, map(ctypes.c_int64, range(pieces)))])
    return not compiled(Path(__file__).with_suffix(".c")).share_out(
        parallel, ctypes.c_uint(threads), work, ctypes.byref(arguments), ctypes.c_int64(pieces)
    )


@functools.cache
def _torch_threads() -> Any:
    """Return the function of the OpenMP library of torch that starts its threads, if it has one."""
    return getattr(ctypes.CDLL(torch._C.__file__), "GOMP_parallel", None)
