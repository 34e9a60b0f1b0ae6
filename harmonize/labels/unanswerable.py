"""Which classes of a data set are not scored, because a run's labels do not teach them."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.labels.answerable import class_leaves, name_leaves, unanswerable
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.scored_classes import answers_for
from harmonize.labels.sources import Sources, serves

# Letters of shapes: K leaves.

_SHOWN = 3
"""Reasons that an error lists."""


def without_choice(ontology: Ontology, specs: Sequence[DatasetSpec]) -> str:
    """Say why the classes of some data sets teach nothing together; empty if they do.

    That is so where one leaf is among those of every class: answered everywhere, it is never wrong.
    """
    masks = {
        (spec.name, name): mask
        for spec in specs
        for name, mask in class_leaves(ontology, spec).items()
    }
    common: Bool[ndarray, " K"] = np.all([*masks.values()], axis=0)
    if not masks or not common.any():
        return ""
    names = list(dict.fromkeys(name for _, name in masks))
    if len(names) == 1:
        return f"only {names[0]!r} can be answered, so every score is 100; give the rest a node"
    return (
        f"every class may be {name_leaves(ontology, common)}, so answering that everywhere is "
        "never wrong; give classes nodes that the others do not have"
    )


def unscorable(sources: Sources, specs: Iterable[DatasetSpec]) -> list[str]:
    """Return a problem for each data set of which a run's network can answer no class."""
    problems: list[str] = []
    for spec in specs:
        if not spec.has_labels:
            problems.append(
                f"{spec.name}: has no labels to score by; `harmonize calibrate RUN_DIR "
                "--unlabelled` estimates without"
            )
            continue
        answers = answers_for(sources.ontology, sources.space.specs, spec)
        reasons = [f"{name}: {reason}" for name, reason in unanswerable(answers).items()]
        if len(reasons) == len(answers):
            more = "; ..." if len(reasons) > _SHOWN else ""
            problems.append(
                f"{spec.name}: cannot be scored: what is trained on teaches none of its classes "
                f"({'; '.join(reasons[:_SHOWN]) + more or 'it ignores all'}); leave it out, or see "
                "`harmonize transfer CONFIG` on a config that scores it"
            )
    return problems


def unscorable_in_all(sources: Sources, specs: Iterable[DatasetSpec]) -> list[str]:
    """Return a problem for each data set of which no class can be answered in any tree of a run."""
    if not sources.trees:
        return unscorable(sources, specs)
    problems: list[str] = []
    for spec in specs:
        serving = [its for _, its in sources.of_trees if serves(spec, its.ontology)]
        each = [unscorable(its, [spec]) for its in serving]
        if all(each):
            names = " nor ".join(tree.name for tree in sources.trees)
            problems += each[0] if each else [f"{spec.name}: says nothing about {names}"]
    return problems
