"""The hierarchical loss in plain PyTorch: chunks of pixels, one exponential per logit.

A chunk's logits are read once; the sums over all sets of leaves are one small matrix product of
their exponentials, and the gradient is the transposed product of the sets' shares. What a chunk
needs fits into a CPU's cache.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from harmonize.loss.tables import LossTables

# Letters of shapes: B pictures, K leaves, H x W pixels, P pixels of a chunk, D depths, N codes,
# U depths at which some label's set has several leaves, S such sets and the set of all leaves.

CHUNK = {"cpu": 1 << 18, "cuda": 1 << 24}
"""Logits per chunk: on a CPU few enough for the cache, on a GPU enough to keep it busy."""
_TINY = 1e-30
"""Sums below this, relative to the pixel's largest logit, are done again with a maximum of their
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
        by_depth: whether to sum the terms of each depth as well.
        gradient: whether to work out the gradient.
    """
    batch, leaves = logits.shape[:2]
    exact = logits.dtype if logits.dtype == torch.float64 else torch.float32
    chunks = _Chunks(tables, exact)
    depths = tables.resolved.shape[1]
    totals = torch.zeros(batch, dtype=torch.float64, device=logits.device)
    terms = torch.zeros(batch, depths, dtype=torch.float64, device=logits.device)
    slopes = _empty_like(logits) if gradient else None
    size = max(CHUNK.get(logits.device.type, CHUNK["cuda"]) // leaves, 1)
    for picture in range(batch):
        flat = logits[picture].flatten(1)
        out = None if slopes is None else slopes[picture].flatten(1)
        for start in range(0, rows.shape[1], size):
            part = slice(start, start + size)
            slope = None if out is None else out[:, part]
            total, by = chunks.add(flat[:, part], rows[picture, part], slope, by_depth=by_depth)
            totals[picture] += total
            if by is not None:
                terms[picture] += by
    return LossSums(totals, terms if by_depth else None, slopes)


def _empty_like(logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
    """Return memory in which the pixels of a picture can be viewed as one row."""
    last = logits.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty(logits.shape, dtype=logits.dtype, device=logits.device, memory_format=layout)


class _Chunks:
    """Works chunks off, with the tables in the precision of the sums."""

    def __init__(self, tables: LossTables, exact: torch.dtype) -> None:
        self._tables = tables
        self._members = tables.members.to(exact)
        self._set_weight = tables.set_weight.to(exact)
        self._leaf_weight = tables.leaf_weight.to(exact)
        self._weight = self._set_weight.sum(1) + self._leaf_weight
        self._is_leaf = tables.is_leaf.to(exact)
        self._exact = exact

    def add(
        self,
        logits: Float[Tensor, "K P"],
        row: Integer[Tensor, " P"],
        slope: Float[Tensor, "K P"] | None,
        *,
        by_depth: bool,
    ) -> tuple[Float[Tensor, ""], Float[Tensor, " D"] | None]:
        """Return a chunk's weighted loss and its terms by depth; write the gradient to ``slope``.

        The sum over S_d is looked up in those over all sets. The gradient of a logit is its
        exponential times the weights of the sets that it is in, each divided by the set's sum.
        """
        tables, pixels = self._tables, torch.arange(len(row), device=row.device)
        sets = tables.set_of.index_select(0, row).mul_(len(row)).add_(pixels[:, None])  # (P, U)
        leaf = tables.leaf.index_select(0, row)[None]
        set_weight = self._set_weight.index_select(0, row)
        leaf_weight = self._leaf_weight.index_select(0, row)
        weight = self._weight.index_select(0, row)
        shifted = torch.sub(logits, logits.amax(0).to(self._exact))
        log_leaf = shifted.gather(0, leaf)[0]
        exponentials = shifted.exp_()
        sums = self._members @ exponentials  # (S, P), the last over all leaves
        log_all = sums[-1].log()
        set_sums = sums.view(-1).take(sets)
        rare = _vanishing(set_sums)
        if rare is not None:  # no term and any slope for now
            set_sums[rare] = sums[-1, rare, None]
            log_leaf[rare] = log_all[rare]
        log_sets = set_sums.log()
        total = log_all.dot(weight) - log_leaf.dot(leaf_weight)
        total = total.double() - (log_sets * set_weight).sum(dtype=torch.float64)
        terms = self._by_depth(row, log_all, log_sets, log_leaf) if by_depth else None
        if slope is not None:
            shares = torch.zeros_like(sums)
            shares.view(-1).scatter_add_(
                0, sets.view(-1), set_weight.div_(set_sums).neg_().view(-1)
            )
            torch.div(weight, sums[-1], out=shares[-1])
            self._write_slope(slope, shares, exponentials, leaf, leaf_weight)
        if rare is not None:
            exact = self._exactly(logits[:, rare], row[rare])
            total += exact.total[0]
            if terms is not None and exact.by_depth is not None:
                terms += exact.by_depth[0]
            if slope is not None and exact.gradient is not None:
                slope[:, rare] = exact.gradient[0, :, 0].to(slope.dtype)
        return total, terms

    def _by_depth(
        self,
        row: Integer[Tensor, " P"],
        log_all: Float[Tensor, " P"],
        log_sets: Float[Tensor, "P U"],
        log_leaf: Float[Tensor, " P"],
    ) -> Float[Tensor, " D"]:
        """Sum the terms L_d = log_all - log S_d of each depth."""
        terms = ((log_all - log_leaf) @ self._is_leaf.index_select(0, row)).double()
        sets = log_all.sum(dtype=torch.float64) - log_sets.sum(0, dtype=torch.float64)
        return terms.index_add_(0, self._tables.depth_of, sets)

    def _write_slope(
        self,
        slope: Float[Tensor, "K P"],
        shares: Float[Tensor, "S P"],
        exponentials: Float[Tensor, "K P"],
        leaf: Int[Tensor, "1 P"],
        leaf_weight: Float[Tensor, " P"],
    ) -> None:
        """Turn the sets' shares into the gradient; a single leaf's own share is its weight."""
        if exponentials.stride(0) == 1:  # leaves lie side by side in memory
            pull = (shares.T @ self._members).T
        else:
            pull = self._members.T @ shares
        out = slope if slope.dtype == pull.dtype else pull  # half precisions are rounded once
        torch.mul(pull, exponentials, out=out)
        out.scatter_add_(0, leaf, leaf_weight.neg_()[None])
        if out is not slope:
            slope.copy_(out)

    def _exactly(self, logits: Float[Tensor, "K P"], row: Integer[Tensor, " P"]) -> "LossSums":
        """Do a few pixels by the definition, in float64: it holds 1e4 to better than 1e-3."""
        with torch.enable_grad():
            leaf_logits = logits.detach().double().requires_grad_()
            terms = reference_terms(leaf_logits, row, self._tables)
            total = (terms * self._tables.weight[row]).sum()
            (gradient,) = torch.autograd.grad(total, leaf_logits)
        return LossSums(
            total.detach()[None], terms.detach().sum(0)[None], gradient[None, :, None, :]
        )


def _vanishing(set_sums: Float[Tensor, "P U"]) -> Int[Tensor, " R"] | None:
    """Return the pixels with a set so far below the largest logit that float32 loses it."""
    if set_sums.numel() == 0 or bool(set_sums.amin() >= _TINY):
        return None
    return (set_sums < _TINY).any(1).nonzero()[:, 0]


def reference_terms(
    logits: Float[Tensor, "K P"], row: Integer[Tensor, " P"], tables: LossTables
) -> Float[Tensor, "P D"]:
    """Return L_d of each pixel by the definition (equation 4); slow, and plain to read."""
    depths = torch.arange(1, tables.resolved.shape[1] + 1, device=row.device)
    inside = tables.agreement[row][:, None] >= depths[:, None]  # (P, D, K)
    label_logits = logits.T[:, None].masked_fill(~inside, -torch.inf)
    terms = logits.logsumexp(0)[:, None] - label_logits.logsumexp(2)
    return terms.where(tables.resolved[row], 0)
