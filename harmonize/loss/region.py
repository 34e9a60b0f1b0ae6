"""Dice and Tversky losses for labels that are sets of leaves.

All that such a loss needs of a picture is its soft confusion: for each code, the sum of each leaf's
probability over the pixels with that code. The loss is a function of these few numbers, and so is
its derivative by the probability of a leaf at a pixel of a code.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int32, Integer
from torch import Tensor

from harmonize.labels.ontology import Ontology
from harmonize.loss.tables import LossTables, ranges_of

# Letters of shapes: B pictures, K leaves, H x W pixels, P pixels of a chunk, D depths, N rows of
# the tables (one per code, and the last for ignore), G groups of any depth.

_CHUNK = 1 << 19
"""Logits per chunk at most."""


@dataclass(frozen=True)
class RegionTables:
    """Which pixels count for which group of leaves.

    A pixel whose label means the leaves M is inside a group that holds M, outside one that does not
    meet M, and does not count for any other: its label leaves open whether it is inside.

    Attributes:
        groups: the leaves of each group; a leaf is a group of its own at each depth from its own.
        inside, outside: whether a pixel of a code is.
        asked: whether a picture with such a pixel is scored for the group: the label has a term at
            the group's depth, and is inside.
        at_depth: whether a group belongs to a depth.
        ranges: the first leaf of each group, and the one after its last.
        depth: of each group, from 0.
        weight: of each depth.
        false: the weights of false positives and of false negatives: (0.5, 0.5) is Dice.
    """

    groups: Bool[Tensor, "G K"]
    inside: Bool[Tensor, "N G"]
    outside: Bool[Tensor, "N G"]
    asked: Bool[Tensor, "N G"]
    at_depth: Bool[Tensor, "D G"]
    ranges: Int32[Tensor, "G 2"]
    depth: Int32[Tensor, " G"]
    weight: Float[Tensor, " D"]
    false: tuple[float, float]

    def to(self, device: torch.device) -> "RegionTables":
        """Move to a device."""
        moved = {name: x.to(device) for name, x in vars(self).items() if torch.is_tensor(x)}
        return dataclasses.replace(self, **moved)


def region_tables(
    ontology: Ontology,
    masks: Bool[Tensor, "M K"],
    tables: LossTables,
    *,
    depth_weights: Float[Tensor, " D"],
    tversky: tuple[float, float],
) -> RegionTables:
    """Work out the tables.

    Args:
        ontology: the tree.
        masks: the leaves of each code.
        tables: of the log loss: a depth counts where a label has a term there.
        depth_weights: of the mean over the groups of each depth.
        tversky: the weights of false positives and of false negatives.
    """
    groups: list[Tensor] = []
    depths: list[int] = []
    for depth in range(1, ontology.depth + 1):
        index = ontology.group_index[depth]
        found = torch.as_tensor(index == np.arange(index.max() + 1)[:, None])
        groups.append(found)
        depths += [depth] * len(found)
    members = torch.cat(groups)
    pad = torch.nn.functional.pad
    inside = pad(~(masks[:, None] & ~members).any(2), (0, 0, 0, 1))
    outside = pad(~(masks[:, None] & members).any(2), (0, 0, 0, 1))
    inside, outside = inside & tables.labelled[:, None], outside & tables.labelled[:, None]
    depth = torch.tensor(depths, dtype=torch.int32) - 1
    at_depth = depth == torch.arange(ontology.depth)[:, None]
    has_term = (tables.weight > 0).float() @ at_depth.float() > 0
    return RegionTables(
        groups=members,
        inside=inside,
        outside=outside,
        asked=inside & has_term,
        at_depth=at_depth,
        ranges=ranges_of(members),
        depth=depth,
        weight=depth_weights,
        false=tversky,
    )


def region_loss(
    confusion: Float[Tensor, "B N K"], pixels: Int[Tensor, "B N"], tables: RegionTables
) -> Float[Tensor, " B"]:
    """Return the region loss of each picture, 0 for one that no group is scored in.

    At each depth it is the mean of 1 - T over the groups that a label of the picture names, with
    T = TP / (TP + a FP + b FN) of the group's probability (Tversky index: Salehi et al., 2017; with
    a = b = 0.5 the soft Dice coefficient). For leaves this is the leaf-Dice of Fidon et al.,
    "Label-set Loss Functions for Partial Supervision" (2021), for groups above them their
    marginalised Dice, restricted in both cases to the pixels whose label decides the group.
    """
    of_groups = confusion @ tables.groups.to(confusion).T  # (B, N, G)
    inside, outside = tables.inside.to(confusion), tables.outside.to(confusion)
    true = (of_groups * inside).sum(1)
    too_much = (of_groups * outside).sum(1)
    labelled = pixels.to(confusion) @ inside
    missed = labelled - true
    positive, negative = tables.false
    index = true / (true + positive * too_much + negative * missed).clamp(min=1e-12)
    present = (pixels.to(confusion) @ tables.asked.to(confusion)) > 0
    scored = tables.at_depth & present[:, None]  # (B, D, G)
    number = scored.sum(2)
    mean = ((1 - index)[:, None] * scored).sum(2) / number.clamp(min=1)
    return mean @ tables.weight.to(confusion)


def region_slope(
    confusion: Float[Tensor, "B N K"],
    pixels: Int[Tensor, "B N"],
    tables: RegionTables,
    scale: Float[Tensor, " B"],
) -> tuple[Float[Tensor, " B"], Float[Tensor, "B N K"]]:
    """Return ``region_loss``, and the derivative of its sum, scaled, by the soft confusion."""
    with torch.enable_grad():
        exact = confusion.detach().double().requires_grad_()
        loss = region_loss(exact, pixels, tables)
        (slope,) = torch.autograd.grad((loss * scale).sum(), exact)
    return loss.detach(), slope


def soft_confusion(
    logits: Float[Tensor, "B K H W"], rows: Integer[Tensor, "B HW"], tables: RegionTables
) -> Float[Tensor, "B N K"]:
    """Sum the leaves' probabilities over the pixels of each code."""
    (batch, leaves), pixels, num_rows = logits.shape[:2], rows.shape[1], len(tables.inside)
    found = torch.zeros(batch, num_rows, leaves, dtype=torch.float64, device=logits.device)
    size = max(_CHUNK // leaves, 1)
    for picture in range(batch):
        flat = logits[picture].flatten(1)
        for start in range(0, pixels, size):
            part = slice(start, start + size)
            shares = _softmax(flat[:, part])
            sums = shares.new_zeros(num_rows, leaves)
            found[picture] += sums.index_add_(0, rows[picture, part], shares.T)
    return found


def add_region_gradient(
    gradient: Float[Tensor, "B K H W"],
    logits: Float[Tensor, "B K H W"],
    rows: Integer[Tensor, "B HW"],
    slope: Float[Tensor, "B N K"],
) -> None:
    """Add to a gradient that of a function of the soft confusion with the given derivative."""
    leaves, pixels = logits.shape[1], rows.shape[1]
    size = max(_CHUNK // leaves, 1)
    for picture, its_slope in enumerate(slope):
        flat, out = logits[picture].flatten(1), gradient[picture].flatten(1)
        for start in range(0, pixels, size):
            part = slice(start, start + size)
            shares = _softmax(flat[:, part])
            by = its_slope.to(shares).index_select(0, rows[picture, part]).T
            out[:, part] += shares * (by - (shares * by).sum(0))


def _softmax(logits: Float[Tensor, "K P"]) -> Float[Tensor, "K P"]:
    return logits.to(torch.promote_types(logits.dtype, torch.float32)).softmax(0)
