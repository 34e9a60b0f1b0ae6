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


def siblings(tree: Ontology, sets: list[set[str]], depth: int) -> list[set[str]]:
    """Return the siblings of S_depth among S_1, S_2, ...: other groups in the nearest wider set."""
    for wide in [*reversed(sets[: depth - 1]), set(tree.leaves)]:
        found = [set(group) for group in tree.groups(depth)]
        found = [group for group in found if group <= wide and not group & sets[depth - 1]]
        if found:
            return found
    return []


def pixel_loss(
    tree: Ontology,
    pixel: Tensor,
    label: set[str],
    *,
    factors: list[float],
    focal: float = 0.0,
    smoothing: float = 0.0,
    terms: str = "all",
) -> Tensor:
    """Loss of one pixel (K,) with a factor for each depth's term."""

    def log_p(members: set[str]) -> Tensor:
        inside = [tree.leaves.index(leaf) for leaf in members]
        return pixel[inside].logsumexp(0) - pixel.logsumexp(0)

    sets = resolved_sets(tree, label)
    losses = [pixel.sum() * 0]
    for depth, members in enumerate(sets, 1):
        if terms == "finest" and depth < len(sets):
            continue
        own = -log_p(members) * (-torch.expm1(log_p(members))).clamp(min=1e-30) ** focal
        others = siblings(tree, sets, depth)
        spread = torch.stack([-log_p(group) for group in others]).mean() if others else own * 0
        losses.append(factors[depth - 1] * ((1 - smoothing) * own + smoothing * spread))
    return torch.stack(losses).sum()


def region_of_picture(
    tree: Ontology,
    pixels: Tensor,
    labels: list[set[str] | None],
    *,
    tversky: tuple[float, float],
    weights: list[float],
    terms: str = "all",
) -> Tensor:
    """Region loss of one picture's pixels (P, K), one depth, group and pixel at a time."""
    shares = pixels.softmax(1)
    total = pixels.sum() * 0
    for depth in range(1, tree.depth + 1):
        losses: list[Tensor] = []
        for group in map(set, tree.groups(depth)):
            none = pixels.sum() * 0
            true, false, missed, present = [none], [none], [none], False
            for share, label in zip(shares, labels, strict=True):
                if label is None:
                    continue
                p = share[[tree.leaves.index(leaf) for leaf in group]].sum()
                if label <= group:
                    true.append(p)
                    missed.append(1 - p)
                    last = len(resolved_sets(tree, label))
                    present |= depth == last if terms == "finest" else depth <= last
                elif not label & group:
                    false.append(p)
            if present:
                inside, outside, lost = (torch.stack(x).sum() for x in (true, false, missed))
                losses.append(1 - inside / (inside + tversky[0] * outside + tversky[1] * lost))
        if losses:
            total = total + weights[depth - 1] * torch.stack(losses).mean()
    return total
