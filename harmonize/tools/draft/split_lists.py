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
from harmonize.tools.draft.folder_files import IMAGES
from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.name_words import canonical, is_number, split_order, split_word
from harmonize.tools.draft.picture_names import PictureNames, Row

_SEPARATORS = (None, ",", ";", "\t", "|", "/")
_MOST_COLUMNS = 6
_LARGEST = 50_000_000  # bytes
_PROBES = 5  # lines
_HEADERS = 2
_PER_FOLDER = 60
_WORD = re.compile(r"\w")

_FOLDER = re.compile(r"(?i)splits?|lists?|image_?sets?")
"""Names of folders that hold lists of splits."""
_TOLD = 5
"""Files that are not used although they look like lists."""


@dataclass(frozen=True)
class SplitList:
    """A list of pictures, in the words of a mapping.

    Attributes:
        columns: the fields of its columns.
        separator: what parts them; None for white space.
        skip: lines at its head that name no picture.
        rows: the pictures with a label that it names; of numbers, without leading zeros.
        anew: the pictures, where the list has to be written anew; empty if it serves as it is.
        left_out: what it names beside them.
        path: of the file, relative to the data set's folder.
        name: of the split.
    """

    columns: list[str]
    separator: str | None
    skip: int
    rows: frozenset[Row]
    anew: tuple[Row, ...] = ()
    left_out: tuple[str, ...] = ()
    path: str = ""
    name: str = ""


def find_lists(
    root: Path, names: PictureNames, texts: Sequence[str]
) -> tuple[list[SplitList], list[str]]:
    """Find the lists of splits, and say which files nearly are some.

    A list counts if at least half of its pictures have a label, and its name holds a split's word
    or it is one of several that share no picture. One that names all of a split's pictures is
    preferred to one that names others beside.
    """
    rows = _Rows(names.layout)
    found: list[SplitList] = []
    remarks: dict[str, str] = {}
    for text in few_per_folder(texts):
        lines = _read(root / text)
        fit = rows.fit(lines, names)
        if fit is None or fit.left_out:
            named = rows.named(lines, names)
            fuller = fit is None or (named and len(named.left_out) < len(fit.left_out))
            fit = named if fuller else fit
        if fit is not None:
            found.append(dataclasses.replace(fit, path=text))
        elif why := _unusable(text, lines, names):
            remarks[text] = why
    lists = _named(_preferred(found))
    splits = {_split_of(one.path) or one.name for one in lists}
    told = [
        f"not used: {text}: {why}" for text, why in remarks.items() if _split_of(text) not in splits
    ]
    more = [f"not used: {len(told) - _TOLD} more lists"] if len(told) > _TOLD else []
    return lists, [*told[:_TOLD], *more]


def _preferred(found: list[SplitList]) -> list[SplitList]:
    """Leave out lists that say the same as another, or less well which pictures a split has."""
    whole = {_split_of(one.path) for one in found if not one.left_out} - {None}
    kept: list[SplitList] = []
    for one in sorted(found, key=lambda one: (len(one.left_out) > 0, len(one.anew) > 0)):
        known = any(one.rows == other.rows for other in kept)
        if not known and not (one.left_out and _split_of(one.path) in whole):
            kept.append(one)
    return kept


def _unusable(text: str, lines: list[str], names: PictureNames) -> str:
    """Say why a file that looks like a split's list cannot be used; empty if it is no such list."""
    path = PurePosixPath(text)
    word = split_word(path.stem)
    if word is None or not any(line.strip() for line in lines):
        return ""
    read = names.read(lines)
    number = len(read.rows) + len(read.left_out)
    first = next((one for one in read.left_out), "")
    alone = not (word[0] or word[2]) or bool(_FOLDER.fullmatch(path.parent.name))
    if 2 * read.unclear > number and number > 1:
        return f"its names stand for several pictures each, such as {first}"
    if len(read.rows) > 1:
        return f"only {len(read.rows)} of {number} lines name a picture with a label"
    if alone or PurePosixPath(first).suffix.lower() in IMAGES:
        return f"names no pictures with a label; the first is {first}"
    return ""


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
        self._known = {self._row(values): values for values in zip(*columns, strict=True)}

    def _row(self, values: Sequence[str]) -> Row:
        return tuple(
            str(int(value)) if numeric and is_number(value) and len(value) < 19 else value
            for value, numeric in zip(values, self._numeric, strict=True)
        )

    def fit(self, lines: list[str], names: PictureNames) -> SplitList | None:
        """Find the separator, header and columns by which most lines name known pictures."""
        best: SplitList | None = None
        for separator, skip in itertools.product(_SEPARATORS, range(_HEADERS + 1)):
            written = [line for line in lines[skip:] if line.strip()]
            cells = [[cell.strip() for cell in line.split(separator)] for line in written]
            if not cells or len({len(row) for row in cells}) > 1 or len(cells[0]) > _MOST_COLUMNS:
                continue
            if not all(_WORD.search(cell) for cell in cells[0]):  # the separator is another one
                continue
            probes = cells[:: max(1, len(cells) // _PROBES)]
            for places in itertools.permutations(range(len(cells[0])), len(self._names)):
                if not any(self._pick(row, places) in self._known for row in probes):
                    continue
                picked = (self._pick(row, places) for row in cells)
                rows = dict(zip(picked, written, strict=True))
                missing = tuple(line for row, line in rows.items() if row not in self._known)
                better = best is None or len(missing) < len(best.left_out)
                heads = lines[:skip]
                if better and 2 * len(missing) <= len(rows) and names.are_heads(heads, written):
                    known = [row for row in rows if row in self._known]
                    anew = tuple(self._known[row] for row in known) if missing else ()
                    columns = self._columns(places, len(cells[0]))
                    best = SplitList(columns, separator, skip, frozenset(known), anew, missing)
                if best is not None and not best.left_out:
                    return best
        return best

    def _columns(self, places: Sequence[int], number: int) -> list[str]:
        """Name the columns of a list: the fields, and those that are none."""
        columns = [f"column_{place + 1}" for place in range(number)]
        for place, name in zip(places, self._names, strict=True):
            columns[place] = name
        return columns

    def named(self, lines: list[str], names: PictureNames) -> SplitList | None:
        """Read lines that name files, or pictures in other ways than by all of their fields."""
        read = names.read(lines)
        if not read.rows or len(read.left_out) > len(read.rows):
            return None
        rows = frozenset(map(self._row, read.rows))
        return SplitList([], None, 0, rows, anew=read.rows, left_out=read.left_out)

    def _pick(self, cells: list[str], places: Sequence[int]) -> Row:
        return self._row([cells[place] for place in places])


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
