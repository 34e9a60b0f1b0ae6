"""The hierarchical loss: each pixel is taught exactly as deep as its label knows.

For a label that means the leaves S, with S_d the union of the depth-d groups that meet S, the term
at a resolved depth d is L_d = -log p(S_d) = logsumexp(all logits) - logsumexp(logits in S_d)
(equations 2 and 4 of Muller & Smith, "A Hierarchical Loss for Semantic Segmentation", 2020).
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor, nn

from harmonize.errors import HarmonizeError
from harmonize.loss.tables import loss_tables
from harmonize.targets import TargetSpace

# Letters of shapes: B pictures, K leaves, H x W pixels, P pixels in a row, D depths, S sets.

_CHUNK = {"cpu": 1 << 18, "cuda": 1 << 24}
"""Logits per chunk: on a CPU few enough for the cache, on a GPU enough to keep it busy."""
_TINY = 1e-30
"""Group sums below this, relative to the pixel's largest logit, are done again with a maximum of
their own."""


@dataclass(frozen=True)
class LossTerms:
    """The loss of a batch as sums, so that batches, ranks and data sets can be added up.

    Attributes:
        total: the weighted loss summed over the labelled pixels of each picture; carries the
            gradient.
        by_depth: L_d summed over the pixels of each picture that resolve depth d; no gradient.
        resolved: the number of those pixels.
        labelled: the number of labelled pixels of each picture.
    """

    total: Float[Tensor, " B"]
    by_depth: Float[Tensor, "B D"]
    resolved: Int[Tensor, "B D"]
    labelled: Int[Tensor, " B"]


class HierarchicalLoss(nn.Module):
    """Hierarchical loss of leaf logits against codes of a target space.

    Args:
        space: the target space; the loss follows it when it gives out further codes.
        terms: ``all`` resolved depths, or only the ``finest`` one: cross-entropy for leaf labels,
            -log p(S) for coarse ones.
        weighting: ``sum`` of a pixel's terms, or their ``mean``.
        coarse: ``use`` labels of several leaves, or ``ignore`` them as if unlabelled.
        depth_weights: weight of the term at depth 1, ..., D; all 1 unless given.
    """

    members: Tensor
    set_of: Tensor
    weight: Tensor
    resolved: Tensor
    labelled: Tensor

    def __init__(
        self,
        space: TargetSpace,
        *,
        terms: Literal["all", "finest"] = "all",
        weighting: Literal["sum", "mean"] = "sum",
        coarse: Literal["use", "ignore"] = "use",
        depth_weights: tuple[float, ...] | None = None,
    ) -> None:
        super().__init__()
        self.num_leaves = len(space.ontology.leaves)
        self.num_codes = 0
        self.ignore = space.ignore
        self._space = space
        self._make_tables = partial(
            loss_tables,
            space,
            terms=terms,
            weighting=weighting,
            coarse=coarse,
            depth_weights=depth_weights,
        )
        self._update(torch.device("cpu"))

    def forward(
        self, logits: Float[Tensor, "B K H W"], codes: Integer[Tensor, "B H W"]
    ) -> Float[Tensor, ""]:
        """Return the mean loss over the labelled pixels; 0 with zero gradient if there is none.

        Args:
            logits: one per leaf, any finite values; half precisions are computed in float32.
            codes: of the target space, or its ``ignore``.

        Raises:
            HarmonizeError: shapes that do not fit, or codes out of range.
        """
        terms = self.terms(logits, codes)
        return terms.total.sum() / terms.labelled.sum().clamp(min=1)

    def terms(self, logits: Float[Tensor, "B K H W"], codes: Integer[Tensor, "B H W"]) -> LossTerms:
        """Return the loss as sums; arguments and errors as for ``forward``."""
        rows = self._rows(logits, codes)
        with torch.autocast(logits.device.type, enabled=False):
            total, by_depth = _HierarchicalLoss.apply(
                logits, rows, self.members, self.set_of, self.weight
            )
        pixels = self._count_codes(rows)
        return LossTerms(
            total=total,
            by_depth=by_depth,
            resolved=(pixels[:, None] * self.resolved).sum(2),
            labelled=(pixels * self.labelled).sum(1),
        )

    def count_labelled(self, codes: Integer[Tensor, "B H W"]) -> Int[Tensor, ""]:
        """Return the number of pixels that ``forward`` would take the mean over."""
        self._update(codes.device)
        rows = torch.where(codes == self.ignore, self.num_codes, codes.long())
        return self.labelled[rows].sum()

    def _update(self, device: torch.device) -> None:
        """Have the tables on a device, with all codes that the space has given."""
        if self.num_codes != self._space.num_codes:
            self.num_codes = self._space.num_codes
            for name, table in vars(self._make_tables()).items():
                self.register_buffer(name, table.contiguous(), persistent=False)
        if self.weight.device != device:
            self.to(device)

    def _rows(self, logits: Tensor, codes: Tensor) -> Int[Tensor, "B HW"]:
        """Check the arguments; return each pixel's row in the tables."""
        batch, leaves, height, width = logits.shape
        if leaves != self.num_leaves:
            raise HarmonizeError(
                f"the loss needs {self.num_leaves} logits per pixel, one for each leaf, got "
                f"{leaves}; build the network with num_leaves={self.num_leaves}"
            )
        if codes.shape != (batch, height, width):
            raise HarmonizeError(
                f"codes must have the shape {(batch, height, width)} of the logits' pixels, "
                f"got {tuple(codes.shape)}"
            )
        self._update(logits.device)
        codes = codes.to(logits.device, torch.long).flatten(1)
        ignored = codes == self.ignore
        wrong = ((codes < 0) | (codes >= self.num_codes)) & ~ignored
        if wrong.any():
            found = np.unique(codes[wrong].numpy(force=True))[:5].tolist()
            raise HarmonizeError(
                f"codes must be in 0..{self.num_codes - 1} or {self.ignore} (ignore), got {found}"
            )
        return torch.where(ignored, self.num_codes, codes)

    def _count_codes(self, rows: Int[Tensor, "B HW"]) -> Int[Tensor, "B N"]:
        size = self.num_codes + 1
        first = torch.arange(len(rows), device=rows.device)[:, None] * size
        return torch.bincount((first + rows).flatten(), minlength=len(rows) * size).view(-1, size)


