"""The files of a store by their names: arrays, which do not grow the memory of loader processes."""

import fnmatch
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

# Letters of shapes: N files.

Opened = BufferedReader | BytesIO
"""A file that is open to be read."""
_WILD = re.compile(r"[*?\[]")
MOST_FILES = 5_000_000
"""Files of a store; more are hardly one data set."""


@dataclass(frozen=True)
class StoredFacts:
    """What is known of a file without reading it.

    Attributes:
        size: in bytes; 0 where it is not known.
        stamp: another text wherever the content is another; empty where nothing tells.
    """

    size: int
    stamp: str

    @property
    def number(self) -> int:
        """The stamp as a number of 63 bits."""
        digest = hashlib.blake2b(self.stamp.encode(errors="surrogateescape"), digest_size=8)
        return int.from_bytes(digest.digest(), "big") >> 1


@dataclass(frozen=True)
class FileTable:
    """Names of files with slashes between folders, in order, and the place of each in a list."""

    names: ndarray
    places: Int64[ndarray, " N"]

    @classmethod
    def of(cls, names: Sequence[str]) -> "FileTable":
        """Sort names; of several that are equal the last one counts."""
        coded = np.array([os.fsencode(name) for name in names], dtype=np.bytes_)
        order = np.argsort(coded, kind="stable")
        coded = coded[order]
        last = np.ones(len(coded), dtype=bool)
        last[:-1] = coded[1:] != coded[:-1]
        return cls(coded[last], order[last].astype(np.int64))

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: str) -> int | None:
        """Return the place of a file in the list; None if there is none of the name."""
        coded = np.bytes_(os.fsencode(name))
        row = int(np.searchsorted(self.names, coded))
        found = row < len(self.names) and self.names[row] == coded
        return int(self.places[row]) if found else None

    def starting(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with a text, in order."""
        coded = os.fsencode(prefix)
        first = int(np.searchsorted(self.names, np.bytes_(coded))) if coded else 0
        for row in range(first, len(self.names)):
            name = bytes(self.names[row])
            if not name.startswith(coded):
                return
            yield os.fsdecode(name)

    def has_folder(self, folder: str) -> bool:
        """Say whether files lie below a folder."""
        return not folder or next(self.starting(f"{folder}/"), None) is not None

    def inside(self, folder: str) -> list[str]:
        """Return the names of the files and folders in a folder, in order."""
        prefix = f"{folder}/" if folder else ""
        parts = (name[len(prefix) :].partition("/")[0] for name in self.starting(prefix))
        return list(dict.fromkeys(parts))

    def matching(self, pattern: str) -> Iterator[str]:
        """Yield the names that match a glob pattern as ``Path.glob`` has it."""
        wild = _WILD.search(pattern)
        fits = _pattern(pattern).fullmatch
        fixed = pattern if wild is None else pattern[: wild.start()]
        return (name for name in self.starting(fixed) if fits(name))


def _pattern(glob: str) -> "re.Pattern[str]":
    pieces: list[str] = []
    for part in glob.split("/"):
        if part == "**":
            pieces.append("(?:[^/]+/)*")
        else:
            written = fnmatch.translate(part).removeprefix("(?s:").removesuffix(r")\Z")
            written = written.removesuffix(r")\z").replace(".*", "[^/]*")
            pieces.append(f"{written}/")
    return re.compile("".join(pieces).removesuffix("/"))


@runtime_checkable
class Store(Protocol):
    """Where the files of a data set lie, if that is no folder."""

    address: str
    """Names the store in errors; it can be opened again by it."""

    @property
    def table(self) -> FileTable | None:
        """The files; None where the store gives no list of them."""
        ...

    @property
    def version(self) -> str:
        """Another text wherever the list of files may be another."""
        ...

    def facts(self, name: str) -> StoredFacts | None:
        """Return what is known of a file; None if there is none of the name."""
        ...

    def open(self, name: str) -> Opened:
        """Open a file to be read; ``FileNotFoundError`` if there is none of the name."""
        ...

    def start(self, name: str, number: int) -> bytes:
        """Return the first bytes of a file."""
        ...
