"""Which labelled picture a name in a data set's own lists means, however it is written."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.name_words import is_number

_SEPARATORS = ("\n", None, ",", ";", "\t", "|")
"""What may part the cells of a line; of the first, which no line holds, the line is one cell."""
_MOST_COLUMNS = 6
_PROBES = 50  # lines
_HEADERS = 2

Row = tuple[str, ...]
"""The values of the fields of one picture."""


@dataclass(frozen=True)
class NamedPictures:
    """The pictures that the lines of a file name.

    Attributes:
        rows: those with a label, in the file's order.
        left_out: the other names.
        unclear: how many of these stand for several pictures each.
    """

    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    unclear: int


class PictureNames:
    """All that may name a picture: its id, the end of its path or of its label's, and others."""

    def __init__(self, layout: FolderLayout) -> None:
        self.layout = layout

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The fields of each picture by its names; without what names several."""
        return {one: row for one, row in self._named[0].items() if one not in self._named[1]}

    @cached_property
    def unlabelled(self) -> frozenset[str]:
        """The names of the pictures without a label, but for those of others."""
        labelled = {picture.path for _, picture in self.layout.pairs}
        rest = [file for file in self.layout.picture_group.files if file.path not in labelled]
        names = {name for file in rest for name in (file.core, *_ends(file.path))}
        return frozenset(names - self._named[0].keys())

    def are_heads(self, lines: Sequence[str], rest: Sequence[str]) -> bool:
        """Say whether a file's first lines name no picture, nor are written as the rest are."""
        for line in lines:
            words = {picture_key(line), *map(picture_key, re.split(r"[\s,;|]+", line))}
            if self.unlabelled & words or _shape(line) in map(_shape, rest):
                return False
        return True

    def read(self, lines: Sequence[str]) -> NamedPictures:
        """Find the column of a text's lines that names the most pictures, and what it names."""
        written = [line.strip() for line in lines if line.strip()]
        best = NamedPictures((), tuple(written), 0)
        probes = written[:: max(1, len(written) // _PROBES)]
        for separator, place in _columns(probes):
            some = [_cell(line, separator, place) for line in probes]
            above = self._above(some)
            known = {name.removeprefix(above) for name in some}
            if known.isdisjoint(self._named[0]) or (len(known) == 1 and is_number(*known)):
                continue
            names = [_cell(line, separator, place).removeprefix(above) for line in written]
            first = next((n for n, name in enumerate(names) if name in self.rows), 0)
            if first <= _HEADERS and self.are_heads(written[:first], written[first:]):
                names = names[first:]
            found = self._told(dict.fromkeys(names))
            if (len(found.rows), found.unclear) > (len(best.rows), best.unclear):
                best = found
            if not best.left_out:
                break
        return best

    def _told(self, names: Iterable[str]) -> NamedPictures:
        rows = dict.fromkeys(self.rows[name] for name in names if name in self.rows)
        left_out = tuple(name for name in names if name not in self.rows)
        return NamedPictures(tuple(rows), left_out, sum(one in self._named[1] for one in left_out))

    @cached_property
    def _named(self) -> tuple[dict[str, Row], set[str]]:
        """The fields by name, and the names of several pictures."""
        rows: dict[str, Row] = {}
        twice: set[str] = set()
        columns = zip(*self.layout.fields.columns.values(), strict=True)
        for row, (label, picture) in zip(columns, self.layout.pairs, strict=True):
            names = {picture.core, *(row[0] for _ in range(len(row) == 1))}
            names |= {end for file in (label, picture) for end in _ends(file.path)}
            twice |= {one for one in names if one in rows}
            rows |= dict.fromkeys(names, row)
        return rows, twice

    def _above(self, names: list[str]) -> str:
        """Return the folders above the data set's in names such as ``/home/me/set/images/1.jpg``.

        Empty if one of them names a picture without.
        """
        if any(name in self._named[0] for name in names):
            return ""
        for name in names:
            for end in _ends(name):
                if end in self._paths and name.endswith(f"/{end}"):
                    return name.removesuffix(end)
        return ""

    @cached_property
    def _paths(self) -> set[str]:
        """The whole paths of all files, with and without their extensions."""
        paths = {file.path for pair in self.layout.pairs for file in pair}
        return paths | {str(PurePosixPath(path).with_suffix("")) for path in paths}


def _columns(lines: Sequence[str]) -> Iterator[tuple[str | None, int]]:
    """Give the separator and the place of each column that lines may have."""
    for separator in _SEPARATORS:
        width = min((len(line.split(separator)) for line in lines), default=0)
        for place in range(min(width, _MOST_COLUMNS) if width > 1 or separator == "\n" else 0):
            yield separator, place


def _cell(line: str, separator: str | None, place: int) -> str:
    """Return what a line has in a column; all of it if it has no such column."""
    cells = line.split(separator)
    return picture_key((cells[place] if place < len(cells) else line).strip().strip("\"'"))


def picture_key(name: str) -> str:
    """Return a name as it is looked up: with slashes, and none at its beginning."""
    return name.strip().replace("\\", "/").removeprefix("./").lstrip("/")


def _ends(path: str) -> Iterator[str]:
    """Give the ends of a path that may name its file, with and without its extension."""
    parts = path.split("/")
    for text in ("/".join(parts[start:]) for start in range(len(parts))):
        yield text
        folder, slash, file = text.rpartition("/")
        yield f"{folder}{slash}{file.rpartition('.')[0] or file}"


def _shape(line: str) -> str:
    """Return a line with every number the same."""
    return re.sub(r"\d+", "0", line.strip())
