"""Checking and counting the codes of pixels in one pass in C, on a CPU."""

import ctypes
from pathlib import Path

import torch
from jaxtyping import Int, Int32, Integer
from torch import Tensor

from harmonize.system.compile_c import compiled
from harmonize.system.threads import share_out

# Letters of shapes: B pictures, H x W pixels, N codes and one for ignore.

_NAMES = {
    torch.uint8: "read_uint8",
    torch.int16: "read_int16",
    torch.int32: "read_int32",
    torch.int64: "read_int64",
}
_TABLES = 4


class _Codes(ctypes.Structure):
    """The arguments as ``reading_codes.c`` declares them."""

    _fields_ = (
        ("codes", ctypes.c_void_p),
        ("pixels", ctypes.c_int64),
        ("last", ctypes.c_int64),
        ("ignore", ctypes.c_int64),
        ("rows", ctypes.c_void_p),
        ("counts", ctypes.c_void_p),
    )


def read_codes(
    codes: Integer[Tensor, "B H W"], num_codes: int, ignore: int
) -> tuple[Int32[Tensor, "B HW"], Int[Tensor, "B N"]] | None:
    """Return the row of each pixel in the loss's tables, and how many pixels of a picture have it.

    Args:
        codes: on the CPU.
        num_codes: those below have the row of their own number.
        ignore: has the row after them.

    Returns:
        None if there is another code.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    codes = (codes if codes.dtype in _NAMES else codes.long()).contiguous()
    read = getattr(compiled(Path(__file__).with_suffix(".c")), _NAMES[codes.dtype])
    rows = torch.empty(len(codes), codes.shape[1] * codes.shape[2], dtype=torch.int32)
    counts = torch.zeros(len(codes), _TABLES, num_codes + 1, dtype=torch.int32)
    arguments = _Codes(
        codes.data_ptr(), rows.shape[1], num_codes, ignore, rows.data_ptr(), counts.data_ptr()
    )
    return (rows, counts.sum(1)) if share_out(read, arguments, len(codes)) else None
