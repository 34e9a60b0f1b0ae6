"""Several trees on the same pictures as one, whose leaves lie side by side.

Targets, the network's channels and checkpoints have all leaves, tree after tree. The loss, the
scores and the answers are each tree's own.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.errors import HarmonizeError, raise_all
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.target_space import TargetSpace
from harmonize.labels.tree_text import LEFT, MIRROR, WAS

# Letters of shapes: N codes and those up to ignore.


def join_trees(trees: Sequence[Ontology]) -> Ontology:
    """Return one tree with the nodes of several, tree after tree.

    Raises:
        HarmonizeError: two of them share a name or a node, or read left and right differently.
    """
    problems: list[str] = []
    for number, tree in enumerate(trees):
        for other in trees[:number]:
            if tree.name == other.name:
                problems.append(f"ontologies: two trees are called {tree.name!r}; rename a file")
                continue
            problems += [
                f"{tree.places[node]}: {other.name} has a node {node!r} as well; name one of them "
                "otherwise, as both are trained together"
                for node in tree.nodes
                if node in other.places
            ]
            if tree.left != other.left:
                problems.append(
                    f"{tree.name}: left is the {tree.left}'s, and the {other.left}'s in "
                    f"{other.name}; declare the same in both (@left)"
                )
    raise_all(problems)
    lines = [f"{LEFT} {trees[0].left}"]
    for tree in trees:
        lines += ["\t" * (tree.depth_of(node) - 1) + node for node in tree.nodes]
        for leaf, other in zip(tree.leaves, tree.mirror.tolist(), strict=True):
            image = tree.leaves[other]
            if leaf in tree.mirror_declared and leaf <= image:
                lines.append(" ".join(dict.fromkeys((MIRROR, leaf, image))))
        lines += [" ".join((WAS, node, *names)) for node, names in tree.former.items()]
    return Ontology("\n".join(lines) + "\n", name="+".join(tree.name for tree in trees))


def join_meanings(spec: DatasetSpec, trees: Sequence[Ontology], joined: Ontology) -> DatasetSpec:
    """Return a mapping that also says what its classes mean in all trees together.

    A class that means nothing in one of them is unlabelled there.

    Raises:
        HarmonizeError: the mapping serves none of the trees, or names nodes that they do not have.
    """
    if not spec.has_labels:
        return spec
    served = [tree for tree in trees if tree.name in spec.meaning]
    if not served:
        names = " nor ".join(tree.name for tree in trees)
        where = spec.document.where(("meaning",))
        raise HarmonizeError(f"{where}: says nothing about {names}; add meaning.{trees[0].name}")
    for tree in served:
        spec.leaf_masks(tree)
    meaning = {
        name: tuple(node for tree in served for node in spec.meaning[tree.name][name])
        for name in spec.classes
    }
    return dataclasses.replace(spec, meaning={**spec.meaning, joined.name: meaning})


def own_codes(joined: TargetSpace, span: slice, own: TargetSpace) -> Int[ndarray, " N"]:
    """Return for each code of a joined space the code of what it means in one of the trees.

    Args:
        joined: whose leaves are those of the trees one after the other.
        span: the leaves of this tree.
        own: the space of this tree alone, which gives codes to what has none yet.
    """
    found = np.full(joined.ignore + 1, own.ignore, dtype=np.int32)
    for code, mask in enumerate(joined.masks):
        part = mask[span]
        if part.any():
            found[code] = own.code(own.ontology.describe(part))
    return found
