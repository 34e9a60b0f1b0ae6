"""One pass over a batch of logits: the loss, its sums and its gradient, in one of several forms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Int32
from torch import Tensor

from harmonize.loss import fused
from harmonize.loss.eager import LossSums, eager_sums, pixel_losses
from harmonize.loss.native_loss import native_sums
from harmonize.loss.native_pictures import native_picture_sums
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
class LossForm:
    """One form of the loss.

    Attributes:
        sums: the log loss of each picture, and its gradient.
        picture_sums: the same of the hardest pixels, and with a region loss; where it is None,
            PyTorch's operations choose the pixels before the log loss, and add the region loss.
    """

    sums: Sums
    picture_sums: Callable[..., tuple[LossSums, Tensor | None, Tensor]] | None = None


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
    "Triton": LossForm(_fused_sums),
    "C": LossForm(native_sums, native_picture_sums),
    "PyTorch": LossForm(eager_sums),
}


@dataclass(frozen=True)
class LossJob:
    """What one pass over a batch needs besides the logits.

    Attributes:
        form: what computes it.
        codes: of each pixel: its row in ``tables``, where data sets and weights of pixels have no
            rows of their own.
        kinds: the number of the rows of each pixel's own data set and weight; or None.
        tables: of the log loss, not scaled; the rows of each kind after those of another.
        row_scale: of each row of the tables, or of all.
        scale: of each picture's log loss, or of all of them.
        labelled: whether a pixel of a code counts.
        hardest: the share of each picture's labelled pixels that are learned from.
        region: of the region loss, if there is one.
        each: the factor of the region losses.
    """

    form: LossForm
    codes: Int32[Tensor, "B HW"]
    kinds: Int32[Tensor, "B #HW"] | None
    tables: LossTables
    row_scale: Tensor
    scale: Tensor
    labelled: Bool[Tensor, " N"]
    hardest: float
    region: RegionTables | None
    each: Float[Tensor, ""]

    def run(
        self, logits: Tensor, *, by_depth: bool, gradient: bool
    ) -> tuple[LossSums, Int32[Tensor, "B HW"], Float[Tensor, " B"]]:
        """Return the sums of the log loss with the gradient of all, what they are of, and regions.

        The second are the codes of the pixels that are learned from, with ``ignore`` for others;
        the third the region losses.
        """
        if self.form.picture_sums is not None and (self.hardest < 1 or self.region):
            scale = self.row_scale.expand(len(self.tables.weight))
            sums, learned, region = self.form.picture_sums(
                logits,
                self.codes,
                self._rows(self.codes),
                self.tables,
                scale=scale,
                labelled=self.labelled,
                hardest=self.hardest,
                region=self.region,
                each_region=self.each.item(),
                gradient=gradient,
            )
            return sums, self.codes if learned is None else learned, region
        learned = self.codes
        if self.hardest < 1:
            losses = pixel_losses(logits.detach(), self.codes, self.tables)
            learned = keep_hardest(losses, self.codes, self.labelled, self.hardest)
        sums = self.form.sums(
            logits,
            self._rows(learned),
            self.tables.scaled(self.row_scale),
            by_depth=by_depth,
            gradient=gradient,
        )
        region = torch.zeros(len(logits), device=logits.device)
        if self.region is not None:
            region = self._add_region(self.region, logits, sums.gradient)
        return sums, learned, region

    def _rows(self, codes: Int32[Tensor, "B HW"]) -> Int32[Tensor, "B HW"]:
        return codes if self.kinds is None else codes + self.kinds * len(self.labelled)

    def _add_region(
        self, tables: RegionTables, logits: Tensor, gradient: Tensor | None
    ) -> Float[Tensor, " B"]:
        """Return the region losses; add their gradient to that of the log loss."""
        confusion = soft_confusion(logits, self.codes, tables)
        pixels = count_codes(self.codes, len(self.labelled))
        scale = self.each.expand(len(logits)).double()
        losses, slope = region_slope(confusion, pixels, tables, scale)
        if gradient is not None:
            add_region_gradient(gradient, logits, self.codes, slope)
        return losses


def count_codes(codes: Int32[Tensor, "B HW"], number: int) -> Int[Tensor, "B N"]:
    """Count each picture's pixels of each code below a number."""
    first = torch.arange(len(codes), device=codes.device, dtype=codes.dtype)[:, None] * number
    return torch.bincount((first + codes).flatten(), minlength=len(codes) * number).view(-1, number)


class LossPass(torch.autograd.Function):
    """The loss and its gradient, worked out together; the sums of each picture beside it."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, job: LossJob) -> tuple[Tensor, ...]:
        gradient = ctx.needs_input_grad[0]
        sums, learned, region = job.run(logits, by_depth=True, gradient=gradient)
        ctx.gradient, ctx.job = sums.gradient, job
        ctx.save_for_backward(logits)
        exact = logits.dtype if logits.dtype == torch.float64 else torch.float32
        loss = (sums.total.sum() + (region * job.each).sum()).to(exact)
        total, region = (sums.total / job.scale).to(exact), region.to(exact)
        assert sums.by_depth is not None
        ctx.mark_non_differentiable(total, sums.by_depth, region, learned)
        return loss, total, sums.by_depth, region, learned

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
