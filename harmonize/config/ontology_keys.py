"""What can be wrong with the trees that a config names, and with what several cannot have."""

from pathlib import Path
from typing import TYPE_CHECKING

from harmonize.config.strict_yaml import Document, KeyPath

if TYPE_CHECKING:
    from harmonize.config.run_config import RunConfig


def without_ontology(document: Document) -> list[str]:
    """Return what is wrong if a config names no tree at all."""
    if document.get(("ontology",)) is None and document.get(("ontologies",)) is None:
        return [f"{document.where(())}: the key 'ontology' is missing; add it"]
    return []


def about_ontologies(config: "RunConfig", document: Document) -> list[str]:
    """Return what is wrong with the keys that name trees, and with keys that several refuse."""
    number = len(config.ontologies)
    weights = config.loss.ontology_weights
    if config.ontology and number:
        where = document.where(("ontologies",))
        return [f"{where}: ontology is given too; remove one of them"]
    if not config.ontology and not number:
        return [f"{document.where(())}: the key 'ontology' is missing; add it"]
    if not number:
        where = document.where(("loss", "ontology_weights"))
        return [f"{where}: belongs to ontologies; remove the key"] if weights is not None else []
    if number == 1:
        where, only = document.where(("ontologies",)), config.ontologies[0]
        return [f"{where}: are two trees or more; of one say ontology: {only}"]
    problems: list[str] = []
    if weights is not None and len(weights) != number:
        where = document.where(("loss", "ontology_weights"))
        problems.append(f"{where}: needs {number} weights, one for each tree, got {len(weights)}")
    names = ", ".join(Path(path).stem for path in config.ontologies)
    problems += [
        f"{document.where(key)}: is for one tree, and the run has several ({names}); remove the key"
        for key, given in _of_one_tree(config).items()
        if given
    ]
    return problems


def _of_one_tree(config: "RunConfig") -> dict[KeyPath, bool]:
    """Say of each key that several trees refuse whether it is given."""
    loss, train = config.loss, config.train
    return {
        ("loss", "depth_weights"): loss.depth_weights is not None,
        ("loss", "depth_schedule"): loss.depth_schedule != "constant",
        ("loss", "balance"): loss.balance != "none",
        ("train", "complete"): train.complete is not None,
        ("train", "start_from"): train.start_from is not None,
        **{
            ("datasets", number, "max_depth"): entry.max_depth is not None
            for number, entry in enumerate(config.datasets)
        },
    }
