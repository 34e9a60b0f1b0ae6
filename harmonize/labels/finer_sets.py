"""The sets of leaves that a label can become once more is known about a pixel."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.labels.ontology import Ontology
from harmonize.labels.separable import AnswerNode

# Letters of shapes: C labels, N sets, M sets of one label, K leaves.

_NAMED = 4
"""Nodes that the name of a set lists."""


@dataclass(frozen=True)
class FinerSets:
    """What each of some labels can become.

    Attributes:
        masks: the leaves of each set, no two alike.
        choices: of each label the numbers of the sets that it can become, the first its own; none
            for a label without leaves.
        depths: of each label, how deep in the tree each of these lies; its own is -1.
    """

    masks: Bool[ndarray, "N K"]
    choices: tuple[tuple[int, ...], ...]
    depths: tuple[tuple[int, ...], ...]

    def is_finest(self, label: int) -> Bool[ndarray, " M"]:
        """Mark those sets of a label that hold no other of its sets."""
        masks = self.masks[list(self.choices[label])]
        outside = (~masks).astype(np.float32) @ masks.T.astype(np.float32)  # of (outer, inner)
        holds: Bool[ndarray, "M M"] = (outside == 0) & ~np.eye(len(masks), dtype=bool)
        return ~np.logical_or.reduce(holds, axis=1)


def finer_sets(
    ontology: Ontology, nodes: list[AnswerNode], labels: Bool[ndarray, "C K"]
) -> FinerSets:
    """Find what labels can become: the parts of them that lie below a node.

    Of a label S and a node with the leaves T that is S and T, where it is neither empty nor S; two
    nodes may give the same set, which is then as deep as the deeper one.

    Args:
        ontology: the tree.
        nodes: that a network can answer, the root's among them: ``answer_nodes``.
        labels: the leaves of each label.
    """
    number_of: dict[bytes, int] = {}
    masks: list[Bool[ndarray, " K"]] = []

    def number(mask: Bool[ndarray, " K"]) -> int:
        if mask.tobytes() not in number_of:
            number_of[mask.tobytes()] = len(masks)
            masks.append(mask)
        return number_of[mask.tobytes()]

    choices: list[tuple[int, ...]] = []
    depths: list[tuple[int, ...]] = []
    for label in labels:
        found: dict[int, int] = {number(label): -1} if label.any() else {}
        for node in nodes:
            part = node.leaves & label
            if part.any() and (part != label).any():
                one = number(part)
                found[one] = max(node.depth, found.get(one, 0))
        choices.append(tuple(found))
        depths.append(tuple(found.values()))
    stacked = np.stack(masks) if masks else np.zeros((0, len(ontology.leaves)), dtype=bool)
    return FinerSets(stacked, tuple(choices), tuple(depths))


def names_of(ontology: Ontology, masks: Bool[ndarray, "N K"]) -> list[str]:
    """Name sets of leaves by their nodes, each name once: ``nose``, ``face+ears``."""
    names: list[str] = []
    for mask in masks:
        nodes = ontology.describe(mask)
        name = "+".join(nodes if len(nodes) <= _NAMED + 1 else nodes[:_NAMED])
        if len(nodes) > _NAMED + 1:
            name += f"+{len(nodes) - _NAMED}_more"
        names.append(name if name not in names else f"{name}_{len(names)}")
    return names
