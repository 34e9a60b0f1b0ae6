"""One pass over a batch of logits: the loss, its sums and its gradient, in one of several forms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

from harmonize.loss import fused
from harmonize.loss.eager import LossSums, eager_sums, pixel_losses
from harmonize.loss.native_loss import (
    native_pixel_losses,
    native_soft_confusion,
    native_sums,
)
from harmonize.loss.region import (
    RegionTables,
    add_region_gradient,
    region_slope,
    soft_confusion,
)
from harmonize.loss.tables import LossTables

# Letters of shapes: B pictures, K leaves, H x W pixels, N rows of the tables (one per code, and the
# last for ignore).

Sums = Callable[..., LossSums]
"""The log loss in one form; its arguments are those of ``eager_sums``."""


def keep_hardest(
    losses: Float[Tensor, "B HW"],
    rows: Int32[Tensor, "B HW"],
    labelled: Bool[Tensor, " N"],
    share: float,
) -> Int32[Tensor, "B HW"]:
    """Return the rows with that of ``ignore``, the last, for all but the hardest pixels.

    Of each picture the given share of the labelled pixels is kept, rounded up; of equal losses the
    first.
    """
    if not rows.numel():
        return rows
    counts = labelled.index_select(0, rows.flatten()).view(rows.shape)
    losses = losses.where(counts, -torch.inf)
    wanted = (counts.sum(1, keepdim=True) * share).ceil().long()
    # The least of those kept is the k-th from below; a picture without labels keeps nothing.
    from_below = losses.shape[1] + 1 - wanted[:, 0].clamp(min=1)
    least = torch.stack(
        [its.kthvalue(int(place)).values for its, place in zip(losses, from_below, strict=True)]
    )[:, None]
    harder, equal = losses > least, (losses == least) & counts
    kept = harder | (equal & (equal.cumsum(1) <= wanted - harder.sum(1, keepdim=True)))
    return rows.where(kept, len(labelled) - 1)


@dataclass(frozen=True)
class Form:
    """One form of the loss.

    Attributes:
        sums: the log loss of each picture, and its gradient.
        confusion: the soft confusion of each picture.
        pixel_losses: the log loss of each pixel.
        takes_region: whether ``sums`` adds the gradient of a region loss in the same pass.
    """

    sums: Sums
    confusion: Callable[[Tensor, Tensor, RegionTables], Tensor] = soft_confusion
    pixel_losses: Callable[[Tensor, Tensor, LossTables], Tensor] = pixel_losses
    takes_region: bool = False


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


FORMS = {
    "Triton": Form(_fused_sums),
    "C": Form(native_sums, native_soft_confusion, native_pixel_losses, takes_region=True),
    "PyTorch": Form(eager_sums),
}


@dataclass(frozen=True)
class LossJob:
    """What one pass over a batch needs besides the logits.

    Attributes:
        form: what computes it.
        rows: of each pixel in ``tables``.
        learned: the rows of the pixels that are learned from, if not all are; before data sets got
            rows of their own.
        tables: with the scale in their weights: multiplying the gradient later would take a pass.
        scale: of each picture's log loss, or of all of them.
        region: of the region loss, if there is one.
        region_rows: of each pixel in ``region``.
        pixels: of each row there.
        each: the factor of the region losses.
    """

    form: Form
    rows: Int32[Tensor, "B HW"]
    learned: Int32[Tensor, "B HW"] | None
    tables: LossTables
    scale: Tensor
    region: RegionTables | None
    region_rows: Int32[Tensor, "B HW"]
    pixels: Int[Tensor, "B N"] | None
    each: Float[Tensor, ""]

    def run(
        self, logits: Tensor, *, by_depth: bool, gradient: bool
    ) -> tuple[LossSums, Float[Tensor, " B"]]:
        """Return the sums of the log loss with the gradient of all, and the region losses."""
        if self.region is None or self.pixels is None:
            sums = self.form.sums(
                logits, self.rows, self.tables, by_depth=by_depth, gradient=gradient
            )
            return sums, torch.zeros(len(logits), device=logits.device)
        confusion = self.form.confusion(logits, self.region_rows, self.region)
        scale = self.each.expand(len(logits)).double()
        losses, slope = region_slope(confusion, self.pixels, self.region, scale)
        pull = (self.region_rows, slope) if self.form.takes_region else None
        sums = self.form.sums(
            logits,
            self.rows,
            self.tables,
            by_depth=by_depth,
            gradient=gradient,
            **({} if pull is None else {"region": pull}),
        )
        if sums.gradient is not None and pull is None:
            add_region_gradient(sums.gradient, logits, self.region_rows, slope)
        return sums, losses


class LossPass(torch.autograd.Function):
    """The loss and its gradient, worked out together; the sums of each picture beside it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, job: LossJob) -> tuple[Tensor, ...]:
        sums, region = job.run(logits, by_depth=True, gradient=ctx.needs_input_grad[0])
        ctx.gradient, ctx.job = sums.gradient, job
        ctx.save_for_backward(logits)
        exact = logits.dtype if logits.dtype == torch.float64 else torch.float32
        loss = (sums.total.sum() + (region * job.each).sum()).to(exact)
        total, region = (sums.total / job.scale).to(exact), region.to(exact)
        assert sums.by_depth is not None
        ctx.mark_non_differentiable(total, sums.by_depth, region)
        return loss, total, sums.by_depth, region

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, loss: Tensor, *_: Tensor | None
    ) -> tuple[Tensor | None, None]:
        # The only reference is given away, so that autograd need not copy the gradient; a second
        # pass back works it out anew.
        gradient, ctx.gradient = ctx.gradient, None
        if gradient is None:
            (logits,) = ctx.saved_tensors
            gradient = ctx.job.run(logits, by_depth=False, gradient=True)[0].gradient
        if gradient.is_cuda or loss.item() != 1:  # on a GPU asking costs more
            gradient.mul_(loss)
        return gradient, None
