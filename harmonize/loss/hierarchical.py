"""The hierarchical loss: each pixel is taught exactly as deep as its label knows.

For a label that means the leaves S, with S_d the union of the depth-d groups that meet S, the term
at a resolved depth d is L_d = -log p(S_d) = logsumexp(all logits) - logsumexp(logits in S_d)
(equations 2 and 4 of Muller & Smith, "A Hierarchical Loss for Semantic Segmentation", 2020).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NoReturn

import numpy as np
import torch
from jaxtyping import Float, Int, Int32, Integer
from torch import Tensor, nn

from harmonize.errors import HarmonizeError
from harmonize.labels.target_space import TargetSpace
from harmonize.loss import fused, native_loss
from harmonize.loss.eager import LossSums, eager_sums
from harmonize.loss.native_loss import native_sums
from harmonize.loss.tables import LossTables, loss_tables

# Letters of shapes: B pictures, K leaves, H x W pixels, D depths, N codes and one for ignore.

Sums = Callable[..., LossSums]
"""One form of the loss; its arguments are those of ``eager_sums``."""


@dataclass(frozen=True)
class LossTerms:
    """The loss of a batch as sums, so that batches, ranks and data sets can be added up.

    Attributes:
        loss: the sum of ``total``, times the scale that was asked for; carries the gradient.
        total: the weighted loss summed over the labelled pixels of each picture.
        by_depth: L_d summed over the pixels of each picture that resolve depth d.
        resolved: the number of those pixels.
        labelled: the number of labelled pixels of each picture.
    """

    loss: Float[Tensor, ""]
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
        compile: True for the form that is compiled for the device (by a C compiler for a CPU, by
            Triton for a GPU), False for PyTorch's operations, None for the former where possible.

    Raises:
        HarmonizeError: depth weights that do not fit, or ``compile`` without a C compiler.
    """

    def __init__(
        self,
        space: TargetSpace,
        *,
        terms: Literal["all", "finest"] = "all",
        weighting: Literal["sum", "mean"] = "sum",
        coarse: Literal["use", "ignore"] = "use",
        depth_weights: tuple[float, ...] | None = None,
        compile: bool | None = None,
    ) -> None:
        super().__init__()
        if compile and not torch.cuda.is_available():
            native_loss.load(space.ontology.depth, bfloat16=False)
        self._compile = compile
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
        mean = 1 / labelled.clamp(min=1)
        with torch.autocast(logits.device.type, enabled=False):
            return _Loss.apply(logits, rows, self._tables, mean, self._sums_of(logits), False)[0]

    def terms(
        self,
        logits: Float[Tensor, "B K H W"],
        codes: Integer[Tensor, "B H W"],
        *,
        scale: Float[Tensor, ""] | None = None,
    ) -> LossTerms:
        """Return the loss as sums; arguments and errors as for ``forward``.

        Args:
            logits, codes: as for ``forward``.
            scale: a factor of the loss, such as 1 / labelled pixels of a batch in several parts.
        """
        rows = self._rows(logits, codes)
        scale = torch.ones((), device=logits.device) if scale is None else scale
        with torch.autocast(logits.device.type, enabled=False):
            loss, total, by_depth = _Loss.apply(
                logits, rows, self._tables, scale, self._sums_of(logits), True
            )
        pixels = self._count_codes(rows)
        return LossTerms(
            loss=loss,
            total=total,
            by_depth=by_depth,
            resolved=(pixels[:, :, None] * self._tables.resolved).sum(1),
            labelled=(pixels * self._tables.labelled).sum(1),
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
            self._row_of = torch.full((self.ignore + 1,), -1, device=device, dtype=torch.int32)
            self._row_of[: self.num_codes] = torch.arange(self.num_codes)
            self._row_of[self.ignore] = self.num_codes

    def form(self, logits: Float[Tensor, "B K H W"]) -> Literal["Triton", "C", "PyTorch"]:
        """Say in which form the loss of these logits is computed."""
        if self._compile is not False:
            if fused.fits(logits):
                return "Triton"
            if native_loss.fits(logits) and (
                self._compile or native_loss.is_available(self._space.ontology.depth)
            ):
                return "C"
        return "PyTorch"

    def _sums_of(self, logits: Tensor) -> Sums:
        forms: dict[str, Sums] = {"Triton": _fused_sums, "C": native_sums, "PyTorch": eager_sums}
        return forms[self.form(logits)]

    def _rows(self, logits: Tensor, codes: Tensor) -> Int32[Tensor, "B HW"]:
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
        codes = codes.to(logits.device)
        known = (
            codes.int() if codes.dtype != torch.int64 else codes.clamp(-1, self.ignore + 1).int()
        )
        lowest, highest = known.aminmax() if known.numel() else (known.sum(), known.sum())
        if lowest < 0 or highest > self.ignore:
            self._refuse(codes)
        rows = self._row_of.index_select(0, known.flatten()).view(batch, height * width)
        if self.num_codes < self.ignore and (rows < 0).any():
            self._refuse(codes)
        return rows

    def _refuse(self, codes: Tensor) -> NoReturn:
        known = [*range(self.num_codes), self.ignore]
        wrong = np.setdiff1d(codes.numpy(force=True), known)[:5].tolist()
        raise HarmonizeError(
            f"codes must be in 0..{self.num_codes - 1} or {self.ignore} (ignore), got {wrong}"
        )

    def _count_codes(self, rows: Int32[Tensor, "B HW"]) -> Int[Tensor, "B N"]:
        size = self.num_codes + 1
        first = torch.arange(len(rows), device=rows.device, dtype=rows.dtype)[:, None] * size
        return torch.bincount((first + rows).flatten(), minlength=len(rows) * size).view(-1, size)


def _fused_sums(
    logits: Tensor, rows: Tensor, tables: LossTables, *, by_depth: bool, gradient: bool
) -> LossSums:
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


class _Loss(torch.autograd.Function):
    """The loss, whose gradient is worked out in the same pass; the sums of each picture beside it.

    The scale goes into the weights: multiplying the gradient later would take another pass.
    """

    @staticmethod
    def forward(
        ctx: Any,
        logits: Tensor,
        rows: Tensor,
        tables: LossTables,
        scale: Tensor,
        sums_of: Sums,
        by_depth: bool,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        scaled = tables.scaled(scale)
        sums = sums_of(logits, rows, scaled, by_depth=by_depth, gradient=ctx.needs_input_grad[0])
        ctx.gradient, ctx.tables, ctx.sums_of = sums.gradient, scaled, sums_of
        ctx.save_for_backward(logits, rows)
        exact = logits.dtype if logits.dtype == torch.float64 else torch.float32
        loss, total = sums.total.sum().to(exact), (sums.total / scale).to(exact)
        ctx.mark_non_differentiable(total)
        if sums.by_depth is not None:
            ctx.mark_non_differentiable(sums.by_depth)
        return loss, total, sums.by_depth

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, loss: Tensor, *_: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        # The only reference is given away, so that autograd need not copy the gradient; a second
        # pass back works it out anew.
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            logits, rows = ctx.saved_tensors
            gradient = ctx.sums_of(logits, rows, ctx.tables, by_depth=False, gradient=True).gradient
        if gradient.is_cuda or loss.item() != 1:  # on a GPU asking costs more
            gradient.mul_(loss)
        return gradient, None, None, None, None, None
