"""The path templates of pictures and labels, from groups of files that belong together."""

from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.errors import HarmonizeError
from harmonize.labels.path_template import Template
from harmonize.tools.draft.fields import Fields
from harmonize.tools.draft.file_groups import Group
from harmonize.tools.draft.joining import MOST, Pair, join, most_common_class, num_ids
from harmonize.tools.draft.merging import CLASS, class_of

PICTURE_SPLIT = "picture_split"
"""The field of the split's word in the pictures' folders, where the labels' have another."""


@dataclass(frozen=True)
class Layout:
    """How the pictures and labels of a data set are found.

    Attributes:
        picture_group, label_group: the groups of files.
        picture, label: their path templates.
        base: the template that files are listed by: one of the two, ``{class}`` filled in.
        pairs: label and picture file of each labelled picture; with classes, one label of each.
        fields: the fields of the templates with their values, one per pair.
        splits: the split's word of each pair, as written in the base; empty if there is none.
        plain: pictures without a label.
    """

    picture_group: Group
    label_group: Group
    picture: str
    label: str
    base: str
    pairs: tuple[Pair, ...]
    fields: Fields
    splits: tuple[str, ...]
    plain: int


def make_layout(label: Group, picture: Group) -> Layout | None:
    """Find templates with the same fields for both groups; None if they do not belong together."""
    pairs = join(label, picture)
    if not pairs or len(pairs) < 0.5 * min(num_ids(label), len(picture.files)):
        return None
    fields = Fields()
    cores = [one.core for one, _ in pairs]
    label_core = fields.add("id", cores)
    label_folders = [
        fields.find(values) or fields.add("folder", values) for values in _folders(pairs, label, 0)
    ]
    picture_folders: list[str] = []
    for values in _folders(pairs, picture, 1):
        text = fields.find(values)
        if text is None and "id" in fields.columns and not _uses(label_folders, "id"):
            parted = fields.split("id", values, "folder")
            if parted is not None:
                label_core, text = parted, fields.find(values)
        picture_folders.append(text or fields.add("folder", values))
    picture_cores = [other.core for _, other in pairs]
    picture_core = label_core if picture_cores == cores else fields.find(picture_cores)
    if picture_core is None:
        return None
    label_text = template(label, label_folders, label_core)
    picture_text = template(picture, picture_folders, picture_core)
    if "{split}" in label_text and any(one.split != other.split for one, other in pairs):
        picture_text = picture_text.replace("{split}", f"{{{PICTURE_SPLIT}}}")
    return _with_base(label, picture, picture_text, label_text, pairs, fields)


def _with_base(
    label: Group,
    picture: Group,
    picture_text: str,
    label_text: str,
    pairs: list[Pair],
    fields: Fields,
) -> Layout | None:
    """Choose which files to list: the labels, unless only the pictures give all the fields."""
    common = most_common_class(label)
    listed = class_filled(label_text, label, common)
    plain = len(picture.files) - len(pairs)
    everywhere = label.classes.get(common, 0) >= len(pairs)
    by_label = (not label.classes or everywhere) and not (
        "{split}" in picture_text and "{split}" not in label_text
    )
    options = [(listed, picture_text, 0)] if by_label else []
    options.append((picture_text, listed, 1))
    for base, other, number in options:
        shown = [pair for pair in pairs if class_of(label, pair[0].path) in ("", common)]
        if _leads(base, other, shown, number):
            words = tuple(pair[number].split for pair in pairs)
            return Layout(
                picture, label, picture_text, label_text, base, tuple(pairs), fields, words, plain
            )
    return None


def template(group: Group, folders: Sequence[str], core: str) -> str:
    """Write the path template of a group with the texts of its varying folders and its core."""
    given = iter(folders)
    parts = [next(given) if folder is None else folder for folder in group.folders]
    return "/".join([*parts, f"{group.prefix}{core}{group.suffix}{group.extension}"])


def class_filled(text: str, group: Group, name: str) -> str:
    """Put a class's text in place of ``{class}``."""
    return (
        text.replace(CLASS, name.replace("{", "{{").replace("}", "}}")) if group.classes else text
    )


def _folders(pairs: Sequence[Pair], group: Group, number: int) -> list[list[str]]:
    """Return the values of each varying folder of one side of the pairs."""
    return [[pair[number].folders[place] for pair in pairs] for place in group.variables()]


def _uses(texts: Sequence[str], name: str) -> bool:
    return any(text.startswith("{" + name) for text in texts)


def _leads(base: str, other: str, pairs: Sequence[Pair], number: int) -> bool:
    """Say whether the fields of one side's paths give nearly all of the other side's."""
    try:
        source, target = Template(base, where="base"), Template(other, where="other")
    except HarmonizeError:
        return False
    pattern = source.pattern()
    good = 0
    for pair in pairs:
        match = pattern.fullmatch(pair[number].path)
        if match is None:
            continue
        words = {"split": pair[number].split, PICTURE_SPLIT: pair[1].split}
        fields = {**match.groupdict(), **words}
        try:
            path = target.fill(fields)
        except HarmonizeError:
            return False
        wanted = pair[1 - number].path
        good += path == wanted or (path.endswith(".*") and path[:-2] == wanted.rpartition(".")[0])
    return bool(pairs) and good >= MOST * len(pairs)
