"""What can be wrong with the trees that a config names, and with keys that are given by tree."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harmonize.config.strict_yaml import Document, KeyPath
from harmonize.errors import near_matches

if TYPE_CHECKING:
    from harmonize.config.data_config import DatasetEntry
    from harmonize.config.run_config import RunConfig


def config_of_tree(
    config: "RunConfig",
    name: str,
    trained: Sequence["DatasetEntry"],
    also: Sequence["DatasetEntry"],
) -> "RunConfig":
    """Return the config of one of several trees, as if the run had no other.

    Args:
        config: of the run.
        name: of the tree.
        trained: those of the config's ``datasets`` that say something about the tree.
        also: those of its ``evaluate_also`` that do.
    """
    (path,) = (one for one in config.ontologies if Path(one).stem == name)
    entries = [
        tuple(dataclasses.replace(one, max_depth=one.depth_in(name)) for one in these)
        for these in (trained, also)
    ]
    return dataclasses.replace(
        config,
        ontology=path,
        ontologies=(),
        datasets=entries[0],
        evaluate_also=entries[1],
        loss=dataclasses.replace(config.loss.of_tree(name), ontology_weights=None),
    )


def without_ontology(document: Document) -> list[str]:
    """Return what is wrong if a config names no tree at all."""
    if document.get(("ontology",)) is None and document.get(("ontologies",)) is None:
        return [f"{document.where(())}: the key 'ontology' is missing; add it"]
    return []


def about_ontologies(config: "RunConfig", document: Document) -> list[str]:
    """Return what is wrong with the keys that name trees, and with those that are given by tree."""
    number = len(config.ontologies)
    weights = config.loss.ontology_weights
    if config.ontology and number:
        where = document.where(("ontologies",))
        return [f"{where}: ontology is given too; remove one of them"]
    if not config.ontology and not number:
        return [f"{document.where(())}: the key 'ontology' is missing; add it"]
    if not number:
        where = document.where(("loss", "ontology_weights"))
        problems = (
            [f"{where}: belongs to ontologies; remove the key"] if weights is not None else []
        )
        return [*problems, *_by_tree_of_one(config, document)]
    if number == 1:
        where, only = document.where(("ontologies",)), config.ontologies[0]
        return [f"{where}: are two trees or more; of one say ontology: {only}"]
    problems = []
    if weights is not None and len(weights) != number:
        where = document.where(("loss", "ontology_weights"))
        problems.append(f"{where}: needs {number} weights, one for each tree, got {len(weights)}")
    return [*problems, *_not_by_tree(config, document)]


def _given_by_tree(config: "RunConfig") -> Iterator[tuple[KeyPath, object, str]]:
    """Yield each key that is given by tree where there are several, and an example of a value."""
    yield ("loss", "depth_weights"), config.loss.depth_weights, "[1, 2]"
    for number, entry in enumerate(config.datasets):
        yield ("datasets", number, "max_depth"), entry.max_depth, "1"


def _by_tree_of_one(config: "RunConfig", document: Document) -> Iterator[str]:
    """Say which keys are given by tree, though there is one tree."""
    for key, value, example in _given_by_tree(config):
        if isinstance(value, dict):
            yield (
                f"{document.where(key)}: is given by tree, and the run has one; "
                f"write {key[-1]}: {example}"
            )


def _not_by_tree(config: "RunConfig", document: Document) -> Iterator[str]:
    """Say which keys are not given by tree, or name another one."""
    names = [Path(path).stem for path in config.ontologies]
    for key, value, example in _given_by_tree(config):
        if isinstance(value, dict):
            for name in value:
                if name not in names:
                    where = document.where((*key, name))
                    yield f"{where}: the run has no tree {name!r}; {near_matches(name, names)}"
        elif value is not None:
            yield (
                f"{document.where(key)}: the run has several trees ({', '.join(names)}); "
                f"write it by tree, such as {key[-1]}: {{{names[0]}: {example}}}"
            )
