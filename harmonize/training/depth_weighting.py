"""Weights of the depths that change during a run: from coarse to fine, or by what is learned."""

from collections.abc import Sequence
from typing import cast

import torch
from accelerate import Accelerator
from jaxtyping import Float, Int64, Integer
from torch import Tensor

from harmonize.config.loss_config import LossConfig
from harmonize.config.strict_yaml import Value
from harmonize.loss.hierarchical import LossTerms
from harmonize.loss.several import LossPart

# Letters of shapes: B pictures, K leaves, H x W pixels, D depths.

DECAY = 0.98
"""Of the running means, per look."""
EVERY = 10
"""Steps between two looks at the gradients, each of which costs D passes of the loss."""


def coarse_to_fine(depth: int, progress: float) -> Float[Tensor, " D"]:
    """Return the factors of all depths after a share of the run.

    Depth 1 has 1 throughout. The others rise to 1 one after the other, each over its part of the
    first half of the run.
    """
    if depth == 1:
        return torch.ones(1)
    first = torch.arange(depth - 1) / (depth - 1) / 2  # where each begins to rise
    rising = ((progress - first) * 2 * (depth - 1)).clamp(0, 1)
    return torch.cat([torch.ones(1), rising])


class DepthWeighting:
    """The factors of the depths, and the running means that they follow from.

    ``uncertainty``: Kendall et al., "Multi-Task Learning Using Uncertainty to Weigh Losses" (2018),
    learn s_d in the sum of exp(-s_d) L_d + s_d. Its minimum is at exp(-s_d) = 1 / L_d; here L_d is
    a running mean instead of the last batch's. ``gradient``: as GradNorm (Chen et al., 2018)
    without its rates of training, at the logits instead of a layer of the network.
    """

    def __init__(
        self, config: LossConfig, part: LossPart, steps: int, accelerator: Accelerator
    ) -> None:
        """Weigh the depths of one tree's part of the loss."""
        self._config = config
        self._part = part
        self._depth = depth = part.loss.num_depths
        self._steps = steps
        self._accelerator = accelerator
        self._means = torch.zeros(depth, dtype=torch.float64)
        self._looks = torch.zeros(depth, dtype=torch.float64)

    def begin(self, step: int) -> None:
        """Have the loss weigh the depths as a step, counted from 0, asks for."""
        schedule, loss = self._config.depth_schedule, self._part.loss
        if schedule == "coarse_to_fine":
            loss.set_depth_factors(coarse_to_fine(self._depth, step / self._steps))
        elif schedule != "constant":
            loss.set_depth_factors(self.factors())

    def factors(self) -> Float[Tensor, " D"]:
        """Return one over each depth's running mean, scaled so that those known add up to D."""
        known = (self._looks > 0) & (self._means > 0)
        means = self._means / (1 - DECAY**self._looks).clamp(min=1e-12)
        inverse = (1 / means.clamp(min=1e-6)).where(known, 0)
        if not known.any():
            return torch.ones(self._depth)
        scaled = inverse / inverse.sum() * known.sum()
        return scaled.where(known, 1.0).float()

    def looks_at_gradients(self, step: int) -> bool:
        """Say whether ``look`` needs the outputs of a step."""
        return self._config.depth_schedule == "gradient" and step % EVERY == 0

    def look(
        self,
        step: int,
        outputs: list[tuple[Float[Tensor, "B K H W"], Integer[Tensor, "B H W"]]],
        terms: list[LossTerms],
    ) -> None:
        """Take note of the losses, or the gradients, of a step; every process must call this.

        Args:
            step: counted from 0.
            outputs: logits and codes of each part of the batch, of all trees.
            terms: of each part of the batch, of all trees.
        """
        schedule, own = self._config.depth_schedule, self._part.depths
        if schedule == "uncertainty":
            sums = torch.stack([part.by_depth[:, own].double().sum(0) for part in terms]).sum(0)
            self._add(sums, self._pixels(terms), root=False)
        elif self.looks_at_gradients(step):
            squares, pixels = torch.zeros(self._depth, dtype=torch.float64), self._pixels(terms)
            for logits, codes in outputs:
                its_logits = logits.detach()[:, self._part.channels]
                squares += self._part.loss.gradient_squares(its_logits, self._part.own(codes)).cpu()
            self._add(squares.to(pixels.device), pixels, root=True)

    def _pixels(self, terms: list[LossTerms]) -> Int64[Tensor, " D"]:
        """Return how many pixels resolve each depth."""
        return torch.stack([part.resolved[:, self._part.depths].sum(0) for part in terms]).sum(0)

    def _add(self, sums: Float[Tensor, " D"], pixels: Int64[Tensor, " D"], *, root: bool) -> None:
        both = torch.stack([sums, pixels.double()])
        reduced = cast("Tensor", self._accelerator.reduce(both, reduction="sum"))
        sums, counts = reduced.cpu()
        seen = counts > 0
        mean = sums / counts.clamp(min=1)
        mean = mean.sqrt() if root else mean
        self._means = (DECAY * self._means + (1 - DECAY) * mean).where(seen, self._means)
        self._looks = self._looks + seen

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run goes on from; empty for a schedule that needs nothing."""
        if self._config.depth_schedule in ("constant", "coarse_to_fine"):
            return {}
        return {"means": self._means, "looks": self._looks}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what ``state`` returned."""
        if state:
            self._means, self._looks = state["means"], state["looks"]


class DepthWeightings:
    """Those of all trees of a run, one after the other.

    Args:
        config: of the loss.
        parts: of the loss, one for each tree.
        steps: of the run.
        accelerator: whose processes share the batches.
    """

    def __init__(
        self, config: LossConfig, parts: Sequence[LossPart], steps: int, accelerator: Accelerator
    ) -> None:
        self._config = config
        self._each = [DepthWeighting(config, part, steps, accelerator) for part in parts]

    def begin(self, step: int) -> None:
        """See ``DepthWeighting.begin``."""
        for one in self._each:
            one.begin(step)

    def looks_at_gradients(self, step: int) -> bool:
        """Say whether ``look`` needs the outputs of a step."""
        return self._each[0].looks_at_gradients(step)

    def look(
        self,
        step: int,
        outputs: list[tuple[Float[Tensor, "B K H W"], Integer[Tensor, "B H W"]]],
        terms: list[LossTerms],
    ) -> None:
        """See ``DepthWeighting.look``."""
        for one in self._each:
            one.look(step, outputs, terms)

    def report(self) -> dict[str, Value]:
        """Return the factors for a line of metrics, if they are found out during the run."""
        if self._config.depth_schedule in ("constant", "coarse_to_fine"):
            return {}
        factors = torch.cat([one.factors() for one in self._each])
        return {"depth_factors": [round(factor, 6) for factor in factors.tolist()]}

    def state(self) -> dict[str, Tensor]:
        """Return what a resumed run goes on from: that of the first tree, then ``1/``, ``2/``..."""
        return {
            f"{number}/{key}" if number else key: value
            for number, one in enumerate(self._each)
            for key, value in one.state().items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from what ``state`` returned."""
        for number, one in enumerate(self._each):
            prefix = f"{number}/" if number else ""
            keys = ("means", "looks") if state else ()
            one.restore({key: state[f"{prefix}{key}"] for key in keys})
