"""The hierarchical loss as one kernel: one read of the logits and one write of the gradient."""

import os
from collections.abc import MutableMapping
from importlib.util import find_spec
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Float64, Int32, Integer, UInt8
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

# Letters of shapes: B pictures, K leaves, H x W pixels, D depths, N rows of the tables, M words of
# 32 leaves each.

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Of the logits; all sums are float32 within a block of pixels and float64 beyond."""
MAX_LEAVES = 2048
_MAX_PICTURES = 65535
_WORD = 32

_member_tables: MutableMapping[Tensor, Tensor] = WeakIdKeyDictionary()


def is_available(device: torch.device) -> bool:
    """Whether the kernel can run on a device: CUDA, or a CPU under ``TRITON_INTERPRET=1``."""
    if find_spec("triton") is None:
        return False
    if device.type == "cpu":
        return _interpreted()
    return device.type == "cuda" and torch.version.cuda is not None


def fits(logits: Float[Tensor, "B K H W"]) -> bool:
    """Whether the kernel can take these logits."""
    batch, leaves = logits.shape[:2]
    sizes = leaves <= MAX_LEAVES and batch <= _MAX_PICTURES
    return sizes and logits.dtype in DTYPES and is_available(logits.device)


def fused_loss(
    logits: Float[Tensor, "B K H W"],
    rows: Integer[Tensor, "B HW"],
    *,
    agreement: UInt8[Tensor, "N K"],
    resolved: Bool[Tensor, "D N"],
    weight: Float[Tensor, "D N"],
    want_gradient: bool,
    want_by_depth: bool = True,
) -> tuple[Float64[Tensor, "B D"] | None, Float64[Tensor, " B"], Float[Tensor, "B K H W"] | None]:
    """Sum the terms L_d, and their weighted sum, over the pixels of each picture.

    The result is the same for the same input, bit by bit: sums of blocks of pixels are written
    apart and added in float64.

    Args:
        logits: any finite values; layouts other than NCHW and channels last are copied.
        rows: the row of each pixel's label in the tables; must be in range.
        agreement: the deepest depth d at which a leaf is still in S_d. It is packed into bits when
            first seen, so pass the same tensor again.
        resolved: the depths that count; views of any stride.
        weight: of the term at each depth, zero where it is not resolved.
        want_gradient: whether to work out the gradient of the sum of all weighted sums.
        want_by_depth: whether to sum the terms of each depth as well.

    Returns:
        The sums by depth, the weighted sums and the gradient, None where not wanted.
    """
    last = logits.is_contiguous(memory_format=torch.channels_last) and not logits.is_contiguous()
    logits = logits if last else logits.contiguous()
    batch, leaves = logits.shape[:2]
    pixels, depths = rows.shape[1], len(resolved)
    words, bits, block, warps = _tile(leaves)
    programs = -(-pixels // block)
    sums = (batch, programs, depths + 1)
    partials = torch.empty(sums, dtype=torch.float32, device=logits.device)
    gradient = torch.empty_like(logits) if want_gradient else None
    if batch * pixels > 0:
        from harmonize.loss import fused_kernel as module

        kernel = cast("Any", module).fused_kernel
        with torch.cuda.device_of(logits):
            kernel[(programs, batch)](
                logits,
                (rows if rows.is_signed() else rows.int()).contiguous(),
                _members(agreement, depths),
                resolved.view(torch.uint8),
                weight,
                logits if gradient is None else gradient,
                partials,
                pixels,
                len(agreement),
                leaves,
                depths + 1,
                *resolved.stride(),
                *weight.stride(),
                LEAVES=leaves,
                DEPTHS=depths,
                WORDS=words,
                BITS=bits,
                BLOCK=block,
                LAST=last,
                EVEN=pixels % block == 0,
                WIDE=leaves * pixels >= 2**31,
                BY_DEPTH=want_by_depth,
                GRADIENT=want_gradient,
                COMPILED=not _interpreted(),
                num_warps=warps,
            )
    total = partials[..., 0].sum(1, dtype=torch.float64)
    by_depth = partials[..., 1:].sum(1, dtype=torch.float64) if want_by_depth else None
    return by_depth, total, gradient


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


def _tile(leaves: int) -> tuple[int, int, int, int]:
    """Choose words and bits of leaves, pixels per block and warps: up to 32 logits per thread.

    Up to 32 leaves a thread has one pixel. Above, the words of a pixel are shared out to the
    warps, and a block has fewer pixels, but enough for reads of 32 bytes and more.
    """
    padded = 1 << (leaves - 1).bit_length()
    words, bits = max(padded // _WORD, 1), min(padded, _WORD)
    block = max(min(4096 // max(padded, _WORD), 128), min(16384 // padded, 32))
    return words, bits, block, max(padded * block // 1024, 4)


def _members(agreement: UInt8[Tensor, "N K"], depths: int) -> Int32[Tensor, "M D1 N"]:
    """Pack S_0 (all leaves), S_1, ..., S_D of each row into words of 32 bits, and keep them."""
    found = _member_tables.get(agreement)
    if found is None or found.shape[1] != depths + 1:
        words, bits = _tile(agreement.shape[1])[:2]
        padding = max(words * bits, _WORD) - agreement.shape[1]
        powers = [1 << bit for bit in range(_WORD - 1)] + [-(1 << (_WORD - 1))]
        value = torch.tensor(powers, device=agreement.device)
        packed: list[Tensor] = []
        for depth in range(depths + 1):
            inside: Tensor = torch.nn.functional.pad(agreement >= depth, (0, padding))
            packed.append((inside.view(len(inside), -1, _WORD) * value).sum(2).T)
        found = torch.stack(packed, 1).int().contiguous()
        _member_tables[agreement] = found
    return found
