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
from jaxtyping import Float, Int, Integer
from torch import Tensor, nn

from harmonize.errors import HarmonizeError
from harmonize.loss import fused
from harmonize.loss.eager import LossSums, eager_sums
from harmonize.loss.tables import LossTables, loss_tables
from harmonize.targets import TargetSpace

# Letters of shapes: B pictures, K leaves, H x W pixels, D depths, N codes and one for ignore.


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
        self.num_codes = -1
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
        rows = self._rows(logits, codes)
        labelled = (self._count_codes(rows) * self._tables.labelled).sum()
        # The mean's divisor goes into the weights, which saves a pass over the gradient.
        tables = self._tables.scaled(1 / labelled.clamp(min=1))
        with torch.autocast(logits.device.type, enabled=False):
            total, _ = _WithGradient.apply(logits, rows, tables, False)
        return total.sum()

    def terms(self, logits: Float[Tensor, "B K H W"], codes: Integer[Tensor, "B H W"]) -> LossTerms:
        """Return the loss as sums; arguments and errors as for ``forward``."""
        rows = self._rows(logits, codes)
        tables = self._tables
        with torch.autocast(logits.device.type, enabled=False):
            total, by_depth = _WithGradient.apply(logits, rows, tables, True)
        pixels = self._count_codes(rows)
        return LossTerms(
            total=total,
            by_depth=by_depth,
            resolved=(pixels[:, :, None] * tables.resolved).sum(1),
            labelled=(pixels * tables.labelled).sum(1),
        )

    def count_labelled(self, codes: Integer[Tensor, "B H W"]) -> Int[Tensor, ""]:
        """Return the number of pixels that ``forward`` would take the mean over."""
        self._update(codes.device)
        return self._tables.labelled[self._row_of.take(codes.long())].sum()

    def _update(self, device: torch.device) -> None:
        """Have the tables on a device, with all codes that the space has given."""
        if self.num_codes != self._space.num_codes or self._row_of.device != device:
            self.num_codes = self._space.num_codes
            self._tables = self._make_tables().to(device)
            self._row_of = torch.full((self.ignore + 1,), -1, device=device)
            self._row_of[: self.num_codes] = torch.arange(self.num_codes, device=device)
            self._row_of[self.ignore] = self.num_codes

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
        rows = self._row_of.index_select(0, codes.clamp(0, self.ignore).view(-1)).view_as(codes)
        wrong = (rows < 0) | (codes < 0) | (codes > self.ignore)
        if wrong.any():
            found = np.unique(codes[wrong].numpy(force=True))[:5].tolist()
            raise HarmonizeError(
                f"codes must be in 0..{self.num_codes - 1} or {self.ignore} (ignore), got {found}"
            )
        return rows

    def _count_codes(self, rows: Int[Tensor, "B HW"]) -> Int[Tensor, "B N"]:
        size = self.num_codes + 1
        first = torch.arange(len(rows), device=rows.device)[:, None] * size
        return torch.bincount((first + rows).flatten(), minlength=len(rows) * size).view(-1, size)


def _sums(
    logits: Tensor, rows: Tensor, tables: LossTables, *, by_depth: bool, gradient: bool
) -> LossSums:
    """Sum the loss: in one fused kernel on a GPU that has one for these logits, else eagerly."""
    if not fused.fits(logits):
        return eager_sums(logits, rows, tables, by_depth=by_depth, gradient=gradient)
    terms, total, slope = fused.fused_loss(
        logits,
        rows,
        agreement=tables.agreement,
        resolved=tables.resolved.T,
        weight=tables.weight.T,
        want_gradient=gradient,
        want_by_depth=by_depth,
    )
    return LossSums(total, terms if by_depth else None, slope)


class _WithGradient(torch.autograd.Function):
    """The loss of each picture, whose gradient is worked out in the same pass."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, rows: Tensor, tables: LossTables, by_depth: bool
    ) -> tuple[Tensor, Tensor | None]:
        sums = eager_sums(logits, rows, tables, by_depth=by_depth, gradient=ctx.needs_input_grad[0])
        ctx.gradient, ctx.tables = sums.gradient, tables
        ctx.save_for_backward(logits, rows)
        if sums.by_depth is not None:
            ctx.mark_non_differentiable(sums.by_depth)
        exact = logits.dtype if logits.dtype == torch.float64 else torch.float32
        return sums.total.to(exact), sums.by_depth

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, total: Tensor, _: Tensor | None
    ) -> tuple[Tensor, None, None, None]:
        # The only reference is given away, so that autograd need not copy the gradient; a second
        # pass back works it out anew.
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            logits, rows = ctx.saved_tensors
            gradient = _sums(logits, rows, ctx.tables, by_depth=False, gradient=True).gradient
        assert gradient is not None
        if gradient.is_cuda or bool((total != 1).any()):  # on a GPU asking costs more
            gradient.mul_(total[:, None, None, None])
        return gradient, None, None, None
