"""Where in one file the labels of each picture of a data set are: arrays, not objects.

A file with the labels of a whole data set may have hundreds of megabytes, and as objects ten times
as many. It is gone through once; what is kept are the places of what belongs to each picture,
which is read from there when it is wanted. So a process that loads pictures needs no more memory
for a large file than for a small one.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.kept_index import keep, read_kept
from harmonize.stores.local_copy import local_copy
from harmonize.stores.plain_files import open_plain
from harmonize.stores.stored_path import StoredPath

# Letters of shapes: P pictures, A annotations, K names.

_FULL, _ENDING = b"=", b"~"
"""What begins a picture's name in full, and what a part of it that begins after a slash."""
_SEVERAL = -1
_SCHEME = re.compile(r"^[a-z]+://+")
_KEPT = 16
"""Files whose index a process keeps."""

_ARRAYS = ("names", "numbers", "own", "starts", "spans")
_FACTS = "facts"

Stamp = tuple[int, ...]


class SameNameError(HarmonizeError):
    """A file has two pictures of one name."""


class OtherFileError(HarmonizeError):
    """A file is of another kind, not a wrong one of this."""


@dataclass(frozen=True)
class SetIndex:
    """Where in a file the labels of each picture are.

    Attributes:
        path: the file.
        stamp: size, times and number of the file that was indexed.
        copy: of a file that lies in no folder, here on this machine; None of others.
        names: of the pictures, sorted.
        numbers: of the picture of each name; -1 where several have it.
        own: first byte of each picture's own record, and the one after the last.
        starts: place of each picture's first annotation among ``spans``, and their number.
        spans: first byte of each annotation, and the one after the last, picture by picture.
        categories: what the file calls the numbers of classes, where it has a list of them.
        used: how many annotations each name of a class has.
    """

    path: Path
    stamp: Stamp
    names: ndarray
    numbers: Int[ndarray, " K"]
    own: Int[ndarray, "P 2"]
    starts: Int[ndarray, " P1"]
    spans: Int[ndarray, "A 2"]
    categories: dict[int, str]
    used: dict[str, int]
    copy: Path | None = None

    def find(self, picture: str) -> int:
        """Return the number of a picture by its path.

        The file's name for it may lack folders at the front of its path, or have more of them.

        Raises:
            HarmonizeError: the file does not have it, or has several of the name.
        """
        parts = picture.split("/")
        for place in range(len(parts)):
            number = self._number(_FULL, "/".join(parts[place:]))
            if number is not None:
                break
        else:
            number = self._number(_ENDING, picture)
        if number is None:
            raise HarmonizeError(f"{self.path}: has no picture {picture!r}")
        if number == _SEVERAL:
            raise HarmonizeError(f"{self.path}: has several pictures that may be {picture!r}")
        return number

    def pictures(self) -> dict[int, str]:
        """Return what the file calls each picture, by number."""
        kind = _FULL[0]
        names = zip(self.numbers.tolist(), self.names.tolist(), strict=True)
        return {n: os.fsdecode(name[1:]) for n, name in names if name[0] == kind and n >= 0}

    def records(self, number: int) -> tuple[bytes, list[bytes]]:
        """Read a picture's own record and its annotations.

        Raises:
            HarmonizeError: the file has changed, or cannot be read.
        """
        spans = self.spans[self.starts[number] : self.starts[number + 1]]
        try:
            with open_plain(self.copy or self.path) as file:
                if self.copy is None and _stamp(os.fstat(file.fileno())) != self.stamp:
                    raise HarmonizeError(f"{self.path}: has changed while it was used; begin again")
                own, *others = [
                    os.pread(file.fileno(), int(end - start), int(start))
                    for start, end in (self.own[number], *spans)
                ]
        except OSError as error:
            raise HarmonizeError(
                f"{self.path}: cannot be read: {error.strerror or error}"
            ) from None
        return own, others

    def _number(self, kind: bytes, name: str) -> int | None:
        wanted = kind + os.fsencode(name)
        place = int(np.searchsorted(self.names, np.bytes_(wanted)))
        found = place < len(self.names) and self.names[place] == wanted
        return int(self.numbers[place]) if found else None


