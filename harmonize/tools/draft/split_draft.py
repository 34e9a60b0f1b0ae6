"""A split as a drafted mapping writes it, by a list of the data set or by one written anew."""

from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.config.strict_yaml import Value
from harmonize.plurals import counted
from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.picture_names import Row

_NAMED = 5
"""Names left out of a list that are told."""


@dataclass(frozen=True)
class SplitDraft:
    """A split as the mapping writes it.

    Attributes:
        name: its name.
        keys: its keys, as a mapping has them.
        why: what the guess rests on.
    """

    name: str
    keys: dict[str, Value]
    why: str


def only_word(layout: FolderLayout) -> dict[str, Value]:
    """Return the keys that give the one split's word that all paths hold, if there is one."""
    words = {word for word in layout.splits if word}
    return {"fields": {"split": next(iter(words))}} if len(words) == 1 else {}


def by_new_list(
    layout: FolderLayout, split: str, rows: Sequence[Row], file: str, source: str
) -> tuple[SplitDraft, str]:
    """Make a split of a list that is written beside the mapping; return its text as well.

    Args:
        layout: whose fields the list gives.
        split: its name.
        rows: the fields of its pictures.
        file: the list's name.
        source: the file that tells the split.
    """
    keys: dict[str, Value] = {"list": file}
    columns = list(layout.fields.columns)
    if columns != ["id"] or any(" " in value for row in rows for value in row):
        keys |= {"columns": list[Value](columns), "separator": "\t"}
    text = "".join("\t".join(row) + "\n" for row in rows)
    why = f"guess: {counted(len(rows), 'picture')}, by {source}"
    return SplitDraft(split, keys | only_word(layout), why), text


def left_out(source: str, names: Sequence[str], number: int, file: str) -> str:
    """Say which names of a file are not in the list written of it."""
    shown = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    verb = "names" if len(names) == 1 else "name"
    return (
        f"TODO: {len(names)} of {number} lines of {source} {verb} no picture with a label, left "
        f"out of {file}: {shown}"
    )
