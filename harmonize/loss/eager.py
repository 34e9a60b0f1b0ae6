"""The hierarchical loss in plain PyTorch: the reference of the compiled forms, and their stand-in.

A chunk's logits are read once; the sums over all sets of leaves are one small matrix product of
their exponentials, and the gradient is the transposed product of the sets' shares.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Integer
from torch import Tensor

from harmonize.loss.tables import LossTables

# Letters of shapes: B pictures, K leaves, H x W pixels, P pixels of a chunk, D depths, S sets of
# several leaves, the last of all leaves, G groups that are siblings of labels.

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
            its_loss, its_terms = _chunk_terms(flat[:, part], row, tables, out)
            total[picture] += its_loss.sum(dtype=torch.float64)
            terms[picture] += its_terms.sum(0, dtype=torch.float64)
    return LossSums(total, terms if by_depth else None, slopes)


def pixel_losses(
    logits: Float[Tensor, "B K H W"], rows: Integer[Tensor, "B HW"], tables: LossTables
) -> Float[Tensor, "B HW"]:
    """Return the weighted loss of each pixel."""
    size = max(CHUNK.get(logits.device.type, CHUNK["cuda"]) // logits.shape[1], 1)
    losses = [
        _chunk_terms(flat[:, start : start + size], row[start : start + size], tables, None)[0]
        for flat, row in zip(logits.flatten(2), rows, strict=True)
        for start in range(0, max(len(row), 1), size)
    ]
    return torch.cat(losses).view(rows.shape) if losses else torch.zeros(rows.shape)


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
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P D"]]:
    """Return the weighted loss and the terms L_d of a chunk's pixels; write the gradient.

    The gradient of a logit is its exponential times the sum of f / (sum over the set) over the sets
    that the leaf is in, less the weight of a label that is the leaf itself. Of a set, f is minus
    the derivative of the pixel's loss by the logarithm of the set's sum.
    """
    exact = torch.promote_types(logits.dtype, torch.float32)
    members, leaf, set_of = tables.members.to(exact), tables.leaf[row][None], tables.set_of[row]
    shifted = logits.to(exact) - logits.amax(0)
    log_leaf = shifted.gather(0, leaf)[0]
    exponentials = shifted.exp_()
    sums = exponentials.T @ members.T
    in_set = sums.gather(1, set_of.clamp(min=0))
    is_set = set_of >= 0
    lost = ((in_set <= _TINY) & is_set).any(1)
    log_label = in_set.log().where(is_set, log_leaf[:, None])
    log_all = sums[:, -1:].log()
    terms = (log_all - log_label).where(tables.resolved[row], 0)
    weight = tables.weight.index_select(0, row).to(exact)
    loss, pull = _emphasised(terms, weight, tables)
    spread = None
    if tables.smoothing:
        spread = _Spread.of(exponentials, row, tables)
        lost |= spread.lost
        loss = loss + (spread.weight * log_all[:, 0] - spread.pulled)
    rare = lost.nonzero()[:, 0]
    if slope is not None:
        shares = _factors(pull, row, tables) / sums.clamp(min=_TINY)
        by = shares @ members
        if spread is not None:
            by += spread.weight[:, None] / sums[:, -1:] - spread.shares
        gradient = exponentials.mul_(by.T)
        leaf_weight = tables.leaf_weight[row].to(exact)
        if pull is not None:
            leaf_weight = pull.where(~is_set, 0).sum(1)
        gradient.scatter_add_(0, leaf, -leaf_weight[None])
        slope.copy_(gradient)
    if len(rare):
        its_loss, its_terms, its_slope = _exactly(logits[:, rare], row[rare], tables)
        loss[rare], terms[rare] = its_loss.to(exact), its_terms.to(exact)
        if slope is not None:
            slope[:, rare] = its_slope.to(slope.dtype)
    return loss, terms


def _emphasised(
    terms: Float[Tensor, "P D"], weight: Float[Tensor, "P D"], tables: LossTables
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P D"] | None]:
    """Return the weighted sum of (1 - p) ** focal L_d, and its derivative by each L_d.

    The derivative is None where it is the weight alone.
    """
    if not tables.focal and not tables.smoothing:
        return (terms * weight).sum(1), None
    weight = (1 - tables.smoothing) * weight
    if not tables.focal:
        return (terms * weight).sum(1), weight
    other = -torch.expm1(-terms)  # 1 - p
    factor = other**tables.focal
    slope = factor + tables.focal * terms * (1 - other) * other.clamp(min=_TINY) ** (
        tables.focal - 1
    )
    return (terms * factor * weight).sum(1), slope * weight


def _factors(
    pull: Float[Tensor, "P D"] | None, row: Integer[Tensor, " P"], tables: LossTables
) -> Float[Tensor, "P S"]:
    """Return what each set's sum pulls with: from the tables, or where each pixel has its own."""
    if pull is None:
        return tables.factor.index_select(0, row)
    set_of = tables.set_of[row]
    factor = pull.new_zeros(len(row), len(tables.members))
    factor.scatter_add_(1, set_of.clamp(min=0), -pull.where(set_of >= 0, 0))
    factor[:, -1] = pull.sum(1)
    return factor


