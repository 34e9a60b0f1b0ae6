"""The trees that mappings meant before they were joined: copied beside them, where that helps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.config.strict_yaml import read_text
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.tree_file import find_tree


@dataclass(frozen=True)
class OtherTrees:
    """What becomes of the other trees of mappings that are written to another folder.

    Attributes:
        copies: texts of those that would not be found from there, by name.
        lost: by data set, those that have no file, or one that another set's takes the place of.
    """

    copies: dict[str, str] = field(default_factory=dict[str, str])
    lost: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def notes(self, output: Path) -> list[str]:
        """Say which meanings the mappings in a folder leave out."""
        return [
            f"{output}/{name}.yaml: leaves out what classes mean on {', '.join(trees)}, of which "
            "no file is found"
            for name, trees in self.lost.items()
            if trees
        ]


def other_trees(
    specs: Sequence[DatasetSpec], mappings: Sequence[Path], output: Path, *, own: str, made_by: str
) -> OtherTrees:
    """Find the trees of mappings besides the one that they are joined upon.

    Args:
        specs: the mappings.
        mappings: their files.
        output: the folder that they are written to.
        own: the name of the joined tree.
        made_by: stands in every copy.

    Raises:
        HarmonizeError: a tree cannot be read.
    """
    found = OtherTrees()
    for spec, mapping in zip(specs, mappings, strict=True):
        lost = found.lost.setdefault(spec.name, [])
        for name in spec.meaning:
            source = None if name == own else find_tree(name, mapping)
            there = find_tree(name, output / mapping.name)
            if source is None:
                lost += [name] if name != own else []
            elif there is None or not there.samefile(source):
                text = f"# A copy, by {made_by}.\n{read_text(source)}"
                if found.copies.setdefault(name, text) != text:
                    lost.append(name)
    return found
