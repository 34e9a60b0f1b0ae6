"""The answers at every depth as one tree, each depth a refinement of the one above."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.separable import Separable, separable_leaves, split_by_groups

# Letters of shapes: K leaves, U units, D depths, C classes or other answers.


@dataclass(frozen=True)
class DecodingTree:
    """What a pixel can be answered as at the depths 1..D of a tree.

    Its leaves, the *units*, are the sets of leaves that labels tell apart: mostly single leaves.
    Leaves that no label names are in none.

    Attributes:
        leaves: of each unit.
        names: for each depth the nodes that name each of its groups of units; at depth D these are
            the units.
        groups: for each depth the number of the group that each unit is in; a group lies in one of
            the depth above.
        weights: for each depth what a group is worth that is right: the levels by which the lowest
            common ancestor of truth and answer lies lower than without it. Those of a unit's groups
            add up to D, the height of the root.
    """

    leaves: Bool[ndarray, "U K"]
    names: tuple[tuple[tuple[str, ...], ...], ...]
    groups: Int[ndarray, "D U"]
    weights: tuple[Float[ndarray, " _"], ...]

    @property
    def depth(self) -> int:
        """The number of depths D."""
        return len(self.groups)

    @property
    def num_units(self) -> int:
        """The number of units U."""
        return len(self.leaves)

    @property
    def parents(self) -> tuple[Int[ndarray, " _"], ...]:
        """For each depth the group above that each of its groups is in; 0 at depth 1."""
        found = [np.zeros(len(self.names[0]), dtype=np.int64)]
        for above, here in zip(self.groups[:-1], self.groups[1:], strict=True):
            parent = np.zeros(here.max() + 1, dtype=np.int64)
            parent[here] = above
            found.append(parent)
        return tuple(found)

    def masks_at(self, depth: int) -> Bool[ndarray, "C K"]:
        """Return the leaves of each group at a depth 1..D."""
        found = np.zeros((len(self.names[depth - 1]), self.leaves.shape[1]), dtype=bool)
        np.logical_or.at(found, self.groups[depth - 1], self.leaves)
        return found

    def owners(self, masks: Bool[ndarray, "C K"]) -> Int[ndarray, " U"]:
        """Return which of some answers each unit belongs to, or -1 if to none.

        An answer has the units whose leaves it all has; of several the one with the fewest leaves,
        the first among equals.
        """
        has = self.leaves.astype(np.float32) @ (~masks).T.astype(np.float32) == 0
        sizes = np.where(has, masks.sum(1), masks.shape[1] + 1)
        return np.where(has.any(1), sizes.argmin(1), -1)


def decoding_tree(ontology: Ontology, taught: Iterable[DatasetSpec] | None = None) -> DecodingTree:
    """Make the tree of answers.

    Args:
        ontology: the tree of classes.
        taught: the mappings that a network is trained on, whose labels say which leaves can be told
            apart; all can unless given.
    """
    separable = (
        Separable(tuple((leaf,) for leaf in ontology.leaves), ())
        if taught is None
        else separable_leaves(ontology, taught)
    )
    named = [
        split_by_groups(ontology, separable, ontology.nodes_at(depth))
        for depth in range(1, ontology.depth + 1)
    ]
    units = np.stack([mask for _, mask in named[-1]])
    groups: list[Int[ndarray, " U"]] = []
    for at_depth in named:
        outside = np.stack([~mask for _, mask in at_depth]).astype(np.float32)
        groups.append((units.astype(np.float32) @ outside.T == 0).argmax(1))
    names = tuple(tuple(nodes for nodes, _ in at_depth) for at_depth in named)
    return DecodingTree(units, names, np.stack(groups), _weights(ontology, units, groups))


def class_tree(masks: Bool[ndarray, "C K"]) -> DecodingTree:
    """Make a tree of one depth, whose units are sets of leaves that share none.

    Empty sets are no units. The most probable unit is then the set whose leaves have the most
    probability together.
    """
    units = masks[masks.any(1)]
    number = len(units)
    names = tuple((str(place),) for place in range(number))
    return DecodingTree(units, (names,), np.arange(number)[None], (np.ones(number),))


def _weights(
    ontology: Ontology, units: Bool[ndarray, "U K"], groups: Sequence[Int[ndarray, " U"]]
) -> tuple[Float[ndarray, " _"], ...]:
    """Return by how much each group's height is below that of the one above."""
    depths = np.array([ontology.depth_of(leaf) for leaf in ontology.leaves])
    deepest = np.where(units, depths, 0).max(1)
    above = np.full(len(units), float(ontology.depth))
    found: list[Float[ndarray, " _"]] = []
    for depth, group in enumerate(groups, 1):
        lowest, number = np.zeros(group.max() + 1), np.bincount(group)
        np.maximum.at(lowest, group, deepest)
        height = np.where(number > 1, lowest - depth, 0.0)
        weight = np.zeros(len(height))
        weight[group] = above - height[group]
        above = height[group]
        found.append(weight)
    return tuple(found)
