"""Text files that list the pictures of a split."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harmonize.config.strict_yaml import read_text
from harmonize.errors import HarmonizeError
from harmonize.tools.draft.folder_layout import Layout
from harmonize.tools.draft.name_words import canonical, split_word

_SEPARATORS = (None, ",", ";", "\t", "|")
_MOST_COLUMNS = 6
_LARGEST = 50_000_000  # bytes
_PROBES = 5  # lines
_HEADERS = 2
_PER_FOLDER = 60
_WORD = re.compile(r"\w")
_SPACES = re.compile(r"[^\w-]+")

Row = tuple[str, ...]


@dataclass(frozen=True)
class SplitList:
    """A list of pictures, in the words of a mapping.

    Attributes:
        name: of the split.
        path: of the file, relative to the data set's folder, as the text of a template.
        columns: the fields of its columns.
        separator: what parts them; None for white space.
        skip: lines at its head that name no picture.
        count: the pictures it names.
    """

    name: str
    path: str
    columns: list[str]
    separator: str | None
    skip: int
    count: int


def find_lists(
    root: Path, layout: Layout, texts: Sequence[str]
) -> tuple[list[SplitList], list[str]]:
    """Find the lists of splits, and say which files nearly are some.

    A list counts if all of its pictures are there, and its name holds a split's word or it is one
    of several that share no picture.
    """
    names = list(layout.fields.columns)
    known = _known_rows(layout, names)
    found: list[tuple[SplitList, frozenset[Row]]] = []
    remarks: dict[str, str] = {}
    for text in _few_per_folder(texts):
        lines = _read(root / text)
        fit = _fit(lines, names, known, layout)
        if fit is None:
            if _lists_files(text, lines, known):
                remarks[text] = "lists files; a split's list needs ids, without folder and ending"
        elif fit.missing:
            remarks[text] = f"lists pictures without a label ({fit.missing} of {len(fit.rows)})"
        elif not any(fit.rows == rows for _, rows in found):
            path = text.replace("{", "{{").replace("}", "}}")
            count = len(fit.rows)
            found.append(
                (SplitList("", path, fit.columns, fit.separator, fit.skip, count), fit.rows)
            )
    lists = _named(found)
    splits = {one.name for one in lists}
    return lists, [
        f"not used: {text} {what}"
        for text, what in remarks.items()
        if _split_of(text) not in splits
    ]


def _known_rows(layout: Layout, names: list[str]) -> set[Row]:
    """Return the values of the fields of every labelled picture, numbers without zeros."""
    columns = [
        [_plain(value, layout, name) for value in layout.fields.columns[name]] for name in names
    ]
    return set(zip(*columns, strict=True))


def _plain(value: str, layout: Layout, name: str) -> str:
    numeric = name in layout.fields.formats and value.isascii() and value.isdecimal()
    return str(int(value)) if numeric and len(value) < 19 else value


def _few_per_folder(texts: Sequence[str]) -> list[str]:
    """Leave out text files that come with every picture: those of folders that hold many."""
    counts = Counter(str(PurePosixPath(text).parent) for text in texts)
    return [
        text
        for text in texts
        if counts[str(PurePosixPath(text).parent)] <= _PER_FOLDER
        or split_word(PurePosixPath(text).stem) is not None
    ]


def _read(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".json" or path.stat().st_size > _LARGEST:
            return []
        return read_text(path).splitlines()
    except (OSError, HarmonizeError):
        return []


@dataclass(frozen=True)
class _Fit:
    """How a file's lines give the fields, and how many of its pictures are not there."""

    columns: list[str]
    separator: str | None
    skip: int
    rows: frozenset[Row]
    missing: int


def _fit(lines: list[str], names: list[str], known: set[Row], layout: Layout) -> _Fit | None:
    """Find the separator, header and columns by which most of the lines name known pictures."""
    best: _Fit | None = None
    for separator, skip in itertools.product(_SEPARATORS, range(_HEADERS + 1)):
        rows = [[v.strip() for v in line.split(separator)] for line in lines[skip:] if line.strip()]
        if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) > _MOST_COLUMNS:
            continue
        if not all(_WORD.search(value) for value in rows[0]):  # the separator is another one
            continue
        probes = rows[:: max(1, len(rows) // _PROBES)]
        for places in itertools.permutations(range(len(rows[0])), len(names)):
            if not any(_pick(row, places, names, layout) in known for row in probes):
                continue
            found = frozenset(_pick(row, places, names, layout) for row in rows)
            missing = len(found - known)
            if 2 * missing <= len(found) and (best is None or missing < best.missing):
                columns = _columns(places, names, len(rows[0]))
                best = _Fit(columns, separator, skip, found, missing)
            if best is not None and not best.missing:
                return best
    return best


def _pick(row: list[str], places: Sequence[int], names: list[str], layout: Layout) -> Row:
    pairs = zip(places, names, strict=True)
    return tuple(_plain(row[place], layout, name) for place, name in pairs)


def _lists_files(text: str, lines: list[str], known: set[Row]) -> bool:
    """Say whether a file that may be a split's list names files instead of ids."""
    if split_word(PurePosixPath(text).stem) is None:
        return False
    stems = {PurePosixPath(word).stem for line in lines[:20] for word in re.split(r"[\s,;]+", line)}
    return any(row[-1] in stems for row in known)


def _columns(places: Iterable[int], names: list[str], number: int) -> list[str]:
    columns = [f"column_{place + 1}" for place in range(number)]
    for place, name in zip(places, names, strict=True):
        columns[place] = name
    return columns


def _named(found: list[tuple[SplitList, frozenset[Row]]]) -> list[SplitList]:
    """Name the splits after their files; the plainest file of a split gets its usual name."""
    lists: dict[str, SplitList] = {}
    worded = [pair for pair in found if _split_of(pair[0].path) is not None]
    others = [pair for pair in found if pair not in worded]
    if not worded and _apart([rows for _, rows in others]):
        worded = others
    for one, _ in sorted(worded, key=lambda pair: (len(pair[0].path), pair[0].path)):
        stem = _SPACES.sub("_", PurePosixPath(one.path).stem)
        name = _split_of(one.path) or stem
        name = stem if name in lists else name
        if name not in lists:
            lists[name] = dataclasses.replace(one, name=name)
    order = {"train": 0, "val": 1, "test": 2}
    return sorted(lists.values(), key=lambda one: order.get(one.name, 3))


def _split_of(path: str) -> str | None:
    """Return the split that a list's name speaks of."""
    stem = PurePosixPath(path).stem
    if "trainval" in stem.lower():
        return "trainval"
    word = split_word(stem)
    return canonical(word[1]) if word else None


def _apart(sets: list[frozenset[Row]]) -> bool:
    """Say whether there are several lists and no two share a picture."""
    return len(sets) > 1 and len(frozenset[Row]().union(*sets)) == sum(map(len, sets))
