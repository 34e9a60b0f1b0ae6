"""Deciding what each pixel is answered as in one pass in C, on a CPU."""

import ctypes
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int32
from numpy import ndarray
from torch import Tensor

from harmonize.config.train_config import Decode
from harmonize.decoding.decoding_tree import DecodingTree
from harmonize.errors import HarmonizeError
from harmonize.system.compile_c import compiled
from harmonize.system.threads import each

# Letters of shapes: K leaves, U units, N groups of all depths, H x W pixels of an answer, h x w of
# the network.

DTYPES = (torch.float32, torch.bfloat16)
_SOURCE = Path(__file__).with_suffix(".c")
_HOW: tuple[Decode, ...] = ("tree", "leaves", "height")
"""In the order of the C code's constants."""
_LANES = 16
"""Of a vector, as the C code has it."""
_WORTHWHILE = 1 << 20
"""Numbers to look at for which another thread is worth its start."""
_MARGIN = 1e-3
"""Beyond what rounding can make up for, in logits."""


class _PictureStruct(ctypes.Structure):
    """The arguments as the C code declares them."""

    _fields_ = (
        ("logits", ctypes.c_void_p),
        ("strides", ctypes.c_int64 * 3),
        ("size", ctypes.c_int64 * 2),
        ("full", ctypes.c_int64 * 2),
        ("leaves", ctypes.c_int64),
        ("leaf", ctypes.c_void_p),
        ("unit", ctypes.c_void_p),
        ("beside", ctypes.c_int64),
        ("single", ctypes.c_int64),
        ("depths", ctypes.c_int64),
        ("start", ctypes.c_void_p),
        ("parent", ctypes.c_void_p),
        ("weight", ctypes.c_void_p),
        ("allowed", ctypes.c_void_p),
        ("how", ctypes.c_int64),
        ("lead", ctypes.c_float),
        ("answer", ctypes.c_void_p),
    )


@functools.cache
def is_available() -> bool:
    """Whether the C code is, or can be, compiled on this machine."""
    try:
        _kernel(torch.float32)
    except HarmonizeError:
        return False
    return True


@dataclass(frozen=True)
class Layout:
    """A decoding tree as the C code reads it: arrays, kept as long as they are used."""

    leaf: ndarray
    unit: ndarray
    start: ndarray
    parent: ndarray
    weight: ndarray
    is_single: bool
    num_leaves: int

    @classmethod
    def of(cls, tree: DecodingTree) -> "Layout":
        """Lay out a tree."""
        leaf, unit = tree.leaves.T.nonzero()  # in the order of the leaves
        sizes = [len(names) for names in tree.names]
        start = np.cumsum([0, *sizes])
        parents = [parent + start[max(depth - 1, 0)] for depth, parent in enumerate(tree.parents)]
        return cls(
            leaf.astype(np.int32),
            unit.astype(np.int32),
            start.astype(np.int32),
            np.concatenate(parents).astype(np.int32),
            np.concatenate(tree.weights).astype(np.float32),
            is_single=len(leaf) == tree.num_units,
            num_leaves=tree.leaves.shape[1],
        )


def decide_natively(
    logits: Float[Tensor, "K h w"],
    size: tuple[int, int],
    layout: Layout,
    how: Decode,
    allowed: Bool[ndarray, " N"],
) -> Int32[Tensor, "H W"]:
    """Scale the logits to a size and return the unit of each pixel.

    Args:
        logits: of one picture, in one of ``DTYPES``, on the CPU.
        size: H and W.
        layout: of the decoding tree.
        how: see ``Decoder``.
        allowed: which groups of all depths have a unit that may be answered; one at least.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    kernel = _kernel(logits.dtype)
    assert len(logits) == layout.num_leaves, "logits of other leaves"
    answer = torch.empty(size, dtype=torch.int32)
    every = len(layout.leaf) == layout.num_leaves >= _LANES
    height, width = size
    allowed = np.ascontiguousarray(allowed, dtype=np.uint8)
    picture = _PictureStruct(
        logits=logits.data_ptr(),
        strides=logits.stride(),
        size=tuple(logits.shape[1:]),
        full=size,
        leaves=len(layout.leaf),
        leaf=layout.leaf.ctypes.data,
        unit=layout.unit.ctypes.data,
        beside=every and logits.stride(0) == 1,
        single=layout.is_single,
        depths=len(layout.start) - 1,
        start=layout.start.ctypes.data,
        parent=layout.parent.ctypes.data,
        weight=layout.weight.ctypes.data,
        allowed=allowed.ctypes.data,
        how=_HOW.index(how),
        lead=math.log(max(len(layout.leaf) - 1, 1)) + _MARGIN,
        answer=answer.data_ptr(),
    )
    parts = min(torch.get_num_threads(), 1 + height * width * len(layout.leaf) // _WORTHWHILE)
    parts = max(min(parts, height), 1)
    edges = [height * part // parts for part in range(parts + 1)]

    def work(part: int) -> int:
        first, last = edges[part : part + 2]
        return kernel(ctypes.byref(picture), ctypes.c_int64(first), ctypes.c_int64(last))

    if any(each(work, range(parts))):
        raise MemoryError
    return answer


def _kernel(dtype: torch.dtype) -> Callable[..., int]:
    return compiled(_SOURCE, f"BFLOAT16={int(dtype == torch.bfloat16)}").decide_pixels
