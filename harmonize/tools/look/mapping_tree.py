"""The tree that a mapping is shown on."""

from pathlib import Path

from harmonize.config.run_config import find_file
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.tree_file import find_tree


def tree_of(spec: DatasetSpec, mapping: Path, given: Path | None) -> Ontology:
    """Return the tree that is given, or the first of a mapping's trees that is found.

    They are looked for as by ``harmonize check``.

    Raises:
        HarmonizeError: there is none.
    """
    if not spec.has_labels:
        raise HarmonizeError(f"{mapping}: has no labels to look at")
    if given is not None:
        return Ontology.from_file(find_file(str(given)))
    for name in spec.meaning:
        found = find_tree(name, mapping)
        if found is not None:
            return Ontology.from_file(found)
    names = " or ".join(f"{name}.txt" for name in spec.meaning)
    raise HarmonizeError(f"{mapping}: its tree {names} is not found; say --tree FILE")
