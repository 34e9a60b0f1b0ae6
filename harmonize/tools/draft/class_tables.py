"""Names, ids and colours of classes in the text and JSON files that come with a data set."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, cast

from harmonize.config.strict_yaml import read_text
from harmonize.errors import HarmonizeError

_LARGEST = 5_000_000  # bytes
_MOST_CLASSES = 2000
_FOLDER_FILES = 40  # a folder with more text files has one for every picture
_NAME_KEYS = ("name", "label", "class", "class_name", "title", "category", "readable")
_ID_KEYS = ("id", "class_id", "label_id", "category_id", "value", "index", "pixel_value")
_COLOR_KEYS = ("color", "colour", "rgb", "color_rgb", "palette")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")
_POSITIONAL = re.compile(r"(?i)class|label|name|categor")


@dataclass(frozen=True)
class Entry:
    """A class in a file of the data set."""

    name: str
    id: int | None = None
    color: int | None = None


@dataclass(frozen=True)
class Table:
    """The classes that a file names.

    Attributes:
        path: the file, relative to the data set's folder.
        entries: its classes.
        by_position: ids are the positions of the names in the file.
    """

    path: str
    entries: tuple[Entry, ...]
    by_position: bool = False


def find_tables(root: Path, texts: list[str], pictures: set[str]) -> list[Table]:
    """Read every file of a data set that may name its classes, but for lists of its pictures."""
    folders: dict[str, int] = {}
    for text in texts:
        folder = str(PurePosixPath(text).parent)
        folders[folder] = folders.get(folder, 0) + 1
    tables: list[Table] = []
    for text in texts:
        few = folders[str(PurePosixPath(text).parent)] <= _FOLDER_FILES
        if few or _POSITIONAL.search(PurePosixPath(text).stem):
            tables += read_tables(root, text)
    return [one for one in tables if not any(entry.name in pictures for entry in one.entries)]


def read_tables(root: Path, text: str) -> list[Table]:
    """Return the tables of classes that one file may hold."""
    try:
        if (root / text).stat().st_size > _LARGEST:
            return []
        content = read_text(root / text)
        if text.lower().endswith(".json"):
            found = [(entries, by) for entries, by in _json_tables(json.loads(content))]
        else:
            found = [_text_table(content.splitlines(), text)]
    except (OSError, HarmonizeError, ValueError, RecursionError):
        return []
    return [
        Table(text, tuple(entries), by_position)
        for entries, by_position in found
        if len({entry.name for entry in entries}) == len(entries)
        and 1 < len(entries) <= _MOST_CLASSES
    ]


def _json_tables(value: Any) -> Iterator[tuple[list[Entry], bool]]:
    """Walk through JSON and give each list or mapping that looks like classes."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        entries = [_json_entry(item) for item in items]
        good = [entry for entry in entries if entry is not None]
        if good and len(good) == len(entries):
            positional = all(entry.id is None for entry in good)
            if positional:
                good = [Entry(e.name, number, e.color) for number, e in enumerate(good)]
            yield good, positional
            return
    elif isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        entries = [_pair_entry(key, item) for key, item in mapping.items()]
        good = [entry for entry in entries if entry is not None]
        if good and len(good) == len(entries):
            yield good, False
            return
        for item in mapping.values():
            yield from _json_tables(item)


def _json_entry(item: Any) -> Entry | None:
    if isinstance(item, str):
        return Entry(item)
    if not isinstance(item, dict):
        return None
    known = {str(key).lower(): value for key, value in cast("dict[Any, Any]", item).items()}
    name = next((known[key] for key in _NAME_KEYS if isinstance(known.get(key), str)), None)
    number = next((known[key] for key in _ID_KEYS if type(known.get(key)) is int), None)
    color = next((_color(known[key]) for key in _COLOR_KEYS if key in known), None)
    return None if not name else Entry(name, number, color)


def _pair_entry(key: str, item: Any) -> Entry | None:
    """Read ``name: id``, ``id: name`` or ``name: [r, g, b]``."""
    if type(item) is int and not key.isdecimal():
        return Entry(key, item)
    if isinstance(item, str) and key.isdecimal():
        return Entry(item, int(key))
    color = _color(item)
    return None if color is None else Entry(key, None, color)


def _color(value: Any) -> int | None:
    if isinstance(value, str):
        match = _HEX.fullmatch(value)
        return int(match[1], 16) if match else None
    parts = cast("list[Any]", value) if isinstance(value, list) else []
    if len(parts) not in (3, 4) or not all(type(p) is int and 0 <= p <= 255 for p in parts):
        return None
    return parts[0] << 16 | parts[1] << 8 | parts[2]


def _text_table(lines: list[str], path: str) -> tuple[list[Entry], bool]:
    """Read one class per line: a name with an id, with a colour, with both or with neither."""
    written = [line for line in lines if line.strip() and not line.lstrip().startswith("//")]
    parsed = [_parts(line) for line in written]
    if parsed and not _shape(parsed[0]) and any(_shape(part) for part in parsed[1:]):
        parsed = parsed[1:]  # a header
    if parsed and written[0].startswith("# "):
        parsed = parsed[1:]
    shapes = {_shape(part) for part in parsed}
    if len(parsed) < 2 or len(shapes) != 1 or not all(name for _, name, _ in parsed):
        return [], False
    if shapes == {()}:
        by_position = bool(_POSITIONAL.search(PurePosixPath(path).stem))
        names = [line.strip() for line in written]
        return [Entry(n, i) for i, n in enumerate(names)] if by_position else [], True
    return [_entry(part) for part in parsed], False


_Parts = tuple[list[str], str, list[str]]
"""The numbers before a name, the name, and the numbers after it."""


def _parts(line: str) -> _Parts:
    separator = r"\t+" if "\t" in line else r"[,;:]" if re.search(r"[,;]", line) else r"[\s:]+"
    words = [word for word in re.split(separator, line.strip()) if word.strip()]
    words = [word.strip().strip("\"'") for word in words]
    if separator != r"[\s:]+":  # numbers may still be parted by spaces
        words = [n for w in words for n in (w.split() if _all_numbers(w.split()) else [w])]
    first = next((n for n, word in enumerate(words) if not _is_number(word)), len(words))
    rest = words[first:]
    last = next((n for n, word in enumerate(rest) if n and _is_number(word)), len(rest))
    between = " " if separator == r"[\s:]+" else ", "
    return words[:first], between.join(rest[:last]), [w for w in rest[last:] if _is_number(w)]


def _all_numbers(words: list[str]) -> bool:
    return all(_is_number(word) for word in words)


def _is_number(word: str) -> bool:
    return bool(_NUMBER.fullmatch(word)) or (word.startswith("#") and bool(_HEX.fullmatch(word)))


def _shape(parts: _Parts) -> tuple[int, ...]:
    before, _, after = parts
    return (len(before), len(after)) if before or after else ()


def _entry(parts: _Parts) -> Entry:
    """Tell ids from colours by how many numbers there are."""
    before, name, after = parts
    color: int | None = None
    number: int | None = None
    for words, near in ((before, before[-3:]), (after, after[:3])):
        shades = [word for word in words if word.startswith("#")]
        if shades:
            color = _color(shades[0])
        elif len(words) >= 3 and color is None:
            numbers = [int(word) if word.isdecimal() else -1 for word in near]
            color = _color(numbers)
        if len(words) != 3 and words and words[0].isdecimal():
            number = int(words[0]) if number is None else number
    return Entry(name, number, color)
