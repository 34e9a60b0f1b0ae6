"""Text files that list the pictures of a split."""

import dataclasses
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harmonize.config.strict_yaml import read_text
from harmonize.errors import HarmonizeError
from harmonize.tools.draft.file_groups import escape
from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.name_words import canonical, is_number, split_order, split_word

_SEPARATORS = (None, ",", ";", "\t", "|")
_MOST_COLUMNS = 6
_LARGEST = 50_000_000  # bytes
_PROBES = 5  # lines
_HEADERS = 2
_PER_FOLDER = 60
_WORD = re.compile(r"\w")

Row = tuple[str, ...]
"""The values of the fields of one picture; of numbers, without leading zeros."""


@dataclass(frozen=True)
class SplitList:
    """A list of pictures, in the words of a mapping.

    Attributes:
        columns: the fields of its columns.
        separator: what parts them; None for white space.
        skip: lines at its head that name no picture.
        rows: the pictures it names.
        missing: how many of them are not there.
        path: of the file, relative to the data set's folder, as the text of a template.
        name: of the split.
    """

    columns: list[str]
    separator: str | None
    skip: int
    rows: frozenset[Row]
    missing: int
    path: str = ""
    name: str = ""


def find_lists(
    root: Path, layout: FolderLayout, texts: Sequence[str]
) -> tuple[list[SplitList], list[str]]:
    """Find the lists of splits, and say which files nearly are some.

    A list counts if all of its pictures are there, and its name holds a split's word or it is one
    of several that share no picture.
    """
    rows = _Rows(layout)
    found: list[SplitList] = []
    remarks: dict[str, str] = {}
    for text in few_per_folder(texts):
        lines = _read(root / text)
        fit = rows.fit(lines)
        if fit is None:
            if split_word(PurePosixPath(text).stem) is not None and rows.named_as_files(lines):
                remarks[text] = "lists files; a split's list needs ids, without folder and ending"
        elif fit.missing:
            remarks[text] = f"lists pictures without a label ({fit.missing} of {len(fit.rows)})"
        elif not any(fit.rows == one.rows for one in found):
            found.append(dataclasses.replace(fit, path=escape(text)))
    lists = _named(found)
    splits = {one.name for one in lists}
    return lists, [
        f"not used: {text} {what}"
        for text, what in remarks.items()
        if _split_of(text) not in splits
    ]


def few_per_folder(texts: Sequence[str]) -> list[str]:
    """Leave out text files that come with every picture: those of folders that hold many."""
    counts = Counter(PurePosixPath(text).parent for text in texts)
    return [
        text
        for text in texts
        if counts[PurePosixPath(text).parent] <= _PER_FOLDER
        or split_word(PurePosixPath(text).stem) is not None
    ]


def _read(path: Path) -> list[str]:
    try:
        if path.suffix.lower() == ".json" or path.stat().st_size > _LARGEST:
            return []
        return read_text(path).splitlines()
    except (OSError, HarmonizeError):
        return []


class _Rows:
    """The labelled pictures by the values of their fields, which lines of lists may give."""

    def __init__(self, layout: FolderLayout) -> None:
        self._names = list(layout.fields.columns)
        self._numeric = [name in layout.fields.formats for name in self._names]
        columns = layout.fields.columns.values()
        self._known = {self._row(values) for values in zip(*columns, strict=True)}

    def _row(self, values: Sequence[str]) -> Row:
        return tuple(
            str(int(value)) if numeric and is_number(value) and len(value) < 19 else value
            for value, numeric in zip(values, self._numeric, strict=True)
        )

    def fit(self, lines: list[str]) -> SplitList | None:
        """Find the separator, header and columns by which most lines name known pictures."""
        best: SplitList | None = None
        for separator, skip in itertools.product(_SEPARATORS, range(_HEADERS + 1)):
            cells = [
                [cell.strip() for cell in line.split(separator)]
                for line in lines[skip:]
                if line.strip()
            ]
            if not cells or len({len(row) for row in cells}) > 1 or len(cells[0]) > _MOST_COLUMNS:
                continue
            if not all(_WORD.search(cell) for cell in cells[0]):  # the separator is another one
                continue
            probes = cells[:: max(1, len(cells) // _PROBES)]
            for places in itertools.permutations(range(len(cells[0])), len(self._names)):
                if not any(self._pick(row, places) in self._known for row in probes):
                    continue
                rows = frozenset(self._pick(row, places) for row in cells)
                missing = len(rows - self._known)
                if 2 * missing <= len(rows) and (best is None or missing < best.missing):
                    columns = [f"column_{place + 1}" for place in range(len(cells[0]))]
                    for place, name in zip(places, self._names, strict=True):
                        columns[place] = name
                    best = SplitList(columns, separator, skip, rows, missing)
                if best is not None and not best.missing:
                    return best
        return best

    def _pick(self, cells: list[str], places: Sequence[int]) -> Row:
        return self._row([cells[place] for place in places])

    def named_as_files(self, lines: list[str]) -> bool:
        """Say whether lines name the pictures' files instead of their ids."""
        words = [word for line in lines[:20] for word in re.split(r"[\s,;]+", line)]
        stems = {PurePosixPath(word).stem for word in words}
        return any(row[-1] in stems for row in self._known)


def _named(found: list[SplitList]) -> list[SplitList]:
    """Name the splits after their files; the plainest file of a split gets its usual name."""
    worded = [one for one in found if _split_of(one.path) is not None]
    pictures = frozenset[Row]().union(*(one.rows for one in found))
    if not worded and len(found) > 1 and len(pictures) == sum(len(one.rows) for one in found):
        worded = found
    lists: dict[str, SplitList] = {}
    for one in sorted(worded, key=lambda one: (len(one.path), one.path)):
        stem = re.sub(r"[^\w-]+", "_", PurePosixPath(one.path).stem)
        name = _split_of(one.path) or stem
        name = stem if name in lists else name
        if name not in lists:
            lists[name] = dataclasses.replace(one, name=name)
    return sorted(lists.values(), key=lambda one: split_order(one.name))


def _split_of(path: str) -> str | None:
    """Return the split that a list's name speaks of."""
    stem = PurePosixPath(path).stem
    if "trainval" in stem.lower():
        return "trainval"
    word = split_word(stem)
    return canonical(word[1]) if word else None
