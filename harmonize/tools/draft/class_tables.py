"""Names, ids and colours of classes in the text and JSON files that come with a data set."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, cast

from harmonize.config.strict_yaml import read_text
from harmonize.errors import HarmonizeError

_LARGEST = 5_000_000  # bytes
_MOST_CLASSES = 2000
_FOLDER_FILES = 40  # a folder with more text files has one for every picture
_NAME_KEYS = ("name", "label", "class", "class_name", "title", "category", "readable")
_ID_KEYS = ("id", "class_id", "label_id", "category_id", "value", "index", "pixel_value")
"""Keys that say what stands in label files; in their absence another whole number may."""
_COLOR_KEYS = ("color", "colour", "rgb", "color_rgb", "palette")
_WHOLE = re.compile(r"[-+]?\d{1,12}(?:\.0*)?")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?|#[0-9a-fA-F]{6}")
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")
_COMMENT = re.compile(r"\s*#(?![0-9a-fA-F]{6}\b)")
_COLOR_AFTER_NAME = re.compile(r"([^:;,]+?)\s*[:;]\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*(?:[:;].*)?")
"""A line of CVAT's label map: ``road:128,64,128::``."""
_ID_BEFORE_NAME = re.compile(r"(\d+)\s*[:;]\s*(.+)")
_COLOR_KEY = re.compile(r"[(\[]?\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*[)\]]?")
_POSITIONAL = re.compile(r"(?i)class|label|name|categor")


@dataclass(frozen=True)
class Entry:
    """A class in a file of the data set."""

    name: str
    id: int | None = None
    color: int | None = None


@dataclass(frozen=True)
class FoundClasses:
    """The classes that a file names.

    Attributes:
        path: the file, relative to the data set's folder.
        entries: its classes.
        by_position: ids are the positions of the names in the file.
    """

    path: str
    entries: tuple[Entry, ...]
    by_position: bool = False


def find_tables(root: Path, texts: list[str], pictures: set[str]) -> list[FoundClasses]:
    """Read every file of a data set that may name its classes, but for lists of its pictures."""
    folders = Counter(PurePosixPath(text).parent for text in texts)
    tables: list[FoundClasses] = []
    for text in texts:
        path = PurePosixPath(text)
        if folders[path.parent] <= _FOLDER_FILES or _POSITIONAL.search(path.stem):
            tables += read_tables(root, text)
    return [one for one in tables if not any(entry.name in pictures for entry in one.entries)]


def read_tables(root: Path, text: str) -> list[FoundClasses]:
    """Return the tables of classes that one file may hold."""
    try:
        if (root / text).stat().st_size > _LARGEST:
            return []
        content = read_text(root / text)
        if text.lower().endswith(".json"):
            found = list(_json_tables(text, json.loads(content)))
        else:
            found = [_text_table(text, content.splitlines())]
    except (OSError, HarmonizeError, ValueError, RecursionError, csv.Error):
        return []
    return [
        table
        for table in found
        if 1 < len(table.entries) <= _MOST_CLASSES
        and len({entry.name for entry in table.entries}) == len(table.entries)
    ]


