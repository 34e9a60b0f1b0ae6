"""The hierarchical loss on a CPU as one pass in C, compiled when it is first needed."""

import ctypes
import functools
from pathlib import Path

import torch
from jaxtyping import Float, Float64, Int32
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.loss.eager import LossSums, empty_like
from harmonize.loss.region import RegionTables
from harmonize.loss.tables import LossTables
from harmonize.system.compile_c import compiled
from harmonize.system.threads import each

# Letters of shapes: B pictures, K leaves, H x W pixels, N rows of the loss's tables, M of a region
# loss's.

DTYPES = (torch.float32, torch.bfloat16)
"""Of the logits; sums are float32 within a pixel and float64 beyond."""
_SOURCE = Path(__file__).with_suffix(".c")
_PIECE = 1 << 17
"""Logits for which another call is worth its start."""
_PIECES = 16
"""Parts of a batch at most; they do not depend on the number of threads, so sums do not either."""


class _Batch(ctypes.Structure):
    """The arguments as ``native.c`` declares them."""

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
        ("total", ctypes.c_void_p),
        ("terms", ctypes.c_void_p),
        ("losses", ctypes.c_void_p),
        ("region", ctypes.c_void_p),
        ("region_row", ctypes.c_void_p),
        ("region_rows", ctypes.c_int64),
        ("focal", ctypes.c_float),
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
    region: tuple[Int32[Tensor, "B HW"], Float[Tensor, "B M K"]] | None = None,
    losses: Float[Tensor, "B HW"] | None = None,
) -> LossSums:
    """Sum the loss over the pixels of each picture.

    Args:
        logits: one per leaf; not copied unless the rows of a picture are apart.
        rows: the row of each pixel's label in the tables.
        tables: on the CPU.
        by_depth: whether to return the terms of each depth; they are summed in any case.
        gradient: whether to work out the gradient.
        region: of a region loss, whose gradient is added: the row of each pixel, and the derivative
            by the soft confusion.
        losses: takes the loss of each pixel.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    flat = logits.flatten(2)  # one stride for all pixels of a picture
    batch, leaves = logits.shape[:2]
    depths = tables.resolved.shape[1]
    library = load(depths, bfloat16=logits.dtype == torch.bfloat16)
    slope = empty_like(logits) if gradient else None
    if slope is not None:
        library.use_large_pages(ctypes.c_void_p(slope.data_ptr()), ctypes.c_int64(slope.nbytes))
    flat_slope = flat if slope is None else slope.flatten(2)
    rows, weight = rows.contiguous(), tables.weight.float().contiguous()
    region_rows, pull = rows, None
    if region is not None:
        region_rows, pull = region[0].contiguous(), region[1].float().contiguous()
    pieces = max(min(logits.numel() // _PIECE, _PIECES), 1)
    bounds = [rows.numel() * number // pieces for number in range(pieces + 1)]
    total = torch.zeros(pieces, batch, dtype=torch.float64)
    terms = torch.zeros(pieces, batch, depths, dtype=torch.float64)

    def work(number: int) -> int:
        arguments = _Batch(
            logits=flat.data_ptr(),
            logit_strides=flat.stride(),
            slope=None if slope is None else slope.data_ptr(),
            slope_strides=flat_slope.stride(),
            row=rows.data_ptr(),
            pixels=rows.shape[1],
            leaves=leaves,
            order=tables.order.data_ptr(),
            until=tables.until.data_ptr(),
            weight=weight.data_ptr(),
            resolved=tables.resolved.data_ptr(),
            total=total[number].data_ptr(),
            terms=terms[number].data_ptr(),
            losses=None if losses is None else losses.data_ptr(),
            region=None if pull is None else pull.data_ptr(),
            region_row=region_rows.data_ptr(),
            region_rows=0 if pull is None else pull.shape[1],
            focal=tables.focal,
        )
        first, last = bounds[number : number + 2]
        return library.hierarchical_loss(
            ctypes.byref(arguments), ctypes.c_int64(first), ctypes.c_int64(last)
        )

    if any(each(work, range(pieces))):
        raise MemoryError
    return LossSums(total.sum(0), terms.sum(0) if by_depth else None, slope)


def native_pixel_losses(
    logits: Float[Tensor, "B K H W"], rows: Int32[Tensor, "B HW"], tables: LossTables
) -> Float[Tensor, "B HW"]:
    """Return the weighted loss of each pixel."""
    losses = torch.empty(rows.shape)
    native_sums(logits, rows, tables, by_depth=False, gradient=False, losses=losses)
    return losses


def native_soft_confusion(
    logits: Float[Tensor, "B K H W"], rows: Int32[Tensor, "B HW"], tables: RegionTables
) -> Float64[Tensor, "B N K"]:
    """Sum the leaves' probabilities over the pixels of each code; see ``soft_confusion``."""
    flat, rows = logits.flatten(2), rows.contiguous()
    library = load(len(tables.weight), bfloat16=logits.dtype == torch.bfloat16)
    found = torch.zeros(len(logits), len(tables.inside), logits.shape[1], dtype=torch.float64)
    arguments = _Batch(
        logits=flat.data_ptr(),
        logit_strides=flat.stride(),
        pixels=rows.shape[1],
        leaves=logits.shape[1],
        region_row=rows.data_ptr(),
    )

    def work(picture: int) -> int:
        address = ctypes.c_void_p(found[picture].data_ptr())
        return library.soft_confusion(ctypes.byref(arguments), ctypes.c_int64(picture), address)

    if any(each(work, range(len(logits)))):
        raise MemoryError
    return found


@functools.cache
def is_available(depths: int) -> bool:
    """Whether the kernel is, or can be, compiled on this machine."""
    try:
        load(depths, bfloat16=False)
    except HarmonizeError:
        return False
    return True


def load(depths: int, *, bfloat16: bool) -> ctypes.CDLL:
    """Return what ``native.c`` compiles to for trees of so many depths.

    Raises:
        HarmonizeError: no C compiler, or one that fails.
    """
    try:
        return compiled(_SOURCE, f"DEPTHS={depths}", f"BFLOAT16={int(bfloat16)}")
    except HarmonizeError as error:
        raise HarmonizeError(f"loss.compile: {error}; or say loss.compile=false") from None
