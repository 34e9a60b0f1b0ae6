"""The kernel of the fused loss: one read of the logits, one write of the gradient.

Bytes: a pixel costs 2 * K * (4 or 2) for its logits and gradient and the size of its row; the
tables are small and stay in the L1 cache.

Tile: W words x 32 leaves x P pixels. The members of a set are bits of W words per depth and row,
so a pixel's sets cost W look-ups per depth, not K. A thread holds the leaves of one pixel (of one
word, if W > 1): sums over them are additions in registers, the bit of a leaf is a constant, and
the compiler drops leaves beyond K. Live are the exponentials, the gradient and the offsets: about
120 registers for 19 leaves, 140 for 32 (sixteen and twelve warps per multiprocessor).

Coalescing: in NCHW order a warp reads 32 pixels of one leaf in a row. The number of pixels is not
specialised on: were it known to be even, a thread would get several pixels and share out the leaves
of a pixel to several warps. With channels last a warp reads the leaves of one pixel in a row and
the tile is turned round in shared memory, twice: the compiler lets the layout of the sums follow
the look-ups by row, which come last and have the pixels side by side.

Operations per logit: one exponential and about ten more, and four per depth (test the bit, drop
the exponential, add it to the sum and to the gradient). S_1, ..., S_D shrink, so the exponentials
are dropped for good.
"""

# pyright: basic, reportArgumentType=false, reportOperatorIssue=false

from typing import no_type_check

import triton
import triton.language as tl
from triton.language.extra import libdevice

_LOG2_E = tl.constexpr(1.4426950408889634)
_LN_2 = tl.constexpr(0.6931471805599453)
_TINY = tl.constexpr(1e-30)
_LOWEST = tl.constexpr(-1e38)

# The arguments are described where the kernel is launched. Programs are counted along the first
# axis of the grid, pictures along the second.


@triton.jit
@no_type_check
def _sum(x):  # (W, 32, P) -> (1, 1, P)
    return tl.sum(tl.sum(x, 1, keep_dims=True), 0, keep_dims=True)


@triton.jit
@no_type_check
def _largest(x):  # (W, 32, P) -> (1, 1, P)
    return tl.max(tl.max(x, 1, keep_dims=True), 0, keep_dims=True)


@triton.jit
@no_type_check
def _log2(x, COMPILED: tl.constexpr):
    return libdevice.fast_log2f(x) if COMPILED else tl.log2(x)


@triton.jit
@no_type_check
def _divide(x, y, COMPILED: tl.constexpr):
    return libdevice.fast_dividef(x, y) if COMPILED else x / y


