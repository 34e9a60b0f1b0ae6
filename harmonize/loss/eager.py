"""The hierarchical loss in plain PyTorch: the reference of the compiled forms, and their stand-in.

A chunk's logits are read once; the sums over all sets of leaves are one small matrix product of
their exponentials, and the gradient is the transposed product of the sets' shares.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Integer
from torch import Tensor

from harmonize.loss.tables import LossTables

# Letters of shapes: B pictures, K leaves, H x W pixels, P pixels of a chunk, D depths, S sets of
# several leaves, the last of all leaves.

CHUNK = {"cpu": 1 << 19, "cuda": 1 << 24}
"""Logits per chunk at most: on a CPU few enough for the cache, on a GPU enough to keep it busy."""
_TINY = 1e-30
"""Sums up to this, relative to the pixel's largest logit, are done again with a maximum of their
own."""


@dataclass(frozen=True)
class LossSums:
    """The loss of each picture, and its gradient.

    Attributes:
        total: the weighted loss, summed over the picture's pixels.
        by_depth: L_d summed over the pixels that resolve depth d; None unless asked for.
        gradient: of the sum of ``total`` with respect to the logits; None unless asked for.
    """

    total: Float[Tensor, " B"]
    by_depth: Float[Tensor, "B D"] | None
    gradient: Float[Tensor, "B K H W"] | None


def eager_sums(
    logits: Float[Tensor, "B K H W"],
    rows: Integer[Tensor, "B HW"],
    tables: LossTables,
    *,
    by_depth: bool,
    gradient: bool,
) -> LossSums:
    """Sum the loss over the pixels of each picture.

    Args:
        logits: one per leaf.
        rows: the row of each pixel's label in the tables.
        tables: on the logits' device.
        by_depth: whether to return the terms of each depth; they are summed in any case.
        gradient: whether to work out the gradient.
    """
    (batch, leaves), pixels = logits.shape[:2], rows.shape[1]
    slopes = empty_like(logits) if gradient else None
    total = torch.zeros(batch, dtype=torch.float64, device=logits.device)
    terms = torch.zeros(batch, tables.resolved.shape[1], dtype=torch.float64, device=logits.device)
    size = max(CHUNK.get(logits.device.type, CHUNK["cuda"]) // leaves, 1)
    for picture in range(batch):
        flat = logits[picture].flatten(1)
        slope = None if slopes is None else slopes[picture].flatten(1)
        for start in range(0, pixels, size):
            part = slice(start, start + size)
            out = None if slope is None else slope[:, part]
            row = rows[picture, part]
            its = _chunk_terms(flat[:, part], row, tables, out)
            total[picture] += (its * tables.weight[row]).sum(dtype=torch.float64)
            terms[picture] += its.sum(0, dtype=torch.float64)
    return LossSums(total, terms if by_depth else None, slopes)


def empty_like(logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
    """Return memory in which the pixels of a picture can be viewed as one row."""
    last = logits.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty(logits.shape, dtype=logits.dtype, device=logits.device, memory_format=layout)


def _chunk_terms(
    logits: Float[Tensor, "K P"],
    row: Integer[Tensor, " P"],
    tables: LossTables,
    slope: Float[Tensor, "K P"] | None,
) -> Float[Tensor, "P D"]:
    """Return the terms L_d of a chunk's pixels; write the gradient to ``slope``.

    With f the factors of the pixel's label, the gradient of a logit is its exponential times the
    sum of f / (sum over the set) over the sets that the leaf is in, less the weight of a label
    that is the leaf itself.
    """
    exact = torch.promote_types(logits.dtype, torch.float32)
    members, leaf, set_of = tables.members.to(exact), tables.leaf[row][None], tables.set_of[row]
    shifted = logits.to(exact) - logits.amax(0)
    log_leaf = shifted.gather(0, leaf)[0]
    exponentials = shifted.exp_()
    sums = exponentials.T @ members.T
    in_set = sums.gather(1, set_of.clamp(min=0))
    is_set = set_of >= 0
    rare = ((in_set <= _TINY) & is_set).any(1).nonzero()[:, 0]
    log_label = in_set.log().where(is_set, log_leaf[:, None])
    terms = (sums[:, -1:].log() - log_label).where(tables.resolved[row], 0)
    if slope is not None:
        shares = tables.factor.index_select(0, row) / sums.clamp(min=_TINY)
        gradient = exponentials.mul_((shares @ members).T)
        gradient.scatter_add_(0, leaf, -tables.leaf_weight[row][None].to(exact))
        slope.copy_(gradient)
    if len(rare):
        rare_terms, rare_slope = _exactly(logits[:, rare], row[rare], tables)
        terms[rare] = rare_terms.to(exact)
        if slope is not None:
            slope[:, rare] = rare_slope.to(slope.dtype)
    return terms


def _exactly(
    logits: Float[Tensor, "K P"], row: Integer[Tensor, " P"], tables: LossTables
) -> tuple[Float[Tensor, "P D"], Float[Tensor, "K P"]]:
    """Do a few pixels by the definition, in float64: it holds 1e4 to better than 1e-3.

    Returns the terms, and the gradient of their weighted sum.
    """
    with torch.enable_grad():
        exact = logits.detach().double().requires_grad_()
        terms = reference_terms(exact, row, tables)
        (gradient,) = torch.autograd.grad((terms * tables.weight[row]).sum(), exact)
    return terms.detach(), gradient


def reference_terms(
    logits: Float[Tensor, "K P"], row: Integer[Tensor, " P"], tables: LossTables
) -> Float[Tensor, "P D"]:
    """Return L_d of each pixel by the definition (equation 4); slow, and plain to read."""
    depths = torch.arange(1, tables.resolved.shape[1] + 1, device=row.device)
    inside = tables.agreement[row][:, None] >= depths[:, None]  # (P, D, K)
    label_logits = logits.T[:, None].masked_fill(~inside, -torch.inf)
    terms = logits.logsumexp(0)[:, None] - label_logits.logsumexp(2)
    return terms.where(tables.resolved[row], 0)
