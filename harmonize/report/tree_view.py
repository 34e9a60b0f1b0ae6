"""The tree with each data set's place in it, and how well each node is told from its peers."""

from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.evaluation.saved_scores import Number, SavedScores
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.palette import Color, node_colors
from harmonize.labels.sources import Sources

MORE = "+"
"""After a class that means other nodes too."""


@dataclass(frozen=True)
class Place:
    """What a data set has to say about a node: its classes that mean it, and the node's IoU.

    Where there is none, ``why_not`` says why, unless the node is not scored.
    """

    classes: tuple[str, ...]
    iou: Number
    why_not: str


@dataclass(frozen=True)
class TreeRow:
    """A node of the tree, its depth, and each data set's place there."""

    node: str
    depth: int
    color: Color
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Tree:
    """The rows of a tree in file order, under the data sets that its columns stand for."""

    name: str
    datasets: tuple[str, ...]
    rows: tuple[TreeRow, ...]


def tree_rows(sources: Sources, scores: dict[str, SavedScores]) -> Tree:
    """Lay out a run's tree."""
    ontology, colors = sources.ontology, node_colors(sources.ontology)
    specs = sources.specs
    classes = [_classes(ontology, spec) for spec in specs]
    rows = tuple(
        TreeRow(
            node,
            ontology.depth_of(node),
            colors[node],
            tuple(
                Place(
                    tuple(meaning.get(node, ())),
                    *_iou(scores.get(spec.name), node, ontology.depth_of(node)),
                )
                for spec, meaning in zip(specs, classes, strict=True)
            ),
        )
        for node in ontology.nodes
    )
    return Tree(ontology.name, tuple(spec.name for spec in specs), rows)


def _classes(ontology: Ontology, spec: DatasetSpec) -> dict[str, Sequence[str]]:
    """Return the classes that mean each node, with a + where they mean other nodes too."""
    found: dict[str, list[str]] = {}
    for name, mask in zip(spec.classes, spec.leaf_masks(ontology), strict=True):
        nodes = ontology.describe(mask)
        for node in nodes:
            found.setdefault(node, []).append(name + (MORE if len(nodes) > 1 else ""))
    return {node: tuple(names) for node, names in found.items()}


def _iou(scores: SavedScores | None, node: str, depth: int) -> tuple[Number, str]:
    """Return a node's IoU as a group at its own depth, or why it has none."""
    for one in scores.depths if scores else ():
        if one.depth == depth and node in one.iou:
            if one.is_alone:
                return None, "no other is scored at its depth, so that answering it is never wrong"
            return one.iou[node], "in neither truth nor answers"
    return None, ""
