"""Which sets of leaves a run's labels separate, and so which can be answers of their own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.labels.answerable import class_leaves
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.tree_text import ROOT

# Letters of shapes: C classes, K leaves, T sets of twins.


@dataclass(frozen=True)
class Separable:
    """The sets of leaves that labels separate.

    Attributes:
        twins: sets of leaves, in file order: those that are in the same trained classes. Labels
            separate the sets, and nothing separates the leaves of one.
        untaught: leaves that no trained class has.
    """

    twins: tuple[tuple[str, ...], ...]
    untaught: tuple[str, ...]


def separable_leaves(ontology: Ontology, taught: Iterable[DatasetSpec]) -> Separable:
    """Find what the labels of data sets that are trained on separate."""
    trained = [class_leaves(ontology, spec) for spec in taught]
    classes = np.stack([mask for masks in trained for mask in masks.values()])
    sets: dict[bytes, list[str]] = {}
    untaught: list[str] = []
    for leaf, column in zip(ontology.leaves, classes.T, strict=True):
        if column.any():
            sets.setdefault(column.tobytes(), []).append(leaf)
        else:
            untaught.append(leaf)
    return Separable(tuple(map(tuple, sets.values())), tuple(untaught))


def split_by_groups(
    ontology: Ontology, separable: Separable, groups: Sequence[str]
) -> list[tuple[tuple[str, ...], Bool[ndarray, " K"]]]:
    """Return the answers that groups of leaves, which make up the tree, allow.

    A group is an answer with those of its leaves that no other group's are twins of; twins in
    several groups are an answer of their own. Untaught leaves are in none.

    Returns:
        The nodes that name each answer, and its leaves; in file order of their first leaves.
    """
    taught = _twin_masks(ontology, separable)
    answers: list[tuple[tuple[str, ...], Bool[ndarray, " K"]]] = []
    in_a_group = np.zeros(len(taught), dtype=bool)
    for node in groups:
        below = ontology.leaf_mask(node)
        in_a_group |= ~(taught & ~below).any(1)
        mask = _own(taught, below)
        if mask.any():
            answers.append(((node,), mask))
    answers += [(ontology.describe(one), one) for one in taught[~in_a_group]]
    return sorted(answers, key=lambda answer: int(answer[1].argmax()))


@dataclass(frozen=True)
class AnswerNode:
    """A node that an answer can back off to, or leaves that count as one.

    Attributes:
        nodes: of the tree.
        depth: 0 for the root, which is the first one and has all leaves.
        leaves: those that labels tell from all that is not below it.
    """

    nodes: tuple[str, ...]
    depth: int
    leaves: Bool[ndarray, " K"]


def answer_nodes(ontology: Ontology, separable: Separable) -> list[AnswerNode]:
    """Return the root and all nodes that labels tell from what is not below them.

    Leaves of several nodes that no label tells apart count as one node, a child of the lowest that
    has all of them.
    """
    answers = [AnswerNode((ROOT,), 0, np.ones(len(ontology.leaves), dtype=bool))]
    taught = _twin_masks(ontology, separable)
    for node in ontology.nodes:
        mask = _own(taught, ontology.leaf_mask(node))
        if mask.any():
            answers.append(AnswerNode((node,), ontology.depth_of(node), mask))
    for twins in separable.twins:
        mask = ontology.leaf_mask(twins)
        nodes = ontology.describe(mask)
        if len(nodes) > 1:  # else the node is there already
            answers.append(AnswerNode(nodes, _common_depth(ontology, twins), mask))
    return answers


def with_twins(
    ontology: Ontology, separable: Separable, masks: Bool[ndarray, "C K"]
) -> Bool[ndarray, "C K"]:
    """Return sets of leaves with all twins of these, and without leaves that no label has."""
    taught = [ontology.leaf_mask(twins) for twins in separable.twins]
    met = [np.outer((masks & one).any(1), one) for one in taught]
    return np.any([np.zeros_like(masks), *met], axis=0)


def _twin_masks(ontology: Ontology, separable: Separable) -> Bool[ndarray, "T K"]:
    """Return the leaves of each set of twins."""
    none = np.zeros((0, len(ontology.leaves)), dtype=bool)
    return np.concatenate([none, *(ontology.leaf_mask(one)[None] for one in separable.twins)])


def _own(taught: Bool[ndarray, "T K"], below: Bool[ndarray, " K"]) -> Bool[ndarray, " K"]:
    """Return the leaves below a node that labels tell from all that is not below it."""
    own: Bool[ndarray, " K"] = np.any(taught[~(taught & ~below).any(1)], axis=0)
    return own


def _common_depth(ontology: Ontology, leaves: Sequence[str]) -> int:
    """Return the depth right below the lowest node that has all of some leaves."""
    masks = {node: ontology.leaf_mask(node) for node in ontology.nodes}
    wanted = ontology.leaf_mask(leaves)
    above = [node for node, mask in masks.items() if not (wanted & ~mask).any()]
    return 1 + max((ontology.depth_of(node) for node in above), default=0)