def _json_tables(path: str, value: Any) -> Iterator[FoundClasses]:
    """Walk through JSON and give each list or mapping that looks like classes."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        entries = _if_all(map(_json_entry, items))
        if entries and all(entry.id is None for entry in entries):
            yield from _without_ids(path, entries, items)
        elif entries:
            yield FoundClasses(path, entries)
    elif isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        entries = _if_all(_pair_entry(key, item) for key, item in mapping.items())
        if entries:
            yield FoundClasses(path, entries)
            return
        for item in mapping.values():
            yield from _json_tables(path, item)


def _without_ids(path: str, entries: tuple[Entry, ...], items: list[Any]) -> Iterator[FoundClasses]:
    """Give classes the ids of the one key whose numbers all differ; their positions if none does.

    Where several do, or ids are something else than numbers, none is known.
    """
    rows = [_lower(cast("dict[Any, Any]", one)) if isinstance(one, dict) else {} for one in items]
    columns = [[_whole(row.get(key)) for row in rows] for key in rows[0]]
    telling = [one for one in columns if None not in one and len({*one}) == len(one)]
    if len(telling) == 1:
        ids = telling[0]
    elif not telling and not any(key in row for row in rows for key in _ID_KEYS):
        ids = list(range(len(entries)))
    else:
        ids = [None] * len(entries)
    numbered = (Entry(e.name, number, e.color) for e, number in zip(entries, ids, strict=True))
    yield FoundClasses(path, tuple(numbered), by_position=not telling and ids[0] is not None)


def _if_all(found: Iterable[Entry | None]) -> tuple[Entry, ...]:
    """Return the entries if all of them are such, else none."""
    listed = list(found)
    entries = [entry for entry in listed if entry is not None]
    return tuple(entries) if len(entries) == len(listed) else ()


def _json_entry(item: Any) -> Entry | None:
    if isinstance(item, str):
        return Entry(item)
    if not isinstance(item, dict):
        return None
    known = _lower(cast("dict[Any, Any]", item))
    name = next((known[key] for key in _NAME_KEYS if isinstance(known.get(key), str)), None)
    numbers = (_whole(known.get(key)) for key in _ID_KEYS)
    number = next((number for number in numbers if number is not None), None)
    color = next((_color(known[key]) for key in _COLOR_KEYS if key in known), None)
    return None if not name else Entry(name, number, color)


def _pair_entry(key: str, item: Any) -> Entry | None:
    """Read ``name: id``, ``id: name``, ``name: [r, g, b]`` or ``"#ff0000": name``."""
    number, key_number = _whole(item), _whole(key)
    is_color = isinstance(item, str) and _HEX.fullmatch(item)
    if number is not None and key_number is None and not is_color:
        return Entry(key, number)
    if isinstance(item, str) and key_number is not None:
        return Entry(item, key_number)
    if isinstance(item, str) and (match := _COLOR_KEY.fullmatch(key)):
        color = _color([int(part) for part in match.groups()])
        return None if color is None else Entry(item, None, color)
    if isinstance(item, str) and not is_color and (color := _color(key)) is not None:
        return Entry(item, None, color)
    color = _color(item)
    return None if color is None else Entry(key, None, color)


def _lower(item: dict[Any, Any]) -> dict[str, Any]:
    return {str(key).lower(): value for key, value in item.items()}


def _whole(value: Any) -> int | None:
    """Return a whole number, also one that is written as text or as a fraction."""
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(float(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _color(value: Any) -> int | None:
    if isinstance(value, str):
        match = _HEX.fullmatch(value)
        return int(match[1], 16) if match else None
    parts = cast("list[Any]", value) if isinstance(value, list) else []
    if len(parts) not in (3, 4) or not all(type(p) is int and 0 <= p <= 255 for p in parts):
        return None
    return parts[0] << 16 | parts[1] << 8 | parts[2]


def _text_table(path: str, lines: list[str]) -> FoundClasses:
    """Read one class per line: a name with an id, with a colour, with both or with neither."""
    written = [line for line in lines if line.strip() and not line.lstrip().startswith("//")]
    while written and _COMMENT.match(written[0]):
        del written[0]
    parsed = [_NamedLine.read(line) for line in written]
    if parsed and not parsed[0].shape and any(line.shape for line in parsed[1:]):
        parsed = parsed[1:]  # a header
    shapes = {line.shape for line in parsed}
    if len(parsed) < 2 or len(shapes) != 1 or not all(line.name for line in parsed):
        return FoundClasses(path, ())
    if shapes != {()}:
        return FoundClasses(path, tuple(line.entry() for line in parsed))
    names = written if _POSITIONAL.search(PurePosixPath(path).stem) else []
    entries = [Entry(name.strip(), number) for number, name in enumerate(names)]
    return FoundClasses(path, tuple(entries), by_position=True)


class _NamedLine(NamedTuple):
    """A name, and the numbers before and after it."""

    before: list[str]
    name: str
    after: list[str]

    @classmethod
    def read(cls, line: str) -> "_NamedLine":
        """Part a line at tabs, else at commas, else at semicolons, else at spaces."""
        words, between = _parted(line.strip())
        first = next((n for n, word in enumerate(words) if not _is_number(word)), len(words))
        rest = words[first:]
        last = next((n for n, word in enumerate(rest) if n and _is_number(word)), len(rest))
        return cls(words[:first], between.join(rest[:last]), list(filter(_is_number, rest[last:])))

    @property
    def shape(self) -> tuple[int, ...]:
        """How many numbers there are before and after the name; empty if there are none."""
        return (len(self.before), len(self.after)) if self.before or self.after else ()

    def entry(self) -> Entry:
        """Tell ids from colours by how many numbers there are."""
        color: int | None = None
        number: int | None = None
        for words, near in ((self.before, self.before[-3:]), (self.after, self.after[:3])):
            shades = [word for word in words if word.startswith("#")]
            if shades:
                color = _color(shades[0])
            elif len(words) >= 3 and color is None:
                color = _color([int(word) if word.isdecimal() else -1 for word in near])
            if len(words) != 3 and words and words[0].isdecimal() and number is None:
                number = int(words[0])
        return Entry(self.name, number, color)


def _parted(line: str) -> tuple[list[str], str]:
    """Return the words of a line, and what joins those of a name as they were."""
    if match := _COLOR_AFTER_NAME.fullmatch(line):
        return [match[1], *match.group(2, 3, 4)], " "
    marks = [mark for mark in "\t,;" if mark in line]
    separator = max(  # names may hold the others
        marks, key=lambda mark: sum(_is_number(w.strip()) for w in line.split(mark)), default=None
    )
    if separator is None:  # a colon parts off numbers alone
        words = re.split(r"\s+|(?<=\d)\s*:\s*|\s*:\s*(?=[\d#])|:$", line)
        return [word.strip("\"'") for word in words if word], " "
    if separator != "\t" and (match := _ID_BEFORE_NAME.match(line)) and separator in match[2]:
        words, between = _parted(match[2])
        return [match[1], *words], between
    cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
    words: list[str] = []
    for cell in map(str.strip, cells):
        numbers = cell.split()  # these may still be parted by spaces
        words += numbers if all(map(_is_number, numbers)) else [cell.strip("'")]
    spaced = f"{separator} " in line and separator != "\t"
    return [word for word in words if word], f"{separator} " if spaced else separator


def _is_number(word: str) -> bool:
    return bool(_NUMBER.fullmatch(word))
