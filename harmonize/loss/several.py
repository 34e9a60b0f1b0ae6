"""The loss of several trees on the same pictures: each over its own channels, summed."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, UInt8
from torch import Tensor, nn

from harmonize.labels.target_space import TargetSpace
from harmonize.loss.hierarchical import HierarchicalLoss, LossTerms

# Letters of shapes: B pictures, K leaves of all trees, H x W pixels, T trees, S data sets, N codes.


class SeveralLosses(nn.Module):
    """The weighted sum of the losses of several trees, against codes of their joined target space.

    Each is a mean over the pixels that are labelled in its own tree.

    Args:
        space: of the joined tree, whose leaves are those of the trees one after the other.
        spaces: of each tree.
        losses: of each tree.
        weights: of each loss.
    """

    num_trees: int

    def __init__(
        self,
        space: TargetSpace,
        spaces: Sequence[TargetSpace],
        losses: Sequence[HierarchicalLoss],
        weights: Sequence[float],
    ) -> None:
        super().__init__()
        self.num_trees = len(losses)
        self._losses = nn.ModuleList(losses)
        self._weights = tuple(weights)
        ends = np.cumsum([len(one.ontology.leaves) for one in spaces]).tolist()
        self._spans = [slice(a, b) for a, b in zip([0, *ends], ends, strict=False)]
        tables = [
            _codes_of(space, span, one) for span, one in zip(self._spans, spaces, strict=True)
        ]
        self._codes_of = torch.as_tensor(np.stack(tables))

    def terms(
        self,
        logits: Float[Tensor, "B K H W"],
        codes: Integer[Tensor, "B H W"],
        *,
        scale: Float[Tensor, " T"] | Float[Tensor, "T S"] | None = None,
        datasets: Integer[Tensor, " B"] | None = None,
        picture_scale: Float[Tensor, ""] | None = None,
        levels: UInt8[Tensor, "B H W"] | None = None,
    ) -> LossTerms:
        """Return the loss as sums; see ``HierarchicalLoss.terms``.

        The depths of the trees follow one another, not weighted. Labelled is a pixel that is so in
        one tree at least.
        """
        if scale is None:
            scale = torch.ones(self.num_trees)
        found = [
            loss.terms(
                logits[:, span],
                its_codes,
                scale=its_scale,
                datasets=datasets,
                picture_scale=picture_scale,
                levels=levels,
            )
            for loss, span, its_codes, its_scale in zip(
                self._all(), self._spans, self._own(codes), scale, strict=True
            )
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

    def count_labelled(self, codes: Integer[Tensor, "B H W"]) -> Int[Tensor, "T B"]:
        """Return for each tree the number of each picture's pixels that its mean is over."""
        pairs = zip(self._all(), self._own(codes), strict=True)
        return torch.stack([loss.count_labelled(own) for loss, own in pairs])

    def _all(self) -> list[HierarchicalLoss]:
        return [loss for loss in self._losses if isinstance(loss, HierarchicalLoss)]

    def _own(self, codes: Integer[Tensor, "B H W"]) -> list[Int[Tensor, "B H W"]]:
        """Return the codes of each tree."""
        tables = self._codes_of.to(codes.device)
        flat = codes.int().flatten()
        return [table.index_select(0, flat).view(codes.shape) for table in tables]

    def _count_any(self, codes: Integer[Tensor, "B H W"]) -> Int[Tensor, " B"]:
        """Return how many pixels of each picture some tree learns from."""
        single = torch.arange(self._codes_of.shape[1], device=codes.device)[:, None, None]
        learned = self.count_labelled(single).any(0)
        return learned[codes.long()].flatten(1).sum(1)


def _codes_of(space: TargetSpace, span: slice, own: TargetSpace) -> Int[np.ndarray, " N"]:
    """Return for each code of a joined space the code of what it means in one of the trees."""
    found = np.full(space.ignore + 1, own.ignore, dtype=np.int32)
    for code, mask in enumerate(space.masks):
        part = mask[span]
        if part.any():
            found[code] = own.code(own.ontology.describe(part))
    return found
