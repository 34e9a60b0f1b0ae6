"""Counting a picture's pixels in one pass in C, on a CPU."""

import ctypes
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from harmonize.c_code import compiled
from harmonize.cores import each
from harmonize.errors import HarmonizeError

# Letters of shapes: K leaves, C classes, H x W pixels of a label, h x w of the network, N slots,
# F of which hold a leaf; C1 is C + 1.

DTYPES = (torch.float32, torch.bfloat16)
_SOURCE = Path(__file__).with_name("native.c")
_LANES = 16
"""Of a vector, as ``native.c`` has it."""
_WORTHWHILE = 1 << 20
"""Numbers to look at for which another thread is worth its start."""
_MARGIN = 1e-3
"""Beyond what rounding can make up for, in logits."""


class _Picture(ctypes.Structure):
    """The arguments as ``native.c`` declares them."""

    _fields_ = (
        ("logits", ctypes.c_void_p),
        ("strides", ctypes.c_int64 * 3),
        ("size", ctypes.c_int64 * 2),
        ("classes", ctypes.c_void_p),
        ("class_bytes", ctypes.c_int64),
        ("label_size", ctypes.c_int64 * 2),
        ("slots", ctypes.c_int64),
        ("leaf", ctypes.c_void_p),
        ("owner", ctypes.c_void_p),
        ("single", ctypes.c_int64),
        ("num_classes", ctypes.c_int64),
        ("begin", ctypes.c_void_p),
        ("lead", ctypes.c_float),
        ("counts", ctypes.c_void_p),
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
    """How the leaves of a pixel are laid out: in slots, in the order of the classes.

    Attributes:
        leaf: the logit of each slot that holds one.
        owner: the class of each slot; those at the end, up to whole vectors, have none.
        begin: the first slot of each class, and the end of the last one's.
        single: whether every class is one leaf at most.
        lead: logits by which a leaf above all those of other classes wins for its class.
    """

    leaf: Int[Tensor, " F"]
    owner: Int[Tensor, " N"]
    begin: Int[Tensor, " C1"]
    single: bool
    lead: float


def lay_out(masks: Bool[Tensor, "C K"]) -> Layout:
    """Lay out the leaves of each class; at least one class must have some."""
    owner, leaf = masks.nonzero().int().T.contiguous()
    sizes = masks.sum(1)
    return Layout(
        leaf=leaf,
        owner=torch.nn.functional.pad(owner, (0, -len(owner) % _LANES)),
        begin=torch.nn.functional.pad(sizes.cumsum(0), (1, 0)).int(),
        single=int(sizes.max()) == 1,
        lead=math.log(int(sizes.max())) + _MARGIN,
    )


def count_natively(
    logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"], layout: Layout
) -> Int[Tensor, "C C"]:
    """Scale the logits to the label's size and count its scored pixels.

    Args:
        logits: of one picture, in one of ``DTYPES``.
        classes: the true ones, 0..C - 1.
        layout: of the C classes.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    kernel = _kernel(logits.dtype)
    classes = classes.contiguous()
    height, size = len(classes), len(layout.begin) - 1
    most = 1 + classes.numel() * len(layout.owner) // _WORTHWHILE
    parts = max(min(torch.get_num_threads(), most, height), 1)
    counts = torch.zeros(parts, size, size, dtype=torch.int64)
    edges = [height * part // parts for part in range(parts + 1)]

    def work(part: int) -> int:
        first, last = edges[part : part + 2]
        picture = _describe(logits, classes, layout, counts[part])
        return kernel(ctypes.byref(picture), ctypes.c_int64(first), ctypes.c_int64(last))

    results = set(each(work, range(parts)))
    if 1 in results:
        raise MemoryError
    assert results == {0}, "a class is out of range"
    return counts.sum(0)


def _describe(logits: Tensor, classes: Tensor, layout: Layout, counts: Tensor) -> _Picture:
    return _Picture(
        logits=logits.data_ptr(),
        strides=logits.stride(),
        size=tuple(logits.shape[1:]),
        classes=classes.data_ptr(),
        class_bytes=classes.element_size(),
        label_size=tuple(classes.shape),
        slots=len(layout.owner),
        leaf=layout.leaf.data_ptr(),
        owner=layout.owner.data_ptr(),
        single=layout.single,
        num_classes=len(layout.begin) - 1,
        begin=layout.begin.data_ptr(),
        lead=layout.lead,
        counts=counts.data_ptr(),
    )


def _kernel(dtype: torch.dtype) -> Callable[..., int]:
    return compiled(_SOURCE, f"BFLOAT16={int(dtype == torch.bfloat16)}").count_pixels
