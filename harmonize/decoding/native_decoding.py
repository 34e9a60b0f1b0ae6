"""Deciding what each pixel is answered as in one pass in C, on a CPU."""

import ctypes
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32
from numpy import ndarray
from torch import Tensor

from harmonize.decoding.leaf_runs import LeafRuns
from harmonize.errors import HarmonizeError
from harmonize.system.compile_c import compiled
from harmonize.system.threads import share_out

# Letters of shapes: K leaves, U units, H x W pixels of an answer, h x w of the network.

DTYPES = (torch.float32, torch.bfloat16)
_SOURCE = Path(__file__).with_suffix(".c")
_WORTHWHILE = 1 << 20
"""Numbers to look at for which another thread is worth its start."""


class _Logits(ctypes.Structure):
    """The arguments as the C code declares them, as are those below."""

    _fields_ = (
        ("logits", ctypes.c_void_p),
        ("size", ctypes.c_int64 * 3),
        ("strides", ctypes.c_int64 * 3),
        ("full", ctypes.c_int64 * 2),
        ("leaves", ctypes.c_int64),
        ("leaf", ctypes.c_void_p),
        ("slot", ctypes.c_void_p),
    )


class _Tree(ctypes.Structure):
    _fields_ = (
        ("runs", ctypes.c_int64),
        ("levels", ctypes.c_int64),
        ("run", ctypes.c_void_p),
        ("unit", ctypes.c_void_p),
        ("weight", ctypes.c_void_p),
        ("allowed", ctypes.c_void_p),
        ("closing", ctypes.c_void_p),
        ("first_allowed", ctypes.c_int32),
        ("by_logit", ctypes.c_int32),
        ("by_height", ctypes.c_int32),
    )


class _Picture(ctypes.Structure):
    _fields_ = (
        ("logits", _Logits),
        ("tree", _Tree),
        ("answer", ctypes.c_void_p),
        ("parts", ctypes.c_int64),
    )


@functools.cache
def is_available() -> bool:
    """Whether the C code is, or can be, compiled on this machine."""
    try:
        _kernel(torch.float32)
    except HarmonizeError:
        return False
    return True


def decide_natively(
    logits: Float[Tensor, "K h w"],
    size: tuple[int, int],
    runs: LeafRuns,
    allowed: Bool[ndarray, " U"] | None,
) -> Int32[Tensor, "H W"]:
    """Scale the logits to a size and return the unit of each pixel.

    Args:
        logits: of one picture, in one of ``DTYPES``, on the CPU.
        size: H and W.
        runs: of the decoding tree.
        allowed: the units that may be answered, at least one; all unless given.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    kernel = _kernel(logits.dtype)
    assert len(logits) == runs.num_leaves, "logits of other leaves"
    answer = torch.empty(size, dtype=torch.int32)
    height, width = size
    slot = np.full(runs.num_leaves, -1, dtype=np.int32)
    slot[runs.leaf] = np.arange(len(runs.leaf))
    may = (
        np.ones(len(runs.leaf), np.uint8) if allowed is None else allowed[runs.unit].view(np.uint8)
    )
    parts = min(torch.get_num_threads(), 1 + height * width * len(runs.leaf) // _WORTHWHILE)
    parts = max(min(parts, height), 1)
    picture = _Picture(
        _Logits(
            logits=logits.data_ptr(),
            size=tuple(logits.shape),
            strides=logits.stride(),
            full=size,
            leaves=len(runs.leaf),
            leaf=runs.leaf.ctypes.data,
            slot=slot.ctypes.data,
        ),
        _Tree(
            runs=len(runs.runs),
            levels=runs.num_levels,
            run=runs.runs.ctypes.data,
            unit=runs.unit.ctypes.data,
            weight=runs.weight.ctypes.data,
            allowed=may.ctypes.data,
            closing=runs.closing.ctypes.data,
            first_allowed=int(runs.unit[may.argmax()]),
            by_logit=runs.by_logit,
            by_height=runs.by_height,
        ),
        answer.data_ptr(),
        parts,
    )
    if not share_out(kernel, picture, parts):
        raise MemoryError
    return answer


def _kernel(dtype: torch.dtype) -> Callable[..., int]:
    return compiled(_SOURCE, f"BFLOAT16={int(dtype == torch.bfloat16)}").decide_pixels
