"""What to train on and what to score, of an export whose paths do not tell it."""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from harmonize.config.strict_yaml import Value
from harmonize.tools.draft.annotated_splits import ALL, AnnotatedSplits, Columns
from harmonize.tools.draft.file_groups import File, FileGroup
from harmonize.tools.draft.folder_files import Files
from harmonize.tools.draft.folder_templates import FolderLayout, PathFields
from harmonize.tools.draft.name_words import is_number
from harmonize.tools.draft.picture_names import PictureNames
from harmonize.tools.draft.split_draft import SplitDraft
from harmonize.tools.draft.split_lists import few_per_folder, find_lists
from harmonize.tools.draft.split_tables import find_split_tables
from harmonize.tools.draft.splits import advice, by_lists, number_ranges

_LONGEST = 18
"""Digits of a picture's number."""


def add_parts(drafted: AnnotatedSplits, name: str, root: Path, files: Files) -> None:
    """Part the only split by the folder's own lists or by numbers, else say how to do it.

    Args:
        drafted: the splits, which are changed.
        name: of the data set.
        root: its folder.
        files: all files of it.
    """
    if list(drafted.splits) != [ALL]:
        return
    parts = _by_lists(drafted, name, root, files) or _by_number(drafted)
    if not parts:
        drafted.remarks += advice(_list_keys(drafted.columns))
    drafted.splits = parts | drafted.splits


def _by_lists(
    drafted: AnnotatedSplits, name: str, root: Path, files: Files
) -> dict[str, tuple[dict[str, Value], str]]:
    """Part pictures by lists of the folder, or by tables of its splits."""
    layout = _layout(drafted, files.images)
    names = PictureNames(layout)
    lists, remarks = find_lists(root, names, files.texts)
    if lists:
        found = by_lists(layout, lists, remarks, SplitDraft(ALL, {}, ""), name)
        drafts, written, remarks = found.splits, found.files, found.remarks
    else:
        texts = [*files.yamls, *few_per_folder(files.texts)]
        drafts, written, more = find_split_tables(root, names, texts, name)
        remarks = [*remarks, *more]
    drafted.remarks += remarks
    drafted.lists |= written
    keys = drafted.splits[ALL][0]
    fixed = {"fields": keys["fields"]} if "fields" in keys else {}
    return {one.name: (one.keys | fixed, one.why) for one in drafts if one.name != ALL}


def _layout(drafted: AnnotatedSplits, images: Sequence[str]) -> FolderLayout:
    """Return what lists are read by: the pictures, those without a label too, and their fields."""
    pairs = tuple((_file(label), _file(image)) for label, image in drafted.files)
    group = FileGroup((), "", "", "", files=tuple(map(_file, images)))
    fields = PathFields(dict(drafted.columns))
    picture, label = (drafted.templates.get(key, "") for key in ("picture", "label"))
    return FolderLayout(group, group, picture, label, picture, pairs, fields, ("",) * len(pairs))


def _file(path: str) -> File:
    return File(path, (), PurePosixPath(path).stem)


def _list_keys(columns: Columns) -> str:
    """Return what a list of these pictures needs beside its name."""
    several = f", columns: [{', '.join(columns)}]" if len(columns) > 1 else ""
    spaced = any(" " in value for values in columns.values() for value in values)
    return several + (r', separator: "\t"' if several or spaced else "")


def _by_number(drafted: AnnotatedSplits) -> dict[str, tuple[dict[str, Value], str]]:
    """Part pictures by their numbers, where all names begin alike before them."""
    if list(drafted.columns) != ["id"]:
        return {}
    stems = drafted.columns["id"]
    start = os.path.commonprefix(stems).rstrip("0123456789")  # noqa: RUF071  no paths
    rests = [stem.removeprefix(start) for stem in stems]
    if not all(is_number(rest) and len(rest) <= _LONGEST for rest in rests):
        return {}
    ranges = number_ranges([int(rest) for rest in rests])
    if not ranges:
        return {}
    drafted.begin_ids(start)
    keys = drafted.splits[ALL][0]
    parts: dict[str, tuple[dict[str, Value], str]] = {}
    for split, low, high, why in ranges:
        limits: list[Value] = [low, high]
        parts[split] = {**keys, "where": {"id": limits}}, why
    return parts
