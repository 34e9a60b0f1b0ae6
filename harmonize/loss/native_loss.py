"""The hierarchical loss on a CPU as one pass in C, compiled when it is first needed."""

import ctypes
import functools
from pathlib import Path

import torch
from jaxtyping import Float, Int32
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.loss.eager import LossSums, empty_like
from harmonize.loss.tables import LossTables
from harmonize.system.compile_c import compiled
from harmonize.system.threads import share_out

# Letters of shapes: B pictures, K leaves, H x W pixels, N rows of the loss's tables.

DTYPES = (torch.float32, torch.bfloat16)
"""Of the logits; sums are float32 within a pixel and float64 beyond."""
_PIECE = 1 << 17
"""Logits for which another call is worth its start."""
_PIECES = 16
"""Parts of a batch at most; they do not depend on the number of threads, so sums do not either."""


class LossBatch(ctypes.Structure):
    """A batch with the tables of its loss, as ``pixels.h`` declares it."""

    _fields_ = (
        ("logits", ctypes.c_void_p),
        ("logit_strides", ctypes.c_int64 * 3),
        ("slope", ctypes.c_void_p),
        ("slope_strides", ctypes.c_int64 * 3),
        ("row", ctypes.c_void_p),
        ("pixels", ctypes.c_int64),
        ("leaves", ctypes.c_int64),
        ("order", ctypes.c_void_p),
        ("until", ctypes.c_void_p),
        ("weight", ctypes.c_void_p),
        ("resolved", ctypes.c_void_p),
        ("focal", ctypes.c_float),
        ("smoothing", ctypes.c_float),
        ("groups", ctypes.c_int64),
        ("group", ctypes.c_void_p),
        ("near", ctypes.c_void_p),
        ("num_near", ctypes.c_void_p),
        ("spread", ctypes.c_void_p),
        ("scale", ctypes.c_void_p),
    )

    def __init__(
        self,
        logits: Float[Tensor, "B K H W"],
        rows: Int32[Tensor, "B HW"],
        tables: LossTables,
        *,
        scale: Float[Tensor, " N"] | None = None,
        gradient: bool,
    ) -> None:
        flat = logits.flatten(2)  # one stride for all pixels of a picture
        slope = empty_like(logits) if gradient else None
        flat_slope = flat if slope is None else slope.flatten(2)
        rows, weight = rows.contiguous(), tables.weight.float().contiguous()
        spread = tables.spread.float().contiguous()
        self.gradient = slope
        self._kept = (flat, rows, weight, spread, scale, tables)  # C has only their addresses
        super().__init__(
            logits=flat.data_ptr(),
            logit_strides=flat.stride(),
            slope=None if slope is None else slope.data_ptr(),
            slope_strides=flat_slope.stride(),
            row=rows.data_ptr(),
            pixels=rows.shape[1],
            leaves=logits.shape[1],
            order=tables.order.data_ptr(),
            until=tables.until.data_ptr(),
            weight=weight.data_ptr(),
            resolved=tables.resolved.data_ptr(),
            focal=tables.focal,
            smoothing=tables.smoothing,
            groups=len(tables.groups),
            group=tables.ranges.data_ptr(),
            near=tables.near.data_ptr(),
            num_near=tables.num_near.data_ptr(),
            spread=spread.data_ptr(),
            scale=None if scale is None else scale.data_ptr(),
        )


class _LossJob(ctypes.Structure):
    """The arguments as ``native_loss.c`` declares them."""

    _fields_ = (
        ("batch", LossBatch),
        ("pictures", ctypes.c_int64),
        ("pieces", ctypes.c_int64),
        ("total", ctypes.c_void_p),
        ("terms", ctypes.c_void_p),
    )


def fits(logits: Float[Tensor, "B K H W"]) -> bool:
    """Whether the kernel can take these logits, on a machine that can compile it."""
    return logits.device.type == "cpu" and logits.dtype in DTYPES


def native_sums(
    logits: Float[Tensor, "B K H W"],
    rows: Int32[Tensor, "B HW"],
    tables: LossTables,
    *,
    by_depth: bool,
    gradient: bool,
) -> LossSums:
    """Sum the loss over the pixels of each picture.

    Args:
        logits: one per leaf; not copied unless the rows of a picture are apart.
        rows: the row of each pixel's label in the tables.
        tables: on the CPU.
        by_depth: whether to return the terms of each depth; they are summed in any case.
        gradient: whether to work out the gradient.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    depths = tables.resolved.shape[1]
    library = load(depths, bfloat16=logits.dtype == torch.bfloat16)
    arguments = LossBatch(logits, rows, tables, gradient=gradient)
    use_large_pages(library, arguments.gradient)
    pieces = max(min(logits.numel() // _PIECE, _PIECES), 1)
    total = torch.zeros(pieces, len(logits), dtype=torch.float64)
    terms = torch.zeros(pieces, len(logits), depths, dtype=torch.float64)
    job = _LossJob(arguments, len(logits), pieces, total.data_ptr(), terms.data_ptr())
    if not share_out(library.hierarchical_loss, job, pieces):
        raise MemoryError
    return LossSums(total.sum(0), terms.sum(0) if by_depth else None, arguments.gradient)


def use_large_pages(library: ctypes.CDLL, gradient: Tensor | None) -> None:
    """Have the memory of a gradient that nothing was written to come in large pages."""
    if gradient is not None:
        library.use_large_pages(address(gradient), ctypes.c_int64(gradient.nbytes))


def address(tensor: Tensor) -> ctypes.c_void_p:
    """Return where a tensor's numbers begin."""
    return ctypes.c_void_p(tensor.data_ptr())


@functools.cache
def is_available(depths: int) -> bool:
    """Whether the kernel is, or can be, compiled on this machine."""
    try:
        load(depths, bfloat16=False)
    except HarmonizeError:
        return False
    return True


def load(depths: int, *, bfloat16: bool, name: str = "native_loss.c") -> ctypes.CDLL:
    """Return what a C file of this folder compiles to for trees of so many depths.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    try:
        return compiled(
            Path(__file__).with_name(name), f"DEPTHS={depths}", f"BFLOAT16={int(bfloat16)}"
        )
    except HarmonizeError as error:
        raise HarmonizeError(f"loss.compile: {error}; or say loss.compile=false") from None
