"""How bad mistakes are: how far up the tree truth and answer meet."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from harmonize.labels.ontology import Ontology

# Letters of shapes: C classes, K leaves, M nodes of the tree without the root.


@dataclass(frozen=True)
class Mistakes:
    """How far from the truth answers are, on the tree. NaN where there is nothing to measure.

    Attributes:
        lca_height: mean height of the lowest common ancestor of truth and answer over the wrong
            pixels, in levels: 1 for two leaves of one parent of leaves, D for the root of the tree
            (Bertinetto et al., "Making Better Mistakes", 2020).
        precision: hierarchical precision, in [0, 1]: of the nodes that answers claim, themselves
            and all their ancestors but the root, the share that is true of the pixel (Kiritchenko
            et al., 2006).
        recall: hierarchical recall, in [0, 1]: of the nodes that are true of pixels, the share that
            their answers claim.
        f: their harmonic mean, in [0, 1].
    """

    lca_height: float
    precision: float
    recall: float
    f: float


@dataclass(frozen=True)
class Kinship:
    """How classes lie to each other on a tree.

    A class that means a single node is that node. One that means several counts as a node of its
    own, right below the lowest node that has all its leaves.

    Attributes:
        height: of the lowest common ancestor of two classes, in levels.
        common: the nodes, the root not counted, that two classes have in common, themselves and
            their ancestors; of a class with itself: all it has.
    """

    height: Int[ndarray, "C C"]
    common: Int[ndarray, "C C"]


def kinship(ontology: Ontology, masks: Bool[ndarray, "C K"]) -> Kinship:
    """Say how classes lie to each other.

    Args:
        ontology: the tree.
        masks: the leaves of each class, at least one each.
    """
    nodes = [ontology.leaf_mask(node) for node in ontology.nodes]
    below = np.stack(nodes).astype(np.float32)  # (M, K); whole numbers, and fast to multiply
    depths = np.array([ontology.depth_of(node) for node in ontology.nodes])
    heights = np.array([_height(ontology, mask) for mask in nodes]) - depths
    has = masks.astype(np.float32) @ (1 - below).T == 0  # (C, M): the node has all the leaves
    is_node = (has & (masks.sum(1)[:, None] == below.sum(1))).any(1)
    common = has.astype(np.int64) @ has.T.astype(np.int64)
    common[np.diag_indices_from(common)] += ~is_node
    height = np.full(common.shape, ontology.depth)  # the root's
    for node in np.argsort(depths, kind="stable").tolist():  # the deepest common one stays
        both = has[:, node][:, None] & has[:, node]
        height[both] = heights[node]
    return Kinship(height, common)


def mistakes(confusion: Int[Tensor, "C C"], relations: Kinship) -> Mistakes:
    """Measure the mistakes in a confusion matrix by true class (row) and answer (column)."""
    counts = confusion.double().cpu()
    common = torch.as_tensor(relations.common).double()
    shared = (counts * common).sum()
    claimed = (counts.sum(0) * common.diagonal()).sum()
    true = (counts.sum(1) * common.diagonal()).sum()
    wrong: Float[Tensor, "C C"] = counts - counts.diagonal().diag()
    height = (wrong * torch.as_tensor(relations.height)).sum() / wrong.sum()
    return Mistakes(
        lca_height=height.item(),
        precision=(shared / claimed).item(),
        recall=(shared / true).item(),
        f=(2 * shared / (claimed + true)).item(),
    )


def _height(ontology: Ontology, mask: Bool[ndarray, " K"]) -> int:
    """Return the depth of the deepest leaf of a set."""
    return max(ontology.depth_of(ontology.leaves[leaf]) for leaf in np.flatnonzero(mask).tolist())
