"""The hierarchical loss: each pixel is taught exactly as deep as its label knows.

For a label that means the leaves S, with S_d the union of the depth-d groups that meet S, the term
at a resolved depth d is L_d = -log p(S_d) = logsumexp(all logits) - logsumexp(logits in S_d)
(equations 2 and 4 of Muller & Smith, "A Hierarchical Loss for Semantic Segmentation", 2020).
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Literal, NoReturn

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int32, Integer, UInt8
from torch import Tensor, nn

from harmonize.errors import HarmonizeError
from harmonize.labels.target_space import WEIGHT_LEVELS, TargetSpace
from harmonize.loss import fused, native_loss
from harmonize.loss.one_pass import FORMS, LossJob, LossPass, count_codes
from harmonize.loss.reading_codes import read_codes
from harmonize.loss.region import region_tables
from harmonize.loss.tables import LossTables, loss_tables

# Letters of shapes: B pictures, K leaves, H x W pixels, D depths, N codes and one for ignore.


@dataclass(frozen=True)
class LossTerms:
    """The loss of a batch as sums, so that batches, ranks and data sets can be added up.

    Attributes:
        loss: the sum of ``total``, times the scale that was asked for; carries the gradient.
        total: the weighted loss summed over the labelled pixels of each picture.
        by_depth: L_d summed over the pixels of each picture that resolve depth d.
        resolved: the number of those pixels.
        labelled: the number of labelled pixels of each picture.
        region: the region loss of each picture, not weighted by ``dice``; zeros without one.
    """

    loss: Float[Tensor, ""]
    total: Float[Tensor, " B"]
    by_depth: Float[Tensor, "B D"]
    resolved: Int[Tensor, "B D"]
    labelled: Int[Tensor, " B"]
    region: Float[Tensor, " B"]


class HierarchicalLoss(nn.Module):
    """Hierarchical loss of leaf logits against codes of a target space.

    Args:
        space: the target space; the loss follows it when it gives out further codes.
        terms: ``all`` resolved depths, or only the ``finest`` one: cross-entropy for leaf labels,
            -log p(S) for coarse ones.
        weighting: ``sum`` of a pixel's terms, or their ``mean``.
        coarse: ``use`` labels of several leaves, or ``ignore`` them as if unlabelled.
        depth_weights: weight of the term at depth 1, ..., D; all 1 unless given.
        balance: a factor of each term of the first M codes, such as ``balance_weights`` works out;
            those of other codes have 1.
        focal: power of the factor (1 - p(S_d)) ** focal of each term (Lin et al., 2017).
        smoothing: the share of each term that goes to the siblings of S_d: to the other groups of
            depth d below the same parents, or if there is none, below the parents' parents.
        hardest: the share of each picture's labelled pixels, those of the highest loss, that are
            learned from, and that the mean is over (online hard example mining).
        dice: weight of the region loss, a mean over pictures, beside the log loss.
        tversky: weights of false positives and of false negatives in it; (0.5, 0.5) is Dice.
        compile: True for the form that is compiled for the device (by a C compiler for a CPU, by
            Triton for a GPU), False for PyTorch's operations, None for the former where possible.
            The focal factor and label smoothing have no compiled form for a GPU.

    Raises:
        HarmonizeError: depth weights that do not fit, or ``compile`` without a C compiler or with
            what has no compiled form.
    """

    num_trees = 1

    def __init__(
        self,
        space: TargetSpace,
        *,
        terms: Literal["all", "finest"] = "all",
        weighting: Literal["sum", "mean"] = "sum",
        coarse: Literal["use", "ignore"] = "use",
        depth_weights: tuple[float, ...] | None = None,
        balance: Float[np.ndarray, "M D"] | None = None,
        focal: float = 0.0,
        smoothing: float = 0.0,
        hardest: float = 1.0,
        dice: float = 0.0,
        tversky: tuple[float, float] = (0.5, 0.5),
        compile: bool | None = None,
    ) -> None:
        super().__init__()
        if compile:
            self._refuse_to_compile(space, focal=focal, smoothing=smoothing)
        self._compile = compile
        self.num_leaves = len(space.ontology.leaves)
        self.num_depths = space.ontology.depth
        self.num_codes = -1
        self.ignore = space.ignore
        self.hardest = hardest
        self.dice = dice
        self._focal, self._smoothing = focal, smoothing
        self._space = space
        self._make_tables = partial(
            loss_tables,
            space,
            terms=terms,
            weighting=weighting,
            coarse=coarse,
            depth_weights=depth_weights,
            balance=balance,
            focal=focal,
            smoothing=smoothing,
        )
        of_depths = torch.tensor(depth_weights or [1.0] * space.ontology.depth)
        if weighting == "mean":
            of_depths = of_depths / len(of_depths)
        self._make_region = partial(
            region_tables, space.ontology, depth_weights=of_depths, tversky=tversky
        )
        self._depth_factors: Float[Tensor, " D"] | None = None
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
        rows, pixels = self._read(logits, codes)
        labelled = (pixels * self._tables.labelled).sum()
        each = torch.tensor(1 / max(len(codes), 1), device=logits.device)
        job = self._job(logits, rows, 1 / labelled.clamp(min=1), None, each)
        return self._pass(logits, job)[0]

    def terms(
        self,
        logits: Float[Tensor, "B K H W"],
        codes: Integer[Tensor, "B H W"],
        *,
        scale: Float[Tensor, ""] | Float[Tensor, " S"] | None = None,
        datasets: Integer[Tensor, " B"] | None = None,
        picture_scale: Float[Tensor, ""] | None = None,
        levels: UInt8[Tensor, "B H W"] | None = None,
    ) -> LossTerms:
        """Return the loss as sums; arguments and errors as for ``forward``.

        Args:
            logits, codes: as for ``forward``.
            scale: a factor of the log loss, such as 1 / labelled pixels of a batch in several
                parts; or one for each data set, with ``datasets``.
            datasets: the number of each picture's data set.
            picture_scale: a factor of the region losses, such as 1 / pictures of that batch.
            levels: a factor of the log loss of each pixel, in steps of 1 / ``WEIGHT_LEVELS``, at
                least one; 1 unless given.
        """
        rows, pixels = self._read(logits, codes)
        one = torch.ones((), device=logits.device)
        scale = one if scale is None else scale.to(logits.device)
        each = one if picture_scale is None else picture_scale.to(logits.device)
        job = self._job(logits, rows, scale, datasets, each, levels)
        loss, total, by_depth, region, learned_from = self._pass(logits, job)
        learned = pixels
        if self.hardest < 1:
            learned = count_codes(learned_from, self.num_codes + 1)
        return LossTerms(
            loss=loss,
            total=total,
            by_depth=by_depth,
            resolved=(learned[:, :, None] * self._tables.resolved).sum(1),
            labelled=(pixels * self._tables.labelled).sum(1),
            region=region,
        )

    def count_labelled(self, codes: Integer[Tensor, "B H W"]) -> Int[Tensor, " B"]:
        """Return the number of each picture's pixels that ``forward`` would take the mean over."""
        self._update(codes.device)
        return self._tables.labelled[self._row_of.take(codes.long())].flatten(1).sum(1)

    def set_depth_factors(self, factors: Float[Tensor, " D"] | None) -> None:
        """Multiply the weights of the depths, from now on."""
        self._depth_factors = factors
        self._weigh_depths()

    def gradient_squares(
        self, logits: Float[Tensor, "B K H W"], codes: Integer[Tensor, "B H W"]
    ) -> Float64[Tensor, " D"]:
        """Return the squared norm of the gradient of each depth's log loss, summed over pixels.

        Weights of depths do not count.
        """
        rows, _ = self._read(logits, codes)
        plain, squares = self._plain, torch.zeros(self._space.ontology.depth, dtype=torch.float64)
        for depth in range(len(squares)):
            alone = torch.zeros_like(plain.weight)
            alone[:, depth] = plain.resolved[:, depth]
            with torch.autocast(logits.device.type, enabled=False):
                sums = FORMS[self.form(logits)].sums(
                    logits.detach(), rows, plain.reweighted(alone), by_depth=False, gradient=True
                )
            assert sums.gradient is not None
            squares[depth] = sums.gradient.double().square().sum().cpu()
        return squares

    def _update(self, device: torch.device) -> None:
        """Have the tables on a device, with all codes that the space has given."""
        if self.num_codes == self._space.num_codes and self._row_of.device == device:
            return
        self.num_codes = self._space.num_codes
        tables = self._make_tables()
        region = self._make_region(torch.as_tensor(self._space.masks), tables)
        self._plain, self._plain_region = tables.to(device), region.to(device)
        self._weigh_depths()
        self._row_of = torch.full((self.ignore + 1,), -1, device=device, dtype=torch.int32)
        self._row_of[: self.num_codes] = torch.arange(self.num_codes)
        self._row_of[self.ignore] = self.num_codes

    def _weigh_depths(self) -> None:
        """Work out the tables with the factors of the depths."""
        tables, region, factors = self._plain, self._plain_region, self._depth_factors
        if factors is not None:
            factors = factors.to(tables.weight)
            tables = tables.reweighted(tables.weight * factors)
            region = dataclasses.replace(region, weight=region.weight * factors)
        self._tables, self._region = tables, region
        self._repeated: dict[int, LossTables] = {}

    def form(self, logits: Float[Tensor, "B K H W"]) -> Literal["Triton", "C", "PyTorch"]:
        """Say in which form the loss of these logits is computed."""
        if self._compile is not False:
            if fused.fits(logits) and not self._focal and not self._smoothing:
                return "Triton"
            if native_loss.fits(logits) and (
                self._compile or native_loss.is_available(self._space.ontology.depth)
            ):
                return "C"
        return "PyTorch"

    @staticmethod
    def _refuse_to_compile(space: TargetSpace, *, focal: float, smoothing: float) -> None:
        """Make sure that there is a compiled form.

        Raises:
            HarmonizeError: there is none.
        """
        cuda = torch.cuda.is_available()
        if cuda and (focal or smoothing):
            raise HarmonizeError(
                f"loss.compile: {'loss.focal' if focal else 'loss.smoothing'} has no compiled form "
                "on a GPU; remove loss.compile, or that option"
            )
        if not cuda:
            native_loss.load(space.ontology.depth, bfloat16=False)

    def _job(
        self,
        logits: Float[Tensor, "B K H W"],
        rows: Int32[Tensor, "B HW"],
        scale: Tensor,
        datasets: Integer[Tensor, " B"] | None,
        each: Float[Tensor, ""],
        levels: UInt8[Tensor, "B H W"] | None = None,
    ) -> LossJob:
        """Put together what one pass needs."""
        tables, size = self._tables, self.num_codes + 1
        scale = scale / self.hardest if self.hardest < 1 else scale
        its_scale = scale
        kinds = None  # of pixels: each has rows of its own, with weights of its own
        if scale.dim():
            assert datasets is not None
            datasets = datasets.to(logits.device)
            its_scale = scale[datasets.long()]
            kinds = datasets.int()[:, None]
        if levels is not None:
            of_level = torch.arange(1, WEIGHT_LEVELS + 1, device=logits.device) / WEIGHT_LEVELS
            kind = levels.flatten(1).int().to(logits.device) - 1
            kinds = kind if kinds is None else kinds * WEIGHT_LEVELS + kind
            scale = (scale.reshape(-1, 1) * of_level).flatten()
        if kinds is not None:
            number = len(scale)
            if number not in self._repeated:
                self._repeated[number] = tables.repeated(number)
            tables = self._repeated[number]
            scale = scale.repeat_interleave(size)
        return LossJob(
            form=FORMS[self.form(logits)],
            codes=rows,
            kinds=kinds,
            tables=tables,
            row_scale=scale,
            scale=its_scale,
            labelled=self._tables.labelled,
            hardest=self.hardest,
            region=self._region if self.dice else None,
            each=each * self.dice,
        )

    def _pass(self, logits: Tensor, job: LossJob) -> tuple[Tensor, ...]:
        with torch.autocast(logits.device.type, enabled=False):
            return LossPass.apply(logits, job)  # type: ignore[return-value]

    def _read(
        self, logits: Tensor, codes: Tensor
    ) -> tuple[Int32[Tensor, "B HW"], Int[Tensor, "B N"]]:
        """Check the arguments; return each pixel's row in the tables, and how many have each."""
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
        if self.form(logits) == "C":
            found = read_codes(codes, self.num_codes, self.ignore)
            return found or self._refuse(codes)
        known = (
            codes.int() if codes.dtype != torch.int64 else codes.clamp(-1, self.ignore + 1).int()
        )
        lowest, highest = known.aminmax() if known.numel() else (known.sum(), known.sum())
        if lowest < 0 or highest > self.ignore:
            self._refuse(codes)
        rows = self._row_of.index_select(0, known.flatten()).view(batch, height * width)
        if self.num_codes < self.ignore and (rows < 0).any():
            self._refuse(codes)
        return rows, count_codes(rows, self.num_codes + 1)

    def _refuse(self, codes: Tensor) -> NoReturn:
        known = [*range(self.num_codes), self.ignore]
        wrong = np.setdiff1d(codes.numpy(force=True), known)[:5].tolist()
        raise HarmonizeError(
            f"codes must be in 0..{self.num_codes - 1} or {self.ignore} (ignore), got {wrong}"
        )