@dataclass(frozen=True)
class _Spread:
    """The part of a chunk's loss that label smoothing spreads over siblings.

    Attributes:
        weight: of that part, over all depths.
        pulled: the weighted logarithms of the siblings' sums.
        shares: what each leaf's exponential is pulled up with.
        lost: whether a sum has lost its precision.
    """

    weight: Float[Tensor, " P"]
    pulled: Float[Tensor, " P"]
    shares: Float[Tensor, "P K"]
    lost: Bool[Tensor, " P"]

    @classmethod
    def of(
        cls,
        exponentials: Float[Tensor, "K P"],
        row: Integer[Tensor, " P"],
        tables: LossTables,
    ) -> "_Spread":
        groups = tables.groups.to(exponentials)
        sums = exponentials.T @ groups.T
        by_group = tables.spread.index_select(0, row).to(sums)
        asked = by_group > 0
        pulled = (by_group * sums.clamp(min=_TINY).log()).sum(1)
        shares = (by_group / sums.clamp(min=_TINY)) @ groups
        return cls(by_group.sum(1), pulled, shares, ((sums <= _TINY) & asked).any(1))


def _exactly(
    logits: Float[Tensor, "K P"], row: Integer[Tensor, " P"], tables: LossTables
) -> tuple[Float[Tensor, " P"], Float[Tensor, "P D"], Float[Tensor, "K P"]]:
    """Do a few pixels by the definition, in float64: it holds 1e4 to better than 1e-3.

    Returns the weighted loss, the terms, and the gradient of the sum of the losses.
    """
    with torch.enable_grad():
        exact = logits.detach().double().requires_grad_()
        terms = reference_terms(exact, row, tables)
        loss = reference_loss(exact, row, tables)
        (gradient,) = torch.autograd.grad(loss.sum(), exact)
    return loss.detach(), terms.detach(), gradient


def reference_terms(
    logits: Float[Tensor, "K P"], row: Integer[Tensor, " P"], tables: LossTables
) -> Float[Tensor, "P D"]:
    """Return L_d of each pixel by the definition (equation 4); slow, and plain to read."""
    depths = torch.arange(1, tables.resolved.shape[1] + 1, device=row.device)
    inside = tables.agreement[row][:, None] >= depths[:, None]  # (P, D, K)
    label_logits = logits.T[:, None].masked_fill(~inside, -torch.inf)
    terms = logits.logsumexp(0)[:, None] - label_logits.logsumexp(2)
    return terms.where(tables.resolved[row], 0)


def reference_loss(
    logits: Float[Tensor, "K P"], row: Integer[Tensor, " P"], tables: LossTables
) -> Float[Tensor, " P"]:
    """Return the weighted loss of each pixel by the definition; see ``LossTables``."""
    terms = reference_terms(logits, row, tables)
    own = terms * (-torch.expm1(-terms)).clamp(min=_TINY) ** tables.focal if tables.focal else terms
    if tables.smoothing:
        in_group = logits.T[:, None].masked_fill(~tables.groups, -torch.inf).logsumexp(2)  # (P, G)
        costs = logits.logsumexp(0)[:, None] - in_group
        spread = (tables.siblings[row].to(costs) * costs[:, None]).sum(2)
        own = (1 - tables.smoothing) * own + tables.smoothing * spread
    return (own * tables.weight[row]).sum(1)
