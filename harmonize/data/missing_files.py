"""What a split lacks: files that are not there, and labels that are not in their file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.plurals import counted

_NAMED = 3
"""Missing files or labels that are named."""


@dataclass
class MissingFiles:
    """Files that are not there: how many, of how many pictures, and the first of them.

    ``listed`` says whether the pictures are from a list.
    """

    listed: bool = False
    number: int = 0
    pictures: int = 0
    first: list[str] = field(default_factory=list[str])
    backslashes: bool = False

    def add(self, files: Sequence[str]) -> None:
        self.number += len(files)
        self.pictures += bool(files)
        self.first += files[: max(_NAMED - len(self.first), 0)]
        self.backslashes |= any("\\" in file for file in files)

    def count(self, name: str, total: int) -> str:
        """Say how many files of a data set are missing, and of how many pictures if of fewer."""
        if self.number == 1:
            return f"1 file of {name} is"
        if self.number == self.pictures:
            return f"{self.number} files of {name} are"
        of_all = f"{self.pictures} of {counted(total, 'picture')}"
        return f"{self.number} files of {name}, for {of_all}, are"

    def describe(self, total: int) -> str:
        """Name the first files, and say what to do; ``total`` is the number of pictures."""
        shown = ", ".join(self.first) + (", ..." if self.number > _NAMED else "")
        if self.backslashes:
            return (
                f"{shown}; the list has backslashes, which are no separators here: write / in "
                "their place"
            )
        check = f"{shown}; check data.roots and the mapping's `picture` and `label`"
        if self.pictures == total:
            return check
        what = "the picture" if self.pictures == 1 else "these pictures"
        way = f"take {what} off the list" if self.listed else f"leave {what} out of the split"
        return f"{check}, or {way}"


@dataclass
class UnlocatedLabels:
    """Labels that files which hold many do not have, or why these cannot be read."""

    lines: dict[str, None] = field(default_factory=dict[str, None])

    def has_label(self, spec: DatasetSpec, root: Path, label: str) -> bool:
        """Say whether a label is in its file; note why not."""
        try:
            spec.encoding.locate(root, label)
        except HarmonizeError as error:
            self.lines |= dict.fromkeys(error.problems)
            return False
        return True

    def problems(self, where: str) -> list[str]:
        """Return a line for each of the first, and one for the rest."""
        lines = list(self.lines)
        rest = len(lines) - _NAMED
        more = counted(rest, "more label is", "more labels are")
        more = f"{where}: {more} not found; list the pictures that have one"
        return [*lines[:_NAMED], *([more] if rest > 0 else [])]
