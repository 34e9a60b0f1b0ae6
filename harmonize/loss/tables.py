"""What the loss knows about each code: the sets S_1, ..., S_D of its label and their weights."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int32, UInt8
from numpy import ndarray
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace

# Letters of shapes: K leaves, D depths, N codes and one more row for ignore, S sets of several
# leaves that labels have at some depth and, last, the set of all leaves; G groups.


@dataclass(frozen=True)
class LossTables:
    """Look-ups from a code to what its label teaches; the last row of each stands for ignore.

    The sets S_d of one leaf are kept apart from those of several: their sums are single logits.

    A pixel's term at depth d is (1 - smoothing) (1 - p(S_d)) ** focal L_d, with L_d = -log p(S_d),
    plus smoothing times the mean of -log p(G) over the siblings G of S_d.

    Attributes:
        agreement: the deepest resolved depth d at which a leaf is still in S_d, else 0.
        resolved: the depths that the label resolves.
        weight: of the term at each depth; zero where it does not count.
        labelled: whether the pixel counts in the batch's mean.
        members: the leaves of each set of several leaves, and all leaves.
        set_of: the number of S_d where it has several leaves, else -1.
        factor: of the logarithm of each set's sum in the loss: minus the weight of the depths where
            the set is S_d; for all leaves, the weight of all depths.
        leaf: the only leaf of S_d at the depths where it is one, or any.
        leaf_weight: the weight of those depths' terms together.
        order: the leaves, those of the greatest agreement first.
        until: how many of them are in S_0 (all), S_1, ..., S_D.
        siblings: of each S_d, with their shares of the smoothing: the groups of depth d that are
            in S_(d-1) but not in S_d; where there are none, those in S_(d-2), and so on.
        groups: the groups that are siblings somewhere.
        focal: the power of the focal factor (Lin et al., "Focal Loss for Dense Object Detection",
            2017); 0 for none.
        smoothing: the share of each term that goes to the siblings.
    """

    agreement: UInt8[Tensor, "N K"]
    resolved: Bool[Tensor, "N D"]
    weight: Float[Tensor, "N D"]
    labelled: Bool[Tensor, " N"]
    members: Bool[Tensor, "S K"]
    set_of: Int[Tensor, "N D"]
    factor: Float[Tensor, "N S"]
    leaf: Int[Tensor, " N"]
    leaf_weight: Float[Tensor, " N"]
    order: Int32[Tensor, "N K"]
    until: Int32[Tensor, "N D1"]
    siblings: Float[Tensor, "N D G"]
    groups: Bool[Tensor, "G K"]
    focal: float = 0.0
    smoothing: float = 0.0

    def to(self, device: torch.device) -> "LossTables":
        """Move to a device."""
        moved = {
            name: table.to(device) for name, table in vars(self).items() if torch.is_tensor(table)
        }
        return dataclasses.replace(self, **moved)

    def scaled(self, by: Float[Tensor, ""] | Float[Tensor, " N"]) -> "LossTables":
        """Multiply all weights, or those of each row by its own factor."""
        column = by[:, None] if by.dim() else by
        return dataclasses.replace(
            self,
            weight=self.weight * column,
            factor=self.factor * column,
            leaf_weight=self.leaf_weight * by,
        )

    def reweighted(self, weight: Float[Tensor, "N D"]) -> "LossTables":
        """Take other weights of the terms, which must be zero where these are."""
        is_set = self.set_of >= 0
        factor = torch.zeros_like(self.factor)
        factor.scatter_add_(1, self.set_of.clamp(min=0), -weight * is_set)
        factor[:, -1] = weight.sum(1)
        leaf_weight = (weight * (self.resolved & ~is_set)).sum(1)
        return dataclasses.replace(self, weight=weight, factor=factor, leaf_weight=leaf_weight)

    def repeated(self, times: int) -> "LossTables":
        """Repeat the rows, so that each data set can have weights of its own."""
        shared = ("members", "groups")
        many = {
            name: torch.cat([table] * times)
            for name, table in vars(self).items()
            if torch.is_tensor(table) and name not in shared
        }
        return dataclasses.replace(self, **many)


def loss_tables(
    space: TargetSpace,
    *,
    terms: Literal["all", "finest"],
    weighting: Literal["sum", "mean"],
    coarse: Literal["use", "ignore"],
    depth_weights: tuple[float, ...] | None,
    balance: Float[ndarray, "M D"] | None = None,
    focal: float = 0.0,
    smoothing: float = 0.0,
) -> LossTables:
    """Work out the tables from the agreement table: S_d is where the agreement is at least d.

    Args:
        space: gives the codes.
        terms, weighting, coarse, depth_weights, focal, smoothing: see ``HierarchicalLoss``.
        balance: a factor of the terms of the first M codes; those of others have 1.

    Raises:
        HarmonizeError: not as many depth weights as the ontology has depths.
    """
    pad = torch.nn.functional.pad
    agreement = pad(torch.as_tensor(space.agreement), (0, 0, 0, 1))
    depths = torch.arange(1, space.ontology.depth + 1)
    labelled = pad(torch.ones(space.num_codes, dtype=torch.bool), (0, 1))
    if coarse == "ignore":
        labelled = pad(torch.as_tensor(space.masks.sum(1) == 1), (0, 1))
    if space.unlabelled is not None:
        labelled[space.unlabelled] = False
    resolved = depths <= pad(torch.as_tensor(space.num_resolved), (0, 1))[:, None]
    resolved = resolved & labelled[:, None]
    kept = resolved
    if terms == "finest":
        kept = resolved & (resolved.cumsum(1) == resolved.sum(1, keepdim=True))
    weight = kept * _depth_weights(depth_weights, space)
    if weighting == "mean":
        weight = weight / kept.sum(1, keepdim=True).clamp(min=1)
    if balance is not None:
        weight[: len(balance)] *= torch.as_tensor(balance, dtype=weight.dtype)
    inside = agreement[:, None] >= depths[:, None]  # (N, D, K)
    is_leaf = resolved & (inside.sum(2) == 1)
    is_set = resolved & ~is_leaf
    members, set_of = _number(inside, is_set)
    siblings, groups = _siblings(space, inside, resolved) if smoothing else _none(inside)
    tables = LossTables(
        agreement=agreement,
        resolved=resolved,
        weight=weight,
        labelled=labelled,
        members=members,
        set_of=set_of,
        factor=torch.zeros(len(weight), len(members)),
        leaf=(inside & is_leaf[..., None]).any(1).byte().argmax(1),
        leaf_weight=torch.zeros(len(weight)),
        order=agreement.int().argsort(dim=1, descending=True).int(),
        until=(agreement[:, None] >= torch.arange(len(depths) + 1)[:, None]).sum(2).int(),
        siblings=siblings,
        groups=groups,
        focal=focal,
        smoothing=smoothing,
    )
    return tables.reweighted(weight)


def _none(inside: Bool[Tensor, "N D K"]) -> tuple[Float[Tensor, "N D G"], Bool[Tensor, "G K"]]:
    """Return the siblings of a loss that does not use them."""
    return torch.zeros(*inside.shape[:2], 0), torch.zeros(0, inside.shape[2], dtype=torch.bool)


def _siblings(
    space: TargetSpace, inside: Bool[Tensor, "N D K"], resolved: Bool[Tensor, "N D"]
) -> tuple[Float[Tensor, "N D G"], Bool[Tensor, "G K"]]:
    """Find the siblings of each S_d, and give each its share of the smoothing."""
    ontology = space.ontology
    numbers: dict[bytes, int] = {}
    at_depth = [_groups(ontology, depth) for depth in range(1, ontology.depth + 1)]
    for group in np.concatenate(at_depth):
        numbers.setdefault(group.tobytes(), len(numbers))
    shares = torch.zeros(*inside.shape[:2], len(numbers))
    sets = inside.numpy()
    for code, place in np.argwhere(resolved.numpy()).tolist():
        around = [np.ones(sets.shape[2], dtype=bool), *sets[code, :place]]
        outside = [
            at_depth[place][(at_depth[place] & wide & ~sets[code, place]).any(1)]
            for wide in reversed(around)
        ]
        nearest = next((groups for groups in outside if len(groups)), outside[-1])
        for group in nearest:
            shares[code, place, numbers[group.tobytes()]] = 1 / len(nearest)
    groups = torch.tensor(np.stack([np.frombuffer(group, dtype=bool) for group in numbers]))
    return shares, groups


def _groups(ontology: Ontology, depth: int) -> Bool[ndarray, "P K"]:
    """Return the leaves of each group at a depth."""
    index: Int[ndarray, " K"] = ontology.group_index[depth]
    numbers = np.arange(int(index.max()) + 1)
    return np.equal.outer(numbers, index)


def _depth_weights(weights: tuple[float, ...] | None, space: TargetSpace) -> Float[Tensor, " D"]:
    if weights is None:
        return torch.ones(space.ontology.depth)
    if len(weights) != space.ontology.depth:
        raise HarmonizeError(
            f"loss.depth_weights: {space.ontology.name} has {space.ontology.depth} depths, "
            f"got {len(weights)} weights; give one for each of the depths 1..{space.ontology.depth}"
        )
    return torch.tensor(weights)


def _number(
    inside: Bool[Tensor, "N D K"], is_set: Bool[Tensor, "N D"]
) -> tuple[Bool[Tensor, "S K"], Int[Tensor, "N D"]]:
    """Number the distinct sets, -1 where there is none; the set of all leaves is the last."""
    leaves = inside.shape[2]
    everything = torch.ones(1, leaves, dtype=torch.bool)
    numbers: dict[bytes, int] = {}
    sets: list[Bool[Tensor, " K"]] = []
    set_of = torch.full(is_set.shape, -1)
    for code, depth in np.argwhere(is_set.numpy()).tolist():
        members = inside[code, depth]
        number = numbers.setdefault(members.numpy().tobytes(), len(sets))
        if number == len(sets):
            sets.append(members[None])
        set_of[code, depth] = number
    return torch.cat([*sets, everything]), set_of
