"""Splits that a YAML, JSON or CSV file of the data set tells, written anew as lists."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

from harmonize.config.strict_yaml import load_text, read_text
from harmonize.errors import HarmonizeError
from harmonize.plurals import counted
from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.name_words import canonical, split_order, split_word
from harmonize.tools.draft.splits import SplitDraft

_LARGEST = 20_000_000  # bytes
_KNOWN = 0.9
"""The share of a file's names that have to be those of labelled pictures."""

Told = dict[str, list[str]]
"""By split, the pictures as a file names them."""


def find_split_tables(
    root: Path, layout: FolderLayout, texts: Sequence[str], name: str
) -> tuple[list[SplitDraft], dict[str, str]]:
    """Return the splits that the first fitting file tells, and the text of each list by its name.

    Args:
        root: the data set's folder.
        layout: the labelled pictures.
        texts: the files that may tell splits.
        name: of the data set, which the lists' names begin with.
    """
    rows = _rows_by_name(layout)
    for text in texts:
        for told in _read(root / text):
            number = sum(map(len, told.values()))
            known = {
                split: [rows[key] for one in names if (key := _key(one)) in rows]
                for split, names in told.items()
            }
            found = [row for listed in known.values() for row in listed]
            disjoint = len({*found}) == len(found)
            if len(told) > 1 and all(known.values()) and disjoint and len(found) >= _KNOWN * number:
                return _lists(layout, known, text, name)
    return [], {}


def _lists(
    layout: FolderLayout, known: dict[str, list[tuple[str, ...]]], text: str, name: str
) -> tuple[list[SplitDraft], dict[str, str]]:
    drafts: list[SplitDraft] = []
    files: dict[str, str] = {}
    words = {word for word in layout.splits if word}
    for split in sorted(known, key=split_order):
        file = f"{name}_{split}.txt"
        keys: dict[str, Any] = {"list": file}
        columns = list(layout.fields.columns)
        if columns != ["id"] or any(" " in value for row in known[split] for value in row):
            keys |= {"columns": columns, "separator": "\t"}
        if len(words) == 1:
            keys["fields"] = {"split": next(iter(words))}
        files[file] = "".join("\t".join(row) + "\n" for row in known[split])
        drafts.append(
            SplitDraft(split, keys, f"guess: {counted(len(known[split]), 'picture')}, by {text}")
        )
    return drafts, files


def _rows_by_name(layout: FolderLayout) -> dict[str, tuple[str, ...]]:
    """Return the fields of each picture by all that may name it; what names several, names none."""
    rows: dict[str, tuple[str, ...]] = {}
    twice: set[str] = set()
    columns = zip(*layout.fields.columns.values(), strict=True)
    for row, (label, picture) in zip(columns, layout.pairs, strict=True):
        files = [PurePosixPath(label.path), PurePosixPath(picture.path)]
        names = {picture.core, *(row[0] for _ in range(len(row) == 1))}
        names |= {str(file) for file in files} | {file.stem for file in files}
        names |= {file.name for file in files} | {str(file.with_suffix("")) for file in files}
        twice |= {one for one in names if one in rows}
        rows |= dict.fromkeys(names, row)
    return {one: row for one, row in rows.items() if one not in twice}


def _key(name: str) -> str:
    return name.strip().replace("\\", "/").removeprefix("./").lstrip("/")


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
