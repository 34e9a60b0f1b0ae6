"""What mappings and configs say that is rarely meant, seen without any picture."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.config.accept import ALL, Accepted
from harmonize.config.strict_yaml import Document
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.same_meaning import same_meaning, say_merged, short_name
from harmonize.labels.scored_classes import answers_for
from harmonize.labels.tree_lint import Finding
from harmonize.labels.unanswerable import without_choice
from harmonize.plurals import counted, plural

# Letters of shapes: C classes, K leaves.

STATIC = ("whole-tree", "shared-leaves", "partly-labelled", "one-answer")
"""The findings of a mapping that need no pictures."""
_SHOWN = 3
"""Names that a finding lists."""


def mapping_findings(spec: DatasetSpec, ontology: Ontology, accepted: Accepted) -> list[Finding]:
    """Find classes that teach nothing or cannot be told apart, and nodes labelled in part."""
    if not spec.has_labels:
        return []
    masks = spec.leaf_masks(ontology)
    return [
        *_whole_tree(spec, ontology, masks, accepted),
        *_shared_leaves(spec, ontology, masks, accepted),
        *_partly_labelled(spec, ontology, masks, accepted),
    ]


def answer_notes(
    spec: DatasetSpec, ontology: Ontology, trained: Sequence[DatasetSpec]
) -> list[str]:
    """Say which classes are answered as one, and which by other leaves than they mean."""
    if not spec.has_labels:
        return []
    notes = [line for line in [say_merged(ontology, spec)] if line]
    if spec.answers == "approximate":
        merged = same_meaning(ontology, spec).merged
        notes += [
            f"{spec.name}: {short_name(one.name, merged)}: "
            f"{'left out, ' if one.status != 'answerable' else ''}{one.reason}"
            for one in answers_for(ontology, trained, spec)
            if one.reason
        ]
    return notes


def one_answer(spec: DatasetSpec, ontology: Ontology, accepted: Accepted) -> list[Finding]:
    """Find that a data set alone teaches nothing, as one answer is never wrong."""
    problem = without_choice(ontology, [spec])
    if not problem or accepted.has("one-answer"):
        return []
    text = f"{problem}, or train on it only beside a set that labels the rest"
    return [Finding("one-answer", spec.document.where(("meaning", ontology.name)), text, (ALL,))]


def _whole_tree(
    spec: DatasetSpec, ontology: Ontology, masks: Bool[ndarray, "C K"], accepted: Accepted
) -> list[Finding]:
    return [
        Finding(
            "whole-tree",
            spec.document.where(("meaning", ontology.name, name)),
            f"{name!r} means every leaf of the tree, which teaches nothing; "
            "map it to `ignore`, or to the nodes that it can be",
            (name,),
        )
        for name, mask in zip(spec.classes, masks, strict=True)
        if mask.all() and len(mask) > 1 and not accepted.has("whole-tree", name)
    ]


def _shared_leaves(
    spec: DatasetSpec, ontology: Ontology, masks: Bool[ndarray, "C K"], accepted: Accepted
) -> list[Finding]:
    """Find classes that overlap; those of one meaning are one class, which is no finding."""
    if spec.answers == "approximate":  # which are notes
        return []
    findings: list[Finding] = []
    names = list(spec.classes)
    if len(ontology.leaves) > 1:
        masks = masks & ~masks.all(1, keepdims=True)  # the whole tree is told as such
    owners = np.ascontiguousarray(masks.T)  # so that a leaf's classes lie together
    for number, name in enumerate(names):
        before = owners[np.flatnonzero(masks[number]), :number]
        places = [
            place
            for place in np.flatnonzero(before.any(0)).tolist()
            if not accepted.has("shared-leaves", name, names[place])
            and (masks[place] != masks[number]).any()
        ]
        if not places:
            continue
        others = [repr(names[place]) for place in places[:_SHOWN]]
        others += [f"{len(places) - _SHOWN} more"] if len(places) > _SHOWN else []
        nodes = " + ".join(ontology.describe(masks[places].any(0) & masks[number]))
        findings.append(
            Finding(
                "shared-leaves",
                spec.document.where(("meaning", ontology.name, name)),
                f"{name!r} shares {nodes} with {', '.join(others)}, so the network "
                "cannot answer which of them it sees; give each its own nodes",
                (name,),
            )
        )
    return findings


def _partly_labelled(
    spec: DatasetSpec, ontology: Ontology, masks: Bool[ndarray, "C K"], accepted: Accepted
) -> list[Finding]:
    covered: Bool[ndarray, " K"] = np.logical_or.reduce(masks)
    findings: list[Finding] = []
    for node in ontology.nodes:
        children = ontology.children(node)
        labelled = [child for child in children if covered[ontology.leaf_mask(child)].any()]
        never = [child for child in children if child not in labelled]
        if not labelled or not never or accepted.has("partly-labelled", node):
            continue
        findings.append(
            Finding(
                "partly-labelled",
                spec.document.where(("meaning", ontology.name)),
                f"of {node!r}, {spec.name} labels {', '.join(labelled)} and never "
                f"{', '.join(never)}; {_advice(spec, ontology, masks, node, never)}",
                (node,),
            )
        )
    return findings


def _advice(
    spec: DatasetSpec,
    ontology: Ontology,
    masks: Bool[ndarray, "C K"],
    node: str,
    never: Sequence[str],
) -> str:
    """Say what to do about nodes that no class has, if pictures show them.

    Only where one class alone may hold one node alone is its meaning written as an example: of
    several nodes, each may belong to another class, and all to none.
    """
    below = ontology.leaf_mask(node)
    pairs = zip(spec.classes, masks, strict=True)
    holders = {name: mask for name, mask in pairs if (mask & below).any()}
    if len(never) == len(holders) == 1:
        ((name, mask),) = holders.items()
        nodes = ", ".join((*ontology.describe(mask), *never))
        return (
            "if its pictures show these, map the class that holds them to a set of nodes: "
            f"`{name}: [{nodes}]`"
        )
    named = [*holders][:_SHOWN] if len(holders) <= _SHOWN else [*holders][: _SHOWN - 1]
    more = len(holders) - len(named)
    others = f"one of {more} more" if more else "another"
    shown = "it" if len(never) == 1 else "some of these"
    which = "it" if len(never) == 1 else "each"
    return (
        f"if its pictures show {shown}, add {which} to the nodes of the class that holds it: "
        f"{', '.join(named)} or {others}"
    )


def config_findings(
    ontology: Ontology, trained: Sequence[DatasetSpec], accepted: Accepted, document: Document
) -> list[Finding]:
    """Find the leaves that no class of the trained sets means alone."""
    masks = np.concatenate([spec.leaf_masks(ontology) for spec in trained if spec.has_labels])
    labelled = masks.any(0)
    alone = masks[masks.sum(1) == 1].any(0)
    findings: list[Finding] = []
    groups = {
        "labelled by no data set, so the network never learns them": ~labelled,
        "labelled only together with others, so nothing says which of these a pixel is": (
            labelled & ~alone
        ),
    }
    for text, group in groups.items():
        leaves = [ontology.leaves[leaf] for leaf in np.flatnonzero(group)]
        named = [leaf for leaf in leaves if not accepted.has("unsupervised", leaf)]
        if named:
            are = plural(len(named), "is", "are")
            number = f"{len(named)} of {counted(len(ontology.leaves), 'leaf', 'leaves')}"
            what = f"{number} {are} {text}: {', '.join(named)}"
            advice = "; add a data set that has them, or use a tree without"
            where = document.where(("datasets",))
            findings.append(Finding("unsupervised", where, what + advice, tuple(named)))
    return findings
