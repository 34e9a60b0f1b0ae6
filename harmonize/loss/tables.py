"""What the loss knows about each code: the sets S_1, ..., S_D of its label and their weights."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.targets import TargetSpace

# Letters of shapes: K leaves, D depths, N codes and one more row for ignore, R sets of several
# leaves, S = R + K + 1 sets in all: the R, then the single leaves, then the set of all leaves.


@dataclass(frozen=True)
class LossTables:
    """Look-ups from a code to what its label teaches; the last row of each stands for ignore.

    Attributes:
        members: the leaves of each set.
        set_of: the number of S_d for d = 1..D; where d is not resolved, the set of all leaves,
            whose term is zero.
        weight: of the term at each depth; zero where it does not count.
        resolved: the depths that the label resolves.
        labelled: whether the pixel counts in the batch's mean.
    """

    members: Bool[Tensor, "S K"]
    set_of: Int[Tensor, "D N"]
    weight: Float[Tensor, "D N"]
    resolved: Bool[Tensor, "D N"]
    labelled: Bool[Tensor, " N"]


def loss_tables(
    space: TargetSpace,
    *,
    terms: Literal["all", "finest"],
    weighting: Literal["sum", "mean"],
    coarse: Literal["use", "ignore"],
    depth_weights: tuple[float, ...] | None,
) -> LossTables:
    """Work out the tables from the agreement table: S_d is where the agreement is at least d.

    Raises:
        HarmonizeError: not as many depth weights as the ontology has depths.
    """
    depths = torch.arange(1, space.ontology.depth + 1)
    resolved = depths[:, None] <= torch.as_tensor(space.num_resolved)  # (D, N - 1)
    labelled = torch.ones(space.num_codes, dtype=torch.bool)
    if coarse == "ignore":
        labelled = torch.as_tensor(space.masks.sum(1) == 1)
        resolved = resolved & labelled
    resolved = torch.nn.functional.pad(resolved, (0, 1))
    labelled = torch.nn.functional.pad(labelled, (0, 1))
    kept = resolved
    if terms == "finest":
        kept = resolved & (resolved.cumsum(0) == resolved.sum(0))
    weight = kept * _depth_weights(depth_weights, space)[:, None]
    if weighting == "mean":
        weight = weight / kept.sum(0).clamp(min=1)
    members, set_of = _sets(space.agreement, resolved)
    return LossTables(members, set_of, weight.float(), resolved, labelled)


def _depth_weights(weights: tuple[float, ...] | None, space: TargetSpace) -> Float[Tensor, " D"]:
    if weights is None:
        return torch.ones(space.ontology.depth)
    if len(weights) != space.ontology.depth:
        raise HarmonizeError(
            f"loss.depth_weights: {space.ontology.name} has {space.ontology.depth} depths, "
            f"got {len(weights)} weights; give one for each of the depths 1..{space.ontology.depth}"
        )
    return torch.tensor(weights)


def _sets(
    agreement: UInt8[ndarray, "codes K"], resolved: Bool[Tensor, "D N"]
) -> tuple[Bool[Tensor, "S K"], Int[Tensor, "D N"]]:
    """Number the distinct sets S_d; return their members and the number at each depth and code."""
    leaves = agreement.shape[1]
    unions: dict[tuple[bool, ...], int] = {}
    set_of = torch.full(resolved.shape, -1, dtype=torch.long)
    for depth, code in np.argwhere(resolved.numpy()).tolist():
        members = agreement[code] > depth
        if members.sum() == 1:
            set_of[depth, code] = -2 - int(members.argmax())  # a leaf; numbered below
        else:
            set_of[depth, code] = unions.setdefault(tuple(members.tolist()), len(unions))
    num_unions = len(unions)
    set_of = torch.where(set_of < -1, num_unions - 2 - set_of, set_of)
    set_of = torch.where(set_of == -1, num_unions + leaves, set_of)
    members = torch.ones(num_unions + leaves + 1, leaves, dtype=torch.bool)
    if unions:
        members[:num_unions] = torch.tensor(list(unions))
    members[num_unions:-1] = torch.eye(leaves, dtype=torch.bool)
    return members, set_of
