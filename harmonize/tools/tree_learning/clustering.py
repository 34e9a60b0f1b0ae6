"""A tree made from what a network finds alike: the leaves that it confuses lie close together."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.cluster.hierarchy import linkage  # pyright: ignore[reportMissingTypeStubs]
from scipy.spatial.distance import squareform  # pyright: ignore[reportMissingTypeStubs]

from harmonize.labels.ontology import Ontology
from harmonize.tools.tree_learning.evidence import Evidence

# Letters of shapes: K leaves, U units (leaves, or groups of them that stay together).

_TINY = 1e-9


def distances(evidence: Evidence) -> Float[ndarray, "K K"]:
    """Return how unlike leaves are to a network, from 0 on; leaves without pixels are furthest.

    Two signs are added up, each as a z-score over all pairs. *Confusion*: the mean probability of
    one leaf where the label is the other, as a ratio to the mean over all leaves (else whatever is
    often answered would be like everything), its logarithm averaged over both directions.
    *Profile*: the correlation of the two leaves' mean log-probabilities over all other leaves: what
    lies alike in the network's last features is like and unlike the same things.
    """
    seen = np.array(evidence.seen)
    p = evidence.probabilities[np.ix_(seen, seen)]
    logs = evidence.logarithms[np.ix_(seen, seen)]
    number = len(seen)
    others = ~np.eye(number, dtype=bool)
    usual = (p.sum(0) - np.diag(p)) / (number - 1)
    confusion = np.log((p + _TINY) / (usual + _TINY))
    confusion = (confusion + confusion.T) / 2
    likeness = _z(confusion, others)
    if number > 3:
        likeness = likeness + _z(_profiles(logs), others)
    largest = likeness[others].max()
    found = np.full((len(evidence.leaves),) * 2, largest - likeness[others].min())
    found[np.ix_(seen, seen)] = largest - likeness
    np.fill_diagonal(found, 0)
    return found


def _profiles(logs: Float[ndarray, "K K"]) -> Float[ndarray, "K K"]:
    """Correlate the rows of each pair over the leaves that are neither of it."""
    number = len(logs)
    centred = logs - logs.mean(0)
    found = np.zeros((number, number))
    for one in range(number):
        for other in range(one):
            rest = [k for k in range(number) if k not in (one, other)]
            a, b = centred[one, rest], centred[other, rest]
            a, b = a - a.mean(), b - b.mean()
            norm = np.sqrt((a @ a) * (b @ b))
            found[one, other] = found[other, one] = a @ b / norm if norm > 0 else 0
    return found


def _z(values: Float[ndarray, "K K"], others: ndarray) -> Float[ndarray, "K K"]:
    spread = values[others].std()
    return (values - values[others].mean()) / (spread if spread > 0 else 1)


@dataclass
class Node:
    """A node of a tree that is being made; a leaf has no children.

    Attributes:
        leaves: numbers of those below it.
        children: below it.
        name: given already; made from its leaves if empty.
    """

    leaves: list[int]
    children: list["Node"] = field(default_factory=list["Node"])
    name: str = ""


def cluster(units: Sequence[Node], between: Float[ndarray, "K K"], levels: int) -> list[Node]:
    """Group units in at most so many levels of nodes above them; return the topmost nodes.

    Average linkage (Sokal & Michener, 1958): the distance of two groups is the mean over the pairs
    of their units. The merges are cut where the next one is the most further away than the one
    before it: the ``levels`` largest gaps between the heights of successive merges.
    """
    if len(units) < 3 or levels < 1:
        return list(units)
    number = len(units)
    apart = np.zeros((number, number))
    for one, a in enumerate(units):
        for other, b in enumerate(units[:one]):
            mean = between[np.ix_(a.leaves, b.leaves)].mean()
            apart[one, other] = apart[other, one] = mean
    merges = linkage(squareform(apart, checks=False), method="average")
    heights = np.maximum.accumulate(merges[:, 2])
    gaps = np.diff(heights)
    cuts = sorted((np.argsort(-gaps, kind="stable")[:levels]).tolist())
    nodes: dict[int, Node] = dict(enumerate(units))
    top = set(range(number))
    for step, (left, right) in enumerate(merges[:, :2].astype(int).tolist()):
        merged = Node([*nodes[left].leaves, *nodes[right].leaves], [nodes[left], nodes[right]])
        nodes[number + step] = merged
        top = (top - {left, right}) | {number + step}
    band = {number + step: int(np.searchsorted(cuts, step)) for step in range(len(merges))}
    root = nodes[max(nodes)]
    ids = {id(node): key for key, node in nodes.items()}
    _flatten(root, ids, band)
    return root.children if band[ids[id(root)]] >= len(cuts) else [root]


def _flatten(node: Node, ids: dict[int, int], band: dict[int, int]) -> None:
    """Take out nodes between two cuts: what lies in one band is one node with many children."""
    if ids.get(id(node)) not in band:
        return
    kept: list[Node] = []
    for child in node.children:
        _flatten(child, ids, band)
        same = band.get(ids.get(id(child), -1)) == band[ids[id(node)]]
        kept += child.children if same else [child]
    node.children = kept


def learn_tree(
    evidence: Evidence,
    ontology: Ontology,
    depths: int,
    constrain: Ontology | None = None,
    words: Ontology | None = None,
) -> list[Node]:
    """Make a tree over a network's leaves, and return the nodes at its depth 1.

    Args:
        evidence: what the network finds alike.
        ontology: the network's tree; a group that it has too gets its name.
        depths: how deep the leaves may lie. Below given nodes as many levels are made anew.
        constrain: a tree over the same leaves whose nodes are all kept.
        words: a tree of any size: a group that is all of the leaves below one of its nodes is
            called as that node is.
    """
    between = distances(evidence)
    number = {leaf: n for n, leaf in enumerate(evidence.leaves)}
    if constrain is None:
        units = [Node([n], name=leaf) for leaf, n in number.items()]
        top = cluster(units, between, depths - 1)
    else:
        roots = [node for node in constrain.nodes if constrain.depth_of(node) == 1]
        top = cluster(
            [_within(node, constrain, number, between, depths) for node in roots],
            between,
            depths - constrain.depth,
        )
    _name(top, ontology, words, set(evidence.leaves) | set((constrain or ontology).nodes))
    return top


def _within(
    node: str, given: Ontology, number: dict[str, int], between: Float[ndarray, "K K"], depths: int
) -> Node:
    children = given.children(node)
    if not children:
        return Node([number[node]], name=node)
    below = [_within(child, given, number, between, depths) for child in children]
    leaves = [leaf for one in below for leaf in one.leaves]
    return Node(leaves, cluster(below, between, depths - given.depth), node)


def _name(
    nodes: Sequence[Node], ontology: Ontology, words: Ontology | None, taken: set[str]
) -> None:
    """Name the nodes that have no name: as the network's tree or ``words`` do, else by leaves."""
    known = {} if words is None else _groups(words, ontology.leaves)
    known = {key: node for key, node in known.items() if node not in taken}
    known |= {
        tuple(np.flatnonzero(ontology.leaf_mask(node)).tolist()): node for node in ontology.nodes
    }
    used: set[str] = set()

    def walk(node: Node) -> None:
        if not node.name:
            own = known.get(tuple(sorted(node.leaves)))
            made = _after(node, ontology)
            node.name = own or next(
                name
                for name in (made, *(f"{made}_{n}" for n in range(2, len(taken) + 2)))
                if name not in taken | used
            )
        used.add(node.name)
        for child in node.children:
            walk(child)

    for node in nodes:
        walk(node)


def _groups(words: Ontology, leaves: Sequence[str]) -> dict[tuple[int, ...], str]:
    """Return the deepest node of ``words`` over all of some leaves and no others, by these."""
    number = {leaf: n for n, leaf in enumerate(leaves)}
    found: dict[tuple[int, ...], str] = {}

    def walk(node: str) -> set[int]:
        below = {number[node]} if node in number else set[int]()
        for child in words.children(node):
            below |= walk(child)
        found.setdefault(tuple(sorted(below)), node)
        return below

    for node in words.nodes:
        if words.depth_of(node) == 1:
            walk(node)
    return found


def _after(node: Node, ontology: Ontology) -> str:
    names = [ontology.leaves[leaf] for leaf in sorted(node.leaves)]
    if len(names) <= 3:
        return "_or_".join(names)
    return f"{names[0]}_or_{names[1]}_or_{len(names) - 2}_more"


def tree_lines(nodes: Sequence[Node], level: int = 0) -> list[str]:
    """Return the lines of a tree file."""
    return [
        line
        for node in nodes
        for line in ("\t" * level + node.name, *tree_lines(node.children, level + 1))
    ]
