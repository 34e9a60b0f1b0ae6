"""What to train on and what to score, of an export whose paths do not tell it."""

import os

from harmonize.config.strict_yaml import Value
from harmonize.tools.draft.annotated_splits import ALL, AnnotatedSplits, Columns
from harmonize.tools.draft.name_words import is_number
from harmonize.tools.draft.splits import advice, number_ranges

_LONGEST = 18
"""Digits of a picture's number."""


def add_parts(drafted: AnnotatedSplits) -> None:
    """Part the only split by numbers, else say how to do it; the splits are changed."""
    if list(drafted.splits) != [ALL]:
        return
    parts = _by_number(drafted)
    if not parts:
        drafted.remarks += advice(_list_keys(drafted.columns))
    drafted.splits = parts | drafted.splits


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
