"""The path templates of pictures and labels, from groups of files that belong together."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from harmonize.errors import HarmonizeError
from harmonize.labels.path_template import Template
from harmonize.tools.draft.file_groups import BREAK, CLASS, File, FileGroup, escape
from harmonize.tools.draft.name_words import is_number

MOST = 0.98
"""The share of files that a rule has to hold for."""
PICTURE_SPLIT = "picture_split"
"""The field of the split's word in the pictures' folders, where the labels' have another."""
_DIVISORS = (100, 1000, 2000, 500, 5000, 10, 10_000, 50, 200, 250)

FilePair = tuple[File, File]
"""A label and its picture."""


@dataclass
class PathFields:
    """The fields of the pairs of a data set, with their values.

    Attributes:
        columns: the values of each field, one per pair.
        formats: the format of each numeric field, such as ``:06d``; empty for plain numbers.
    """

    columns: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    formats: dict[str, str] = field(default_factory=dict[str, str])

    def add(self, name: str, values: Sequence[str]) -> str:
        """Add a field, under another name if this one is taken; return its text in a template."""
        number, wanted = 2, name
        while name in self.columns:
            name, number = f"{wanted}_{number}", number + 1
        self.columns[name] = list(values)
        written = number_format(values)
        if written is not None:
            self.formats[name] = written
        return self.text(name)

    def text(self, name: str) -> str:
        """Return a field as a template writes it."""
        return f"{{{name}{self.formats.get(name, '')}}}"

    def find(self, values: Sequence[str]) -> str | None:
        """Return the text that gives these values from a field that is there, if one does.

        Numbers may be written in another format, or be a field's divided, as in ``{id//1000}``.
        """
        for name, column in self.columns.items():
            if column == list(values):
                return self.text(name)
        written = number_format(values)
        if written is None:
            return None
        wanted = [int(value) for value in values]
        for name in self.formats:
            numbers = [int(value) for value in self.columns[name]]
            if wanted == numbers:
                return f"{{{name}{written}}}"
            for divisor in _DIVISORS:
                if wanted == [number // divisor for number in numbers]:
                    return f"{{{name}//{divisor}{written}}}"
        return None

    def split(self, name: str, heads: Sequence[str], head: str) -> str | None:
        """Part a field whose values begin with others, as ``Ann_0001`` does with ``Ann``.

        The field makes way for the field ``head`` and for the rest; returns the text of both, or
        None if the values do not begin so.
        """
        pairs = list(zip(self.columns[name], heads, strict=True))
        for separator in "_-. ":
            rests = [
                value.removeprefix(start + separator)
                for value, start in pairs
                if value.startswith(start + separator)
            ]
            if len(rests) == len(pairs) and all(rests):
                del self.columns[name]
                self.formats.pop(name, None)
                first = self.add(head, heads)
                numeric = number_format(rests) is not None
                return first + separator + self.add("number" if numeric else name, rests)
        return None


def number_format(values: Sequence[str]) -> str | None:
    """Return the format in which numbers are written; None if these are no such numbers."""
    if not all(map(is_number, values)):
        return None
    widths = {len(value) for value in values}
    padded = any(value != "0" and value.startswith("0") for value in values)
    if len(widths) == 1 and (padded or values[0] == "0" * len(values[0]) != "0"):
        width = widths.pop()
        return f":0{width}d" if width < 100 else None
    return None if padded or max(widths) > 18 else ""


@dataclass(frozen=True)
class FolderLayout:
    """How the pictures and labels of a data set are found.

    Attributes:
        picture_group, label_group: the groups of files.
        picture, label: their path templates.
        base: the template that files are listed by: one of the two, ``{class}`` filled in.
        pairs: label and picture file of each labelled picture; with classes, one label of each.
        fields: the fields of the templates with their values, one per pair.
        splits: the split's word of each pair, as written in the base; empty if there is none.
    """

    picture_group: FileGroup
    label_group: FileGroup
    picture: str
    label: str
    base: str
    pairs: tuple[FilePair, ...]
    fields: PathFields
    splits: tuple[str, ...]

    @property
    def num_unlabelled(self) -> int:
        """How many pictures have no label."""
        return len(self.picture_group.files) - len(self.pairs)


def make_layout(label: FileGroup, picture: FileGroup, pairs: list[FilePair]) -> FolderLayout | None:
    """Find templates with the same fields for both groups; None if they do not belong together."""
    if not pairs or len(pairs) < 0.5 * min(label.num_ids, len(picture.files)):
        return None
    texts = _templates(label, picture, pairs)
    if texts is None:
        return None
    label_text, picture_text, fields = texts
    if "{split}" in label_text and any(one.split != other.split for one, other in pairs):
        picture_text = picture_text.replace("{split}", f"{{{PICTURE_SPLIT}}}")
    common = label.most_common_class
    listed = class_filled(label_text, label, common)
    shown = [pair for pair in pairs if label.class_of(pair[0].path) in ("", common)]
    options = [(listed, picture_text, 0), (picture_text, listed, 1)]
    everywhere = label.classes.get(common, 0) >= len(pairs)
    if (label.classes and not everywhere) or (
        "{split}" in picture_text and "{split}" not in label_text
    ):
        del options[0]  # only the pictures give all the fields
    for base, other, side in options:
        if _leads(base, other, shown, side):
            words = tuple(pair[side].split for pair in pairs)
            return FolderLayout(
                picture, label, picture_text, label_text, base, tuple(pairs), fields, words
            )
    return None


def _templates(
    label: FileGroup, picture: FileGroup, pairs: list[FilePair]
) -> tuple[str, str, PathFields] | None:
    """Write the templates of labels and pictures with as few fields as there can be."""
    fields = PathFields()
    if label.infix or picture.infix:
        return _around_infixes(label, picture, pairs, fields)
    cores = [one.core for one, _ in pairs]
    label_core = fields.add("id", cores) if any(cores) else ""
    label_folders: list[str] = []
    for left, values in enumerate(_folders(pairs, label, 0), 1 - len(label.variables)):
        name = "folder" if label_core or left else "id"  # the last one, where all files are alike
        label_folders.append(fields.find(values) or fields.add(name, values))
    folder_has_id = any(text.startswith("{id") for text in label_folders)
    picture_folders: list[str] = []
    for values in _folders(pairs, picture, 1):
        text = fields.find(values)
        if text is None and "id" in fields.columns and not folder_has_id:
            parted = fields.split("id", values, "folder") if label_core else None
            if parted is not None:
                label_core, text = parted, fields.find(values)
        picture_folders.append(text or fields.add("folder", values))
    picture_cores = [other.core for _, other in pairs]
    picture_core = label_core if picture_cores == cores else fields.find(picture_cores)
    if picture_core is None:
        return None
    label_text = label.template(label_folders, label_core)
    return label_text, picture.template(picture_folders, picture_core), fields


def _around_infixes(
    label: FileGroup, picture: FileGroup, pairs: list[FilePair], fields: PathFields
) -> tuple[str, str, PathFields] | None:
    """Write the templates of files whose names differ in the middle."""
    parted = [one.core.split(BREAK) for one, _ in pairs]
    if not (label.infix and picture.infix) or any(one.core != other.core for one, other in pairs):
        return None
    first, last = (
        fields.add(name, column)
        for name, column in zip(("id", "number"), zip(*parted, strict=True), strict=True)
    )
    texts: list[str] = []
    for side, group in enumerate((label, picture)):
        folders = [
            fields.find(values) or fields.add("folder", values)
            for values in _folders(pairs, group, side)
        ]
        texts.append(group.template(folders, f"{first}{group.infix}{last}"))
    return texts[0], texts[1], fields


def class_filled(text: str, group: FileGroup, name: str) -> str:
    """Put a class's text in place of ``{class}``."""
    return text.replace(CLASS, escape(name)) if group.classes else text


def _folders(pairs: Sequence[FilePair], group: FileGroup, side: int) -> list[list[str]]:
    """Return the values of each varying folder of one side of the pairs."""
    return [[pair[side].folders[place] for pair in pairs] for place in group.variables]


def _leads(base: str, other: str, pairs: Sequence[FilePair], side: int) -> bool:
    """Say whether the fields of one side's paths give nearly all of the other side's."""
    good = 0
    try:
        pattern = Template(base, where="base").pattern()
        target = Template(other, where="other")
        for pair in pairs:
            found = pattern.fields(pair[side].path)
            if found is not None:
                words = {"split": pair[side].split, PICTURE_SPLIT: pair[1].split}
                path = target.fill({**found, **words})
                wanted = pair[1 - side].path
                any_ending = path.endswith(".*") and path[:-2] == wanted.rpartition(".")[0]
                good += path == wanted or any_ending
    except HarmonizeError:
        return False
    return bool(pairs) and good >= MOST * len(pairs)


def numbered(layout: FolderLayout) -> FolderLayout | None:
    """Return a layout whose ids are numbers, where all begin alike: ``IMG_{id:03d}``; else None."""
    ids = layout.fields.columns.get("id", [])
    if list(layout.fields.columns) != ["id"] or layout.fields.formats:
        return None
    start = os.path.commonprefix(ids).rstrip("0123456789")  # noqa: RUF071  no paths
    fields = PathFields()
    text = escape(start) + fields.add("id", [one.removeprefix(start) for one in ids])
    if not start or "id" not in fields.formats:
        return None
    changed = {
        key: getattr(layout, key).replace("{id}", text) for key in ("picture", "label", "base")
    }
    return dataclasses.replace(layout, fields=fields, **changed)
