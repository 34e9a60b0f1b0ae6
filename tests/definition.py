"""The hierarchical loss by its definition: one pixel, depth and set at a time, in float64."""

import torch
from torch import Tensor

from harmonize import Ontology


def leaves_below(tree: Ontology, nodes: list[str]) -> set[str]:
    mask = tree.leaf_mask(nodes)
    return {leaf for leaf, inside in zip(tree.leaves, mask.tolist(), strict=True) if inside}


def resolved_sets(tree: Ontology, label: set[str]) -> list[set[str]]:
    """Return S_1, ..., S_d* of DESIGN's definition, straight from the groups."""
    sets: list[set[str]] = []
    for depth in range(1, tree.depth + 1):
        if len(label) > 1 and (sets[-1] if sets else set(tree.leaves)) == label:
            break
        meeting = [set(group) for group in tree.groups(depth) if set(group) & label]
        sets.append(set().union(*meeting))
    return sets


def brute_force(
    tree: Ontology,
    logits: Tensor,
    labels: list[set[str] | None],
    *,
    terms: str = "all",
    weighting: str = "sum",
    coarse: str = "use",
    depth_weights: list[float] | None = None,
) -> Tensor:
    """Mean loss of pixels (P, K) in float64, one pixel, depth and set at a time."""
    weights = depth_weights or [1.0] * tree.depth
    total, count = logits.sum() * 0, 0
    for pixel, label in zip(logits, labels, strict=True):
        if label is None or (coarse == "ignore" and len(label) > 1):
            continue
        count += 1
        losses = []
        for depth, members in enumerate(resolved_sets(tree, label)):
            inside = [tree.leaves.index(leaf) for leaf in members]
            log_p = pixel[inside].logsumexp(0) - pixel.logsumexp(0)
            losses.append(-log_p * weights[depth])
        kept = losses[-1:] if terms == "finest" else losses
        if kept:
            total = total + torch.stack(kept).sum() / (len(kept) if weighting == "mean" else 1)
    return total / max(count, 1)
