"""Splits that a YAML, JSON or CSV file of the data set tells, written anew as lists."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from harmonize.config.strict_yaml import load_text, read_text
from harmonize.errors import HarmonizeError
from harmonize.tools.draft.name_words import canonical, split_order, split_word
from harmonize.tools.draft.picture_names import PictureNames, Row, picture_key
from harmonize.tools.draft.split_draft import SplitDraft, by_new_list, left_out

_LARGEST = 20_000_000  # bytes
_KNOWN = 0.9
"""The share of a file's names that have to be those of labelled pictures."""

Told = dict[str, list[str]]
"""By split, the pictures as a file names them."""


def find_split_tables(
    root: Path, names: PictureNames, texts: Sequence[str], name: str
) -> tuple[list[SplitDraft], dict[str, str], list[str]]:
    """Return the splits that the first fitting file tells, the text of each list, and what to know.

    Args:
        root: the data set's folder.
        names: of the labelled pictures.
        texts: the files that may tell splits.
        name: of the data set, which the lists' names begin with.
    """
    rows = names.rows
    for text in texts:
        for told in _read(root / text):
            number = sum(map(len, told.values()))
            known = {
                split: [rows[key] for one in listed if (key := picture_key(one)) in rows]
                for split, listed in told.items()
            }
            found = [row for listed in known.values() for row in listed]
            disjoint = len({*found}) == len(found)
            if len(told) > 1 and all(known.values()) and disjoint and len(found) >= _KNOWN * number:
                return _lists(names, known, told, text, name)
    return [], {}, []


def _lists(
    names: PictureNames, known: dict[str, list[Row]], told: Told, text: str, name: str
) -> tuple[list[SplitDraft], dict[str, str], list[str]]:
    drafts: list[SplitDraft] = []
    files: dict[str, str] = {}
    remarks: list[str] = []
    for split in sorted(known, key=split_order):
        file = f"{name}_{split}.txt"
        one, files[file] = by_new_list(names.layout, split, known[split], file, text)
        drafts.append(one)
        rest = [each for each in told[split] if picture_key(each) not in names.rows]
        if rest:
            remarks.append(left_out(text, rest, len(told[split]), file))
    return drafts, files, remarks


def _read(path: Path) -> Iterator[Told]:
    """Give what a file may tell of splits."""
    try:
        if path.stat().st_size > _LARGEST:
            return
        content, ending = read_text(path), path.suffix.lower()
        if ending in (".yaml", ".yml"):
            yield from _of_mapping(load_text(content, str(path)).value)
        elif ending == ".json":
            yield from _of_mapping(json.loads(content))
        elif ending in (".csv", ".tsv", ".txt"):
            yield from _of_table(content.splitlines())
    except (OSError, HarmonizeError, ValueError, RecursionError, csv.Error):
        return


def _of_mapping(value: Any) -> Iterator[Told]:
    """Look for ``train: [names]`` at any depth, and for ``name: train``."""
    if not isinstance(value, dict):
        return
    mapping = {str(key): item for key, item in cast("dict[Any, Any]", value).items()}
    told: Told = {}
    for key, item in mapping.items():
        listed = cast("list[Any]", item) if isinstance(item, list) else []
        if listed and _split(key) and all(isinstance(one, str | int) for one in listed):
            told.setdefault(_split(key), []).extend(map(str, listed))
    if told:
        yield told
    words = {key: _split(item) for key, item in mapping.items() if isinstance(item, str)}
    if words and len(words) == len(mapping) and all(words.values()):
        yield _by_split(words.items())
    for item in mapping.values():
        yield from _of_mapping(item)


def _of_table(lines: list[str]) -> Iterator[Told]:
    """Look for a column of splits beside one of names."""
    for separator in (",", ";", "\t"):
        rows = [row for row in csv.reader(lines, delimiter=separator) if any(row)]
        if len(rows) < 2 or len({len(row) for row in rows}) > 1 or len(rows[0]) < 2:
            continue
        columns = list(zip(*rows[1:], strict=True))
        splits = next((c for c in columns if all(_split(cell.strip()) for cell in c)), None)
        if splits is None:
            continue
        words = [_split(cell.strip()) for cell in splits]
        for column in columns:
            if column is not splits:
                head = [*rows[0]] if _split(rows[0][columns.index(splits)].strip()) else []
                first = [head[columns.index(column)]] if head else []
                heads = [_split(head[columns.index(splits)].strip())] if head else []
                yield _by_split(zip([*first, *column], [*heads, *words], strict=True))


def _by_split(pairs: Any) -> Told:
    told: Told = {}
    for name, split in pairs:
        told.setdefault(split, []).append(name)
    return told


def _split(text: str) -> str:
    """Return the usual name of a split that a whole text is; empty if it is none."""
    found = split_word(text)
    return canonical(found[1]) if found is not None and found[1] == text else ""
