"""Counting a picture's pixels in one pass in C, on a CPU."""

import ctypes
import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int, Integer, UInt8
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.system.compile_c import compiled
from harmonize.system.threads import each

# Letters of shapes: K leaves, C classes, H x W pixels of a label, h x w of the network, N slots,
# F slots that hold a leaf, L lanes beside the first of their class.

DTYPES = (torch.float32, torch.bfloat16)
_SOURCE = Path(__file__).with_suffix(".c")
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
        ("filled", ctypes.c_int64),
        ("slot", ctypes.c_void_p),
        ("leaf", ctypes.c_void_p),
        ("owner", ctypes.c_void_p),
        ("direct", ctypes.c_int64),
        ("single", ctypes.c_int64),
        ("blocks", ctypes.c_int64),
        ("depth", ctypes.c_int64),
        ("num_classes", ctypes.c_int64),
        ("scored", ctypes.c_void_p),
        ("further", ctypes.c_int64),
        ("first_lane", ctypes.c_void_p),
        ("further_lane", ctypes.c_void_p),
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
    """How the leaves of a pixel are laid out for vectors of numbers.

    Where every class is one leaf, the slots are these leaves, in the order of the classes.
    Otherwise each class has lanes of its own, each with up to ``depth`` of its leaves.

    Attributes:
        slots: N.
        slot, leaf: where each leaf of each class is put; the leaf is the logit's number.
        owner: the class of each slot.
        scored: whether a class has leaves.
        single: whether every class is one leaf at most.
        blocks, depth: the slots are so many blocks of so many vectors.
        first_lane, further_lane: lanes that are added up to a class's sum.
        lead: logits by which a leaf above all those of other classes wins for its class.
        plain: whether the slots are all the network's leaves in their order.
    """

    slots: int
    slot: Int[Tensor, " F"]
    leaf: Int[Tensor, " F"]
    owner: Int[Tensor, " N"]
    scored: UInt8[Tensor, " C"]
    single: bool
    blocks: int
    depth: int
    first_lane: Int[Tensor, " L"]
    further_lane: Int[Tensor, " L"]
    lead: float
    plain: bool


def lay_out(masks: Bool[Tensor, "C K"]) -> Layout:
    """Lay out the leaves of each class; at least one class must have some."""
    sizes = [int(size) for size in masks.sum(1)]
    single = max(sizes) == 1
    depth = 1 if single else min(range(1, max(sizes) + 1), key=lambda n: _cost(sizes, n))
    lanes = [-(-size // depth) for size in sizes]
    blocks = -(-sum(lanes) // _LANES)
    starts = [sum(lanes[:number]) for number in range(len(lanes))]
    further = [
        (start, start + n) for start, own in zip(starts, lanes, strict=True) for n in range(1, own)
    ]
    slot = list(_slots(sizes, starts, depth))
    owner, leaf = masks.nonzero().int().unbind(1)
    count = max(sum(sizes), _LANES) if single else blocks * depth * _LANES
    owners = torch.zeros(count, dtype=torch.int32)
    owners[slot] = owner
    numbers = list(range(masks.shape[1]))
    first, second = zip(*further, strict=True) if further else ((), ())
    return Layout(
        slots=count,
        slot=torch.tensor(slot, dtype=torch.int32),
        leaf=leaf.contiguous(),
        owner=owners,
        scored=masks.any(1).to(torch.uint8),
        single=single,
        blocks=blocks,
        depth=depth,
        first_lane=torch.tensor(first, dtype=torch.int32),
        further_lane=torch.tensor(second, dtype=torch.int32),
        lead=math.log(max(sizes)) + _MARGIN,
        plain=count == len(numbers) and slot == numbers and leaf.tolist() == numbers,
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
    height, size = len(classes), len(layout.scored)
    parts = min(torch.get_num_threads(), 1 + classes.numel() * layout.slots // _WORTHWHILE, height)
    counts = torch.zeros(max(parts, 1), size, size, dtype=torch.int64)
    edges = [height * part // max(parts, 1) for part in range(max(parts, 1) + 1)]

    def work(part: int) -> int:
        first, last = edges[part : part + 2]
        picture = _describe(logits, classes, layout, counts[part])
        return kernel(ctypes.byref(picture), ctypes.c_int64(first), ctypes.c_int64(last))

    results = set(each(work, range(max(parts, 1))))
    if 1 in results:
        raise MemoryError
    assert results == {0}, "a class is out of range"
    return counts.sum(0)


def _describe(logits: Tensor, classes: Tensor, layout: Layout, counts: Tensor) -> _Picture:
    leaf, row, column = logits.stride()
    lies_so = leaf == 1 and column == logits.shape[0] and logits.dtype == torch.float32
    return _Picture(
        logits=logits.data_ptr(),
        strides=(leaf, row, column),
        size=tuple(logits.shape[1:]),
        classes=classes.data_ptr(),
        class_bytes=classes.element_size(),
        label_size=tuple(classes.shape),
        slots=layout.slots,
        filled=len(layout.slot),
        slot=layout.slot.data_ptr(),
        leaf=layout.leaf.data_ptr(),
        owner=layout.owner.data_ptr(),
        direct=layout.plain and lies_so,
        single=layout.single,
        blocks=layout.blocks,
        depth=layout.depth,
        num_classes=len(layout.scored),
        scored=layout.scored.data_ptr(),
        further=len(layout.first_lane),
        first_lane=layout.first_lane.data_ptr(),
        further_lane=layout.further_lane.data_ptr(),
        lead=layout.lead,
        counts=counts.data_ptr(),
    )


def _kernel(dtype: torch.dtype) -> Callable[..., int]:
    return compiled(_SOURCE, f"BFLOAT16={int(dtype == torch.bfloat16)}").count_pixels


def _cost(sizes: list[int], depth: int) -> int:
    """Weigh vectors of exponentials against lanes that are added one by one."""
    lanes = [-(-size // depth) for size in sizes]
    extra = sum(max(own - 1, 0) for own in lanes)
    return 2 * depth * -(-sum(lanes) // _LANES) + extra


def _slots(sizes: list[int], starts: list[int], depth: int) -> Iterator[int]:
    """Give the slots of each class's leaves: down a lane, then on to the next."""
    for size, start in zip(sizes, starts, strict=True):
        for number in range(size):
            lane, row = start + number // depth, number % depth
            yield (lane // _LANES * depth + row) * _LANES + lane % _LANES
