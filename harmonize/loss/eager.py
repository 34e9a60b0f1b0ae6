"""The hierarchical loss in plain PyTorch: chunks of pixels, one exponential per logit.

A chunk's logits are read once; the sums over all sets of leaves are one small matrix product of
their exponentials, and the gradient is the transposed product of the sets' shares. What a chunk
needs fits into a CPU's cache, and each core works on chunks of its own: operations this small gain
nothing from being split over cores, and lose much where these are busy.
"""

import functools
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Integer
from torch import Tensor

from harmonize.loss.cores import each
from harmonize.loss.tables import LossTables

# Letters of shapes: B pictures, K leaves, H x W pixels, P pixels of a chunk, D depths, N codes and
# one for ignore, S sets of several leaves, the last of all leaves.

CHUNK = {"cpu": 1 << 20, "cuda": 1 << 24}
"""Logits per chunk at most: on a CPU few enough for the cache, on a GPU enough to keep it busy."""
_CHUNKS = 32
"""Chunks per batch at least, so that their memory is small beside the logits'."""
_FEWEST = 1 << 13
"""Pixels per chunk that are worth starting an operation for."""
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
    slopes = empty_like(logits) if gradient else None
    total = torch.zeros(batch, dtype=torch.float64, device=logits.device)
    terms = torch.zeros(batch, tables.resolved.shape[1], dtype=torch.float64, device=logits.device)
    most = CHUNK.get(logits.device.type, CHUNK["cuda"]) // leaves
    size = max(min(most, max(rows.numel() // _CHUNKS, _FEWEST)), 1)
    work = _Chunks(tables, exact, min(size, rows.shape[1]), by_depth=by_depth)

    def chunks() -> Iterator[tuple[int, Tensor, Tensor, Tensor | None]]:
        for picture in range(batch):
            flat = logits[picture].flatten(1)
            slope = None if slopes is None else slopes[picture].flatten(1)
            for start in range(0, rows.shape[1], size):
                part = slice(start, start + size)
                out = None if slope is None else slope[:, part]
                yield picture, flat[:, part], rows[picture, part], out

    pieces = list(chunks())
    on_cpu = logits.device.type == "cpu"
    added = each(work.add, pieces) if on_cpu else (work.add(*piece) for piece in pieces)
    for picture, chunk_total, chunk_terms in added:
        total[picture] += chunk_total
        if chunk_terms is not None:
            terms[picture] += chunk_terms
    return LossSums(total, terms if by_depth else None, slopes)


def empty_like(logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
    """Return memory in which the pixels of a picture can be viewed as one row."""
    last = logits.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty(logits.shape, dtype=logits.dtype, device=logits.device, memory_format=layout)


class _Chunks:
    """Works chunks off, with the tables in the precision of the sums."""

    def __init__(
        self, tables: LossTables, exact: torch.dtype, pixels: int, *, by_depth: bool
    ) -> None:
        """Prepare for chunks of at most so many pixels."""
        self._tables = tables
        self._memory = _Memory(tables, exact, pixels)
        self._exact = exact
        self._members = tables.members.to(exact)
        self._factor = tables.factor.to(exact)
        self._leaf_weight = tables.leaf_weight.to(exact)
        used = tables.factor < 0
        self._smallest = float(-tables.factor[used].max()) if bool(used.any()) else 0.0
        self._counts = _term_counts(tables) if by_depth else None

    def add(
        self,
        picture: int,
        logits: Float[Tensor, "K P"],
        row: Integer[Tensor, " P"],
        slope: Float[Tensor, "K P"] | None,
    ) -> tuple[int, Float[Tensor, ""], Float[Tensor, " D"] | None]:
        """Return a chunk's weighted loss and its terms by depth; write the gradient to ``slope``.

        With f the factors of the pixel's label, the loss is the sum over the sets of f log(sum over
        the set), less the leaf's own term. The gradient of a logit is its exponential times the
        sum of f / (sum over the set) over the sets that the leaf is in.
        """
        leaf = self._tables.leaf.index_select(0, row)[None]
        leaf_weight = self._leaf_weight.index_select(0, row)
        factor = self._memory.of_sets(0, len(row))
        torch.index_select(self._factor, 0, row, out=factor)
        shifted = self._memory.of_leaves(0, logits)
        torch.sub(logits, logits.amax(0).to(self._exact), out=shifted)
        log_leaf = shifted.gather(0, leaf)[0]
        exponentials = shifted.exp_()
        sums = self._memory.of_sets(1, len(row))
        torch.mm(exponentials.T, self._members.T, out=sums).clamp_(min=_TINY)
        shares = torch.div(factor, sums, out=self._memory.of_sets(2, len(row)))
        rare = self._vanishing(shares)
        logs = sums.log_()
        if rare is not None:
            for part in (factor, shares, logs, leaf_weight, log_leaf):
                part[rare] = 0
        total = factor.view(-1).dot(logs.view(-1)).double() - leaf_weight.dot(log_leaf)
        terms = None
        if self._counts is not None:
            terms = self._by_depth(self._counts, row, logs, log_leaf)
        if slope is not None:
            self._write_slope(slope, shares, exponentials, leaf, leaf_weight)
        if rare is not None:
            exact = self._exactly(logits[:, rare], row[rare])
            total += exact.total[0]
            if terms is not None and exact.by_depth is not None:
                terms += exact.by_depth[0]
            if slope is not None and exact.gradient is not None:
                slope[:, rare] = exact.gradient[0, :, 0].to(slope.dtype)
        return picture, total, terms

    def _vanishing(self, shares: Float[Tensor, "P S"]) -> Int[Tensor, " R"] | None:
        """Return the pixels with a set so far below the largest logit that its sum is lost."""
        limit = -self._smallest / (2 * _TINY)
        if not self._smallest or not shares.numel() or bool(shares.amin() > limit):
            return None
        return (shares <= limit).any(1).nonzero()[:, 0]

    def _by_depth(
        self,
        counts: Float[Tensor, "NS1 D"],
        row: Integer[Tensor, " P"],
        logs: Float[Tensor, "P S"],
        log_leaf: Float[Tensor, " P"],
    ) -> Float[Tensor, " D"]:
        """Sum the terms of each depth: add up the logarithms of each code, then pick the sets'."""
        sums = logs.new_zeros(len(self._factor), logs.shape[1] + 1)
        sums[:, :-1].index_add_(0, row, logs)
        sums[:, -1].index_add_(0, row, log_leaf)
        return sums.double().view(-1) @ counts

    def _write_slope(
        self,
        slope: Float[Tensor, "K P"],
        shares: Float[Tensor, "P S"],
        exponentials: Float[Tensor, "K P"],
        leaf: Int[Tensor, "1 P"],
        leaf_weight: Float[Tensor, " P"],
    ) -> None:
        """Turn the sets' shares into the gradient; a single leaf's own share is its weight."""
        pull = self._memory.of_leaves(1, exponentials)
        torch.mm(shares, self._members, out=pull.T)
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


class _Memory(threading.local):
    """Memory for chunks, each thread its own: asking for it anew takes longer than the sums."""

    def __init__(self, tables: LossTables, exact: torch.dtype, pixels: int) -> None:
        sets, leaves = tables.members.shape
        new = functools.partial(torch.empty, dtype=exact, device=tables.members.device)
        self._of_leaves = new(2, pixels * leaves)
        self._of_sets = new(3, pixels * sets)
        self._sets, self._leaves = sets, leaves

    def of_leaves(self, number: int, like: Float[Tensor, "K P"]) -> Float[Tensor, "K P"]:
        """Return memory that lies as the logits do: pixel beside pixel, or leaf beside leaf."""
        flat = self._of_leaves[number, : like.numel()]
        if like.stride(0) == 1:
            return flat.view(like.shape[1], self._leaves).T
        return flat.view(like.shape)

    def of_sets(self, number: int, pixels: int) -> Float[Tensor, "P S"]:
        """Return memory for one number per pixel and set."""
        return self._of_sets[number, : pixels * self._sets].view(pixels, self._sets)


def _term_counts(tables: LossTables) -> Float[Tensor, "NS1 D"]:
    """Return how often the logarithm of a code's set, or of its leaf, is in the term of a depth.

    L_d = log(sum over all leaves) - log(sum over S_d), so once for all leaves and minus once for
    S_d, wherever d is resolved.
    """
    codes, depths = tables.resolved.shape
    sets = len(tables.members)
    counts = torch.zeros(codes, sets + 1, depths, dtype=torch.float64, device=tables.weight.device)
    counts[:, sets - 1] += tables.resolved
    is_set = (tables.set_of >= 0).double()
    counts.scatter_add_(1, tables.set_of.clamp(min=0)[:, None], -is_set[:, None])
    counts[:, sets] -= tables.is_leaf.double()
    return counts.view(-1, depths)


def reference_terms(
    logits: Float[Tensor, "K P"], row: Integer[Tensor, " P"], tables: LossTables
) -> Float[Tensor, "P D"]:
    """Return L_d of each pixel by the definition (equation 4); slow, and plain to read."""
    depths = torch.arange(1, tables.resolved.shape[1] + 1, device=row.device)
    inside = tables.agreement[row][:, None] >= depths[:, None]  # (P, D, K)
    label_logits = logits.T[:, None].masked_fill(~inside, -torch.inf)
    terms = logits.logsumexp(0)[:, None] - label_logits.logsumexp(2)
    return terms.where(tables.resolved[row], 0)
