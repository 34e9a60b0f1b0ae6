"""The tree that a mapping is shown on."""

from pathlib import Path

from harmonize.config.run_config import find_file
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology


def tree_of(spec: DatasetSpec, mapping: Path, given: Path | None) -> Ontology:
    """Return the tree that is given, or the first of a mapping's trees that is found.

    They are looked for beside the mapping, then among the shipped ones.

    Raises:
        HarmonizeError: there is none.
    """
    if not spec.has_labels:
        raise HarmonizeError(f"{mapping}: has no labels to look at")
    if given is not None:
        return Ontology.from_file(find_file(str(given)))
    for name in spec.meaning:
        for place in (mapping.parent / f"{name}.txt", find_file(f"trees/{name}.txt")):
            if place.is_file():
                return Ontology.from_file(place)
    names = " or ".join(f"{name}.txt" for name in spec.meaning)
    raise HarmonizeError(f"{mapping}: its tree {names} is not found; say --tree FILE")