@triton.jit
@no_type_check
def _log_sum(logits, step, num_leaves, members, row, num_rows, asked, D1: tl.constexpr):
    """Return maximum and sum of exponentials over a set, leaf by leaf, with its own maximum."""
    top = tl.where(asked, _LOWEST, 0.0)
    total = tl.where(asked, 0.0, 1.0)
    for leaf in range(num_leaves):
        word = tl.load(members + leaf // 32 * D1 * num_rows + row)
        inside = asked & (((word >> (leaf % 32)) & 1) != 0)
        x = tl.load(logits + leaf * step, mask=inside, other=0.0).to(tl.float32)
        x = tl.where(inside, x, _LOWEST)
        new = tl.maximum(top, x)
        e = tl.where(inside, tl.exp2((x - new) * _LOG2_E), 0.0)
        total = total * tl.exp2((top - new) * _LOG2_E) + e
        top = new
    return top, total


@triton.jit
@no_type_check
def _exactly(
    logits,
    gradient,
    origin,
    at,
    members,
    resolved,
    weight,
    partials,
    row,
    here,
    mask,
    all_weights,
    step,
    num_rows,
    num_leaves,
    num_sets,
    resolved_depth,
    resolved_row,
    weight_depth,
    weight_row,
    D1: tl.constexpr,
    LAST: tl.constexpr,
    BY_DEPTH: tl.constexpr,
    GRADIENT: tl.constexpr,
    COMPILED: tl.constexpr,
):
    """Work off a block in which a set is far below a pixel's largest logit.

    Each set gets its own maximum, leaf by leaf in loops of unknown length, so that the common case
    does not pay for this one in registers.
    """
    g = tl.zeros(mask.shape, tl.float32)
    bit = tl.arange(0, mask.shape[1])[None, :, None]
    w = tl.arange(0, mask.shape[0])[:, None, None]
    total = tl.zeros(row.shape, tl.float32)
    top = tl.zeros(row.shape, tl.float32)
    log_all = tl.zeros(row.shape, tl.float32)
    for d in range(num_sets):
        of_depth = members + d * num_rows
        if d == 0:  # the set of all leaves
            asked = here & (row >= 0)
            w_d = -all_weights
        else:
            asked = tl.load(resolved + (d - 1) * resolved_depth + row * resolved_row) != 0
            asked = here & asked
            w_d = tl.load(weight + (d - 1) * weight_depth + row * weight_row)
        own, s = _log_sum(logits + origin, step, num_leaves, of_depth, row, num_rows, asked, D1)
        log_s = _log2(s, COMPILED)
        if d == 0:
            top = own
            log_all = log_s
        else:
            term = tl.where(asked, (top - own) + (log_all - log_s) * _LN_2, 0.0)
            total += w_d * term
            if BY_DEPTH:
                tl.store(partials + d, tl.sum(term))
        if GRADIENT:
            word = tl.load(of_depth + w * D1 * num_rows + row)
            inside = asked & (((word >> bit) & 1) != 0)
            x = tl.load(logits + at, mask=mask, other=0.0).to(tl.float32)
            if LAST:
                x = tl.where(row >= 0, x, 0.0)
            x = tl.where(inside, x - own, -float("inf"))
            g -= tl.exp2(x * _LOG2_E) * _divide(w_d, s, COMPILED)
    tl.store(partials, tl.sum(total))
    if GRADIENT:
        tl.store(gradient + at, g.to(gradient.dtype.element_ty), mask=mask)


@triton.jit(do_not_specialize=["pixels", "num_rows", "num_leaves", "num_sets"])
@no_type_check
def fused_kernel(
    logits,
    rows,
    members,
    resolved,
    weight,
    gradient,
    partials,
    pixels,
    num_rows,
    num_leaves,
    num_sets,
    resolved_depth,
    resolved_row,
    weight_depth,
    weight_row,
    LEAVES: tl.constexpr,
    DEPTHS: tl.constexpr,
    WORDS: tl.constexpr,
    BITS: tl.constexpr,
    BLOCK: tl.constexpr,
    LAST: tl.constexpr,
    EVEN: tl.constexpr,
    WIDE: tl.constexpr,
    BY_DEPTH: tl.constexpr,
    GRADIENT: tl.constexpr,
    COMPILED: tl.constexpr,
):
    """Work off BLOCK pixels of a picture; see ``fused_loss``."""
    D1: tl.constexpr = DEPTHS + 1
    picture = tl.program_id(1).to(tl.int64)
    start = tl.program_id(0) * BLOCK
    pixel = tl.arange(0, BLOCK)[None, None, :]
    here = pixel < pixels - start
    w = tl.arange(0, WORDS)[:, None, None]
    bit = tl.arange(0, BITS)[None, :, None]
    leaf = w * 32 + bit
    exists = leaf < LEAVES
    if EVEN:
        here = pixel >= 0
    mask = exists & here
    first = picture * pixels
    rows += first + start
    partials += (picture * tl.num_programs(0) + tl.program_id(0)) * D1
    if LAST:
        first += start
        origin = pixel * LEAVES
        step = 1
        at = origin + leaf
    else:
        step = pixels.to(tl.int64 if WIDE else tl.uint32)
        origin = (start + pixel).to(step.dtype)
        at = origin + leaf.to(step.dtype) * step
    logits += first * LEAVES
    gradient += first * LEAVES

    x = tl.load(logits + at, mask=mask, other=0.0).to(tl.float32)
    row = tl.load(rows + pixel, mask=here, other=-1).to(tl.int32)
    if LAST:
        # Ties the logits to the rows, so that their tile is turned round before the sums.
        x = tl.where(row >= 0, x, 0.0)
    row = tl.maximum(row, 0)
    all_weights = tl.zeros([1, 1, BLOCK], tl.float32)
    for d in range(DEPTHS):
        all_weights += tl.load(weight + d * weight_depth + row * weight_row)

    x = tl.where(exists, x, -float("inf"))
    top = _largest(x)
    # A zero by a constant condition lets the compiler drop the leaves that don't exist.
    e = tl.where(exists, tl.exp2((x - top) * _LOG2_E), 0.0)
    s_all = _sum(e)
    g = e * _divide(all_weights, s_all, COMPILED)
    total = tl.zeros([1, 1, BLOCK], tl.float32)
    lost = tl.zeros([1, 1, BLOCK], tl.int32)
    for d in range(DEPTHS):
        word = tl.load(members + (w * D1 + d + 1) * num_rows + row)
        asked = (tl.load(resolved + d * resolved_depth + row * resolved_row) != 0) & here
        w_d = tl.load(weight + d * weight_depth + row * weight_row)
        e = tl.where(((word >> bit) & 1) != 0, e, 0.0)
        s = _sum(e)
        lost |= (asked & (s < _TINY)).to(tl.int32)
        inverse = _divide(1.0, tl.where(asked, tl.maximum(s, _TINY), 1.0), COMPILED)
        term = tl.where(asked, _log2(s_all * inverse, COMPILED), 0.0)
        total += w_d * term
        g -= e * (w_d * inverse)
        if BY_DEPTH:
            tl.store(partials + d + 1, tl.sum(term) * _LN_2)

    if tl.max(lost) == 0:
        tl.store(partials, tl.sum(total) * _LN_2)
        if GRADIENT:
            tl.store(gradient + at, g.to(gradient.dtype.element_ty), mask=mask)
    else:
        _exactly(
            logits,
            gradient,
            origin,
            at,
            members,
            resolved,
            weight,
            partials,
            row,
            here,
            mask,
            all_weights,
            step,
            num_rows,
            num_leaves if COMPILED else LEAVES,
            num_sets if COMPILED else D1,
            resolved_depth,
            resolved_row,
            weight_depth,
            weight_row,
            D1,
            LAST,
            BY_DEPTH,
            GRADIENT,
            COMPILED,
        )
