"""The loss of several trees on the same pictures: each over its own channels, summed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float, Int, Integer, UInt8
from torch import Tensor, nn

from harmonize.loss.hierarchical import HierarchicalLoss, LossTerms

# Letters of shapes: B pictures, K leaves of all trees, H x W pixels, T trees, S data sets, N codes.


@dataclass(frozen=True)
class LossPart:
    """What of a run's loss is one tree's; all of it where there is one.

    Attributes:
        loss: of the tree.
        channels: of the logits that it is over.
        depths: its columns among the depths of all trees.
        codes: its code for each code of the run; None where they are the same.
        number: of the tree.
    """

    loss: HierarchicalLoss
    channels: slice = field(default_factory=partial(slice, None))
    depths: slice = field(default_factory=partial(slice, None))
    codes: Int[Tensor, " N"] | None = None
    number: int = 0

    def own(self, codes: Integer[Tensor, "B *T H W"]) -> Integer[Tensor, "B H W"]:
        """Return the tree's codes, from those of the run or those of each tree."""
        if codes.dim() == 4:
            return codes[:, self.number]
        if self.codes is None:
            return codes
        table = self.codes.to(codes.device)
        return table.index_select(0, codes.int().flatten()).view(codes.shape)


class SeveralLosses(nn.Module):
    """The weighted sum of the losses of several trees, against codes of their joined target space.

    Each is a mean over the pixels that are labelled in its own tree. Codes may also be those of
    each tree (B, T, H, W), which labels that were completed are.

    Args:
        losses: of each tree, whose leaves follow one another in the logits.
        codes: of each tree, its code for each code of the joined target space; see ``own_codes``.
        weights: of each loss.
    """

    num_trees: int

    def __init__(
        self,
        losses: Sequence[HierarchicalLoss],
        codes: Sequence[Int[Tensor, " N"]],
        weights: Sequence[float],
    ) -> None:
        super().__init__()
        self.num_trees = len(losses)
        self._losses = nn.ModuleList(losses)
        self._weights = tuple(weights)
        self.parts: list[LossPart] = []
        leaves = depths = 0
        for loss, its_codes in zip(losses, codes, strict=True):
            channels = slice(leaves, leaves + loss.num_leaves)
            own = slice(depths, depths + loss.num_depths)
            part = LossPart(loss, channels, own, its_codes, len(self.parts))
            leaves, depths = channels.stop, own.stop
            self.parts.append(part)

    def forward(
        self, logits: Float[Tensor, "B K H W"], codes: Integer[Tensor, "B *T H W"]
    ) -> Float[Tensor, ""]:
        """Return the weighted sum of the trees' mean losses; see ``HierarchicalLoss.forward``."""
        pairs = zip(self._weights, self.parts, strict=True)
        losses = [w * part.loss(logits[:, part.channels], part.own(codes)) for w, part in pairs]
        return torch.stack(losses).sum()

    def terms(
        self,
        logits: Float[Tensor, "B K H W"],
        codes: Integer[Tensor, "B *T H W"],
        *,
        scale: Float[Tensor, " T"] | Float[Tensor, "T S"] | None = None,
        datasets: Integer[Tensor, " B"] | None = None,
        picture_scale: Float[Tensor, ""] | None = None,
        levels: UInt8[Tensor, "B T H W"] | None = None,
    ) -> LossTerms:
        """Return the loss as sums; see ``HierarchicalLoss.terms``.

        The depths of the trees follow one another, not weighted. Labelled is a pixel that is so in
        one tree at least.
        """
        if scale is None:
            scale = torch.ones(self.num_trees)
        found = [
            part.loss.terms(
                logits[:, part.channels],
                part.own(codes),
                scale=its_scale,
                datasets=datasets,
                picture_scale=picture_scale,
                levels=None if levels is None else levels[:, part.number],
            )
            for part, its_scale in zip(self.parts, scale, strict=True)
        ]
        pairs = list(zip(self._weights, found, strict=True))
        return LossTerms(
            loss=torch.stack([weight * one.loss for weight, one in pairs]).sum(),
            total=torch.stack([weight * one.total for weight, one in pairs]).sum(0),
            by_depth=torch.cat([one.by_depth for one in found], 1),
            resolved=torch.cat([one.resolved for one in found], 1),
            labelled=self._count_any(codes),
            region=torch.stack([weight * one.region for weight, one in pairs]).sum(0),
        )

    def count_labelled(self, codes: Integer[Tensor, "B *T H W"]) -> Int[Tensor, "T B"]:
        """Return for each tree the number of each picture's pixels that its mean is over."""
        return torch.stack([part.loss.count_labelled(part.own(codes)) for part in self.parts])

    def _count_any(self, codes: Integer[Tensor, "B *T H W"]) -> Int[Tensor, " B"]:
        """Return how many pixels of each picture some tree learns from."""
        pixels = torch.stack([part.own(codes) for part in self.parts])
        learned = [
            part.loss.count_labelled(own.flatten()[:, None, None]) > 0
            for part, own in zip(self.parts, pixels, strict=True)
        ]
        return torch.stack(learned).any(0).view(len(codes), -1).sum(1)


def parts_of(loss: HierarchicalLoss | SeveralLosses) -> list[LossPart]:
    """Return what of a loss is each tree's."""
    return loss.parts if isinstance(loss, SeveralLosses) else [LossPart(loss)]
