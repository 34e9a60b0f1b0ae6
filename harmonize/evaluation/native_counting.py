"""Counting pixels by class and unit in C, on a CPU."""

import ctypes
import functools
from pathlib import Path

import torch
from jaxtyping import Int, Int32, Integer
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.system.compile_c import compiled

# Letters of shapes: L classes of a label, U units of the decoding tree, H x W pixels.

_NAMES = {
    torch.uint8: "count_uint8",
    torch.int16: "count_int16",
    torch.int32: "count_int32",
    torch.int64: "count_int64",
}


@functools.cache
def is_available() -> bool:
    """Whether the C code is, or can be, compiled on this machine."""
    try:
        _library()
    except HarmonizeError:
        return False
    return True


def count_natively(
    classes: Integer[Tensor, "H W"], units: Int32[Tensor, "H W"], num_classes: int, num_units: int
) -> Int[Tensor, "L U"]:
    """Count the pixels, at most 2 ** 31, of each class and unit.

    Args:
        classes: 0..L - 1, on the CPU.
        units: 0..U - 1, on the CPU.
        num_classes, num_units: L and U.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
        IndexError: a class of another number.
    """
    counts = torch.zeros(2, num_classes, num_units, dtype=torch.int32)
    classes, units = classes.contiguous(), units.contiguous()
    strange = getattr(_library(), _NAMES[classes.dtype])(
        *(ctypes.c_void_p(tensor.data_ptr()) for tensor in (classes, units)),
        *(ctypes.c_int64(number) for number in (units.numel(), num_classes, num_units)),
        ctypes.c_void_p(counts.data_ptr()),
    )
    if strange:
        raise IndexError(f"{strange} pixels have a class outside 0..{num_classes - 1}")
    return counts.sum(0)


def _library() -> ctypes.CDLL:
    return compiled(Path(__file__).with_suffix(".c"))
