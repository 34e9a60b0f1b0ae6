"""How well a tree fits what a network confuses, beside random trees of the same shape."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.ontology import Ontology
from harmonize.tools.tree_learning.evidence import Evidence

# Letters of shapes: K seen leaves, D depths.

TRIALS = 2000


@dataclass(frozen=True)
class TreeScore:
    """What is found out about a tree.

    Attributes:
        height: the mean height of a mistake over the tree's depth, from 0 (siblings' parent at
            once) to 1 (all mistakes meet at the root only). A mistake is the probability that a
            wrong leaf has; every seen leaf weighs the same.
        random: the mean of that over random trees.
        p_value: the share of random trees that fit as well or better; never 0.
        separable: by depth from 1 on, the mean probability of the right group, from 0 to 1.
        num_leaves: that were seen.
        unseen: leaves of the tree that were not.
    """

    height: float
    random: float
    p_value: float
    separable: tuple[float, ...]
    num_leaves: int
    unseen: tuple[str, ...]

    def table(self) -> str:
        """Return the score in a few lines."""
        lines = [
            f"height of mistakes   {self.height:.3f} of the tree's depth",
            f"of random trees      {self.random:.3f} on average",
            f"p-value              {self.p_value:.4f}  share of random trees that fit as well",
        ]
        for depth, share in enumerate(self.separable, 1):
            lines.append(f"right at depth {depth:<5} {100 * share:.1f} %")
        if self.unseen:
            lines.append(f"without pixels       {', '.join(self.unseen)}")
        return "\n".join(lines)


def score_tree(evidence: Evidence, tree: Ontology, *, seed: int = 0) -> TreeScore:
    """Score a tree over a network's leaves.

    Random trees have the same shape, with the leaves in another order.

    Raises:
        HarmonizeError: the tree has other leaves than the network, or all mistakes cost the same.
    """
    own, asked = set(evidence.leaves), set(tree.leaves)
    if own != asked:
        missing, extra = sorted(own - asked), sorted(asked - own)
        told = [f"lacks {', '.join(missing)}"] if missing else []
        told += [f"has {', '.join(extra)} besides"] if extra else []
        raise HarmonizeError(
            f"{tree.name}: its leaves are not the network's: it {' and '.join(told)}"
        )
    seen = evidence.seen
    p = evidence.probabilities[np.ix_(seen, seen)]
    heights = _heights(tree, [evidence.leaves[leaf] for leaf in seen])
    wrong = p * (1 - np.eye(len(seen)))
    wrong /= wrong.sum(1, keepdims=True).clip(min=1e-12)
    rng = np.random.default_rng(seed)
    found = _height(wrong, heights)
    orders = [rng.permutation(len(seen)) for _ in range(TRIALS)]
    trials = np.array([_height(wrong, heights[np.ix_(order, order)]) for order in orders])
    if np.ptp(heights[~np.eye(len(seen), dtype=bool)]) == 0:
        raise HarmonizeError(
            f"{tree.name}: every mistake is as high as any other in this tree, so that no order of "
            "its leaves fits better; it needs a node with some of the leaves"
        )
    better = int((trials <= found + 1e-12).sum())
    whole = p / p.sum(1, keepdims=True)
    inside = heights[None] <= (tree.depth - np.arange(1, tree.depth + 1))[:, None, None]
    separable = tuple((whole * one).sum(1).mean().item() for one in inside)
    unseen = tuple(leaf for n, leaf in enumerate(evidence.leaves) if n not in seen)
    return TreeScore(
        found,
        float(trials.mean()),
        (better + 1) / (TRIALS + 1),
        separable,
        len(seen),
        unseen,
    )


def _heights(tree: Ontology, leaves: list[str]) -> Int[ndarray, "K K"]:
    """Return the depth of the tree less that of two leaves' lowest common ancestor; 0 if equal."""
    numbers = [tree.leaves.index(leaf) for leaf in leaves]
    groups = tree.group_index[:, numbers]
    together = (groups[:, :, None] == groups[:, None, :]).sum(0) - 1
    return tree.depth - together


def _height(wrong: Float[ndarray, "K K"], heights: Int[ndarray, "K K"]) -> float:
    return float((wrong * heights).sum(1).mean() / heights.max())