class _HierarchicalLoss(torch.autograd.Function):
    """Loss and gradient in one pass over chunks of pixels, with one exponential per logit."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, rows: Tensor, members: Tensor, set_of: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor]:
        batch, leaves = logits.shape[:2]
        depths, pixels = len(set_of), rows.shape[1]
        exact = logits.dtype if logits.dtype == torch.float64 else torch.float32
        unions = members[: -leaves - 1].to(exact)
        weight = weight.to(exact)
        by_depth = torch.zeros(batch, depths, dtype=torch.float64, device=logits.device)
        total = torch.zeros(batch, dtype=torch.float64, device=logits.device)
        gradient = _empty_like(logits) if ctx.needs_input_grad[0] else None
        size = max(_CHUNK.get(logits.device.type, _CHUNK["cuda"]) // leaves, 1)
        for picture in range(batch):
            flat = logits[picture].flatten(1)
            for start in range(0, pixels, size):
                part = slice(start, start + size)
                row = rows[picture, part]
                terms, chunk_gradient = _chunk(
                    flat[:, part].to(exact), set_of[:, row], weight[:, row], unions, members
                )
                by_depth[picture] += terms.sum(1, dtype=torch.float64)
                total[picture] += (terms * weight[:, row]).sum(dtype=torch.float64)
                if gradient is not None:
                    gradient[picture].view(leaves, -1)[:, part] = chunk_gradient
        ctx.gradient = gradient
        ctx.mark_non_differentiable(by_depth)
        return total.to(exact), by_depth

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, total: Tensor, _: Tensor
    ) -> tuple[Tensor | None, None, None, None, None]:
        return ctx.gradient * total[:, None, None, None], None, None, None, None


def _empty_like(logits: Float[Tensor, "B K H W"]) -> Float[Tensor, "B K H W"]:
    """Return memory in which the pixels of a picture can be viewed as one row."""
    last = logits.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty(logits.shape, dtype=logits.dtype, device=logits.device, memory_format=layout)


def _chunk(
    logits: Float[Tensor, "K P"],
    sets: Int[Tensor, "D P"],
    weight: Float[Tensor, "D P"],
    unions: Float[Tensor, "R K"],
    members: Bool[Tensor, "S K"],
) -> tuple[Float[Tensor, "D P"], Float[Tensor, "K P"]]:
    """Return the terms L_d of a chunk of pixels and the gradient of their weighted sum."""
    pixels = logits.shape[1]
    sums = logits.new_empty(len(members), pixels)
    exponentials = sums[len(unions) : -1]
    torch.sub(logits, logits.amax(0), out=exponentials).exp_()
    torch.mm(unions, exponentials, out=sums[: len(unions)])
    torch.sum(exponentials, 0, out=sums[-1])
    label_sums = sums.gather(0, sets)
    terms = sums[-1].log() - label_sums.log()
    # d/dx of -log(sum over S_d) is -x's share of the sum, for the leaves in S_d alone.
    share = torch.zeros_like(sums).scatter_add_(0, sets, weight / label_sums)
    pull = weight.sum(0) / sums[-1] - share[len(unions) : -1]
    gradient = torch.addmm(pull, unions.T, share[: len(unions)], alpha=-1).mul_(exponentials)
    underflow = (label_sums < _TINY).any(0)
    if underflow.any():
        rare = underflow.nonzero()[:, 0]
        terms[:, rare], gradient[:, rare] = _exact_chunk(
            logits[:, rare], sets[:, rare], weight[:, rare], members
        )
    return terms, gradient


def _exact_chunk(
    logits: Float[Tensor, "K P"],
    sets: Int[Tensor, "D P"],
    weight: Float[Tensor, "D P"],
    members: Bool[Tensor, "S K"],
) -> tuple[Float[Tensor, "D P"], Float[Tensor, "K P"]]:
    """Do as ``_chunk``, each logsumexp with a maximum of its own, for any finite logits.

    In float64, since float32 holds a logsumexp of 1e4 to no better than 1e-3.
    """
    with torch.enable_grad():
        leaf_logits = logits.detach().double().requires_grad_()
        terms = reference_terms(leaf_logits, sets, members)
        (gradient,) = torch.autograd.grad((terms * weight).sum(), leaf_logits)
    return terms.detach().to(logits.dtype), gradient.to(logits.dtype)


def reference_terms(
    logits: Float[Tensor, "K P"], sets: Int[Tensor, "D P"], members: Bool[Tensor, "S K"]
) -> Float[Tensor, "D P"]:
    """Return L_d of each pixel by the definition (equation 4); slow, and plain to read."""
    inside = members[sets]  # (D, P, K)
    label_logits = logits.T.masked_fill(~inside, -torch.inf)
    return logits.logsumexp(0) - label_logits.logsumexp(2)