@dataclass
class IndexBuilder:
    """Gathers what an index is made of, in any order."""

    path: Path
    categories: dict[int, str] = field(default_factory=dict[int, str])
    used: Counter[str] = field(default_factory=Counter[str])
    _names: dict[str, int] = field(default_factory=dict[str, int])
    _also: dict[str, int] = field(default_factory=dict[str, int])
    _own: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    _pictures: list[int] = field(default_factory=list[int])
    _spans: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def add_picture(self, name: str, start: int, end: int, *, also: str | None = None) -> int:
        """Add a picture and the place of its own record; return its number.

        Args:
            name: of the picture.
            start, end: of its record in the file.
            also: another name that it may have.

        Raises:
            HarmonizeError: there is one of the name already.
        """
        name = plain_name(name)
        if name in self._names:
            raise SameNameError(
                f"{self.path}: has two pictures of the name {name!r}; write the folder of each "
                "before its name"
            )
        number = self._names[name] = len(self._own)
        if also is not None:
            also = plain_name(also)
            self._also[also] = number if self._also.get(also, number) == number else _SEVERAL
        self._own.append((start, end))
        return number

    def add(self, picture: int, start: int, end: int) -> None:
        """Add the place of an annotation of a picture."""
        self._pictures.append(picture)
        self._spans.append((start, end))

    def build(self, stamp: Stamp, copy: Path | None = None) -> SetIndex:
        """Return the index."""
        keys = {
            _FULL + os.fsencode(name): number
            for name, number in {**self._also, **self._names}.items()
        }
        for name, number in self._names.items():
            parts = name.split("/")
            for place in range(1, len(parts)):
                key = _ENDING + os.fsencode("/".join(parts[place:]))
                keys[key] = number if keys.get(key, number) == number else _SEVERAL
        names = np.array(list(keys), dtype=np.bytes_)
        order = np.argsort(names, kind="stable")
        pictures = np.array(self._pictures, dtype=np.int64)
        by_picture = np.argsort(pictures, kind="stable")
        counts = np.bincount(pictures, minlength=len(self._own))
        return SetIndex(
            self.path,
            stamp,
            names[order],
            np.array(list(keys.values()), dtype=np.int64)[order],
            np.array(self._own, dtype=np.int64).reshape(-1, 2),
            np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            np.array(self._spans, dtype=np.int64).reshape(-1, 2)[by_picture],
            self.categories,
            dict(self.used),
            copy,
        )


Build = Callable[[Path, IndexBuilder], None]
"""Goes through a file and adds what is in it."""

_open: dict[tuple[str, str], SetIndex | tuple[Stamp, type[HarmonizeError], tuple[str, ...]]] = {}
"""By builder and path: the index, or what is wrong with the file."""


def open_index(path: Path, build: Build) -> SetIndex:
    """Return the index of a file, made anew where the file has changed.

    Raises:
        HarmonizeError: it cannot be read, or is not as it should be.
    """
    key = build.__name__, str(path)
    try:
        stamp = _stamp(path.stat())
    except OSError as error:
        raise HarmonizeError(f"{path}: {(error.strerror or 'gone').lower()}") from None
    known = _open.get(key)
    if isinstance(known, SetIndex) and known.stamp == stamp:
        return known
    if isinstance(known, tuple) and known[0] == stamp:
        raise known[1](*known[2])
    try:
        made = _open[key] = _made(path, build, stamp)
    except HarmonizeError as error:
        _open[key] = stamp, type(error), error.problems
        raise
    while len(_open) > _KEPT:
        del _open[next(iter(_open))]
    return made


def _made(path: Path, build: Build, stamp: Stamp) -> SetIndex:
    """Return an index that was kept, or go through the file."""
    stored = isinstance(path, StoredPath)
    kept = None if stored else read_kept(build.__name__, path, stamp)
    if kept is not None:
        facts = json.loads(kept.pop(_FACTS).tobytes())
        categories = {int(number): name for number, name in facts["categories"].items()}
        names, numbers, own, starts, spans = (kept[name] for name in _ARRAYS)
        return SetIndex(
            path, stamp, names, numbers, own, starts, spans, categories, dict(facts["used"])
        )
    builder = IndexBuilder(path)
    build(path, builder)
    made = builder.build(stamp, local_copy(path) if stored else None)
    if not stored:
        facts = json.dumps({"categories": made.categories, "used": made.used}).encode()
        arrays = {name: getattr(made, name) for name in _ARRAYS}
        keep(build.__name__, path, stamp, {**arrays, _FACTS: np.frombuffer(facts, np.uint8)})
    return made


def opened() -> list[tuple[tuple[str, str], SetIndex]]:
    """Return the indexes of this process, for another one."""
    return [(key, index) for key, index in _open.items() if isinstance(index, SetIndex)]


def take_over(indexes: Sequence[tuple[tuple[str, str], SetIndex]]) -> None:
    """Use the indexes that another process has made."""
    for key, index in indexes:
        _open.setdefault(key, index)


def plain_name(name: str) -> str:
    """Return a picture's name as a path with slashes, without what is no part of it."""
    name = _SCHEME.sub("", name.replace("\\", "/"))
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
