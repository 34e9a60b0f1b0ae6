"""The path of a file that lies in no folder: a ``Path`` that opens and lists what a store has."""

import errno
import io
import os
import stat
import sys
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.stores.file_table import FileTable, Store


class StoredPath(type(Path())):
    """A file or folder of a store. It holds no more than texts, so it goes to other processes.

    Attributes:
        address: of the store.
        inside: where in it; empty for all of it.
    """

    address: str
    inside: str

    def __new__(cls, address: str, inside: str = "") -> "StoredPath":
        return super().__new__(cls, f"{address}/{inside}")

    def __init__(self, address: str, inside: str = "") -> None:
        if sys.version_info >= (3, 12):
            super().__init__(f"{address}/{inside}")
        self.address = address
        self.inside = inside

    @property
    def store(self) -> Store:
        """What it lies in, opened once in each process."""
        from harmonize.stores.open_store import store_of  # which opens stores by what is here

        return store_of(self.address)

    @property
    def is_listed(self) -> bool:
        """Whether the store gives a list of its files."""
        return self.store.table is not None

    def __str__(self) -> str:
        return f"{self.address.rstrip('/')}/{self.inside}" if self.inside else self.address

    __fspath__ = as_posix = __str__

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredPath, (self.address, self.inside)

    def __truediv__(self, key: object) -> "StoredPath":
        parts = f"{self.inside}/{key}".split("/")
        return StoredPath(self.address, "/".join(part for part in parts if part not in ("", ".")))

    def joinpath(self, *others: object) -> "StoredPath":
        """Return the path of what lies below this one."""
        return self / "/".join(map(str, others))

    @property
    def parent(self) -> "StoredPath":
        """The folder that it lies in."""
        return StoredPath(self.address, self.inside.rpartition("/")[0])

    def relative_to(self, other: Any, *_: object, **__: object) -> PurePosixPath:  # type: ignore[override]
        """Return the path from a folder of the same store to this one."""
        if isinstance(other, StoredPath) and other.address == self.address:
            return PurePosixPath(self.inside).relative_to(PurePosixPath(other.inside))
        raise ValueError(f"{self} does not lie in {other}")

    def resolve(self, strict: bool = False) -> "StoredPath":  # noqa: ARG002
        """Return the path whose store has the same address from every working directory."""
        from harmonize.stores.addresses import is_remote

        address = self.address if is_remote(self.address) else os.path.abspath(self.address)  # noqa: PTH100  of a pattern too
        return StoredPath(address, self.inside)

    def absolute(self) -> "StoredPath":
        """Return the same as ``resolve``."""
        return self.resolve()

    def stat(self, **_: object) -> os.stat_result:  # type: ignore[override]
        """Return a file's size, with a number that changes with its content as that of its inode.

        Raises:
            FileNotFoundError: there is none of the name.
        """
        facts, mode = self.store.facts(self.inside), stat.S_IFREG | 0o444
        if facts is not None:
            return _status(mode, facts.size, facts.number)
        if not self.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self))
        version = sum(self.store.version.encode(errors="surrogateescape"))
        return _status(stat.S_IFDIR | 0o555, 0, version)

    def exists(self, **_: object) -> bool:  # type: ignore[override]
        """Say whether there is a file or a folder of the name."""
        return self.is_file() or self.is_dir()

    def is_file(self, **_: object) -> bool:  # type: ignore[override]
        """Say whether there is a file of the name."""
        return self.store.facts(self.inside) is not None

    def is_dir(self, **_: object) -> bool:  # type: ignore[override]
        """Say whether it is a folder; where files are not listed, only the whole store is one."""
        table = self.store.table
        return not self.inside if table is None else table.has_folder(self.inside)

    def names(self) -> list[str]:
        """Return the names in a folder, in order.

        Raises:
            HarmonizeError: the store gives no list of its files.
        """
        return self._table().inside(self.inside)

    def iterdir(self) -> "Generator[StoredPath, None, None]":
        """Yield what lies in a folder; see ``names``."""
        return (self / name for name in self.names())

    def glob(self, pattern: str, **_: object) -> "Iterator[StoredPath]":  # type: ignore[override]
        """Yield the files below a folder that match a pattern; see ``names``."""
        inside = f"{self.inside}/" if self.inside else ""
        found = self._table().matching(inside.replace("[", "[[]") + pattern)
        return (StoredPath(self.address, name) for name in found)

    def open(self, mode: str = "r", *_: object, **__: object) -> Any:
        """Open a file to be read, in binary or as UTF-8."""
        file = self.store.open(self.inside)
        return file if "b" in mode else io.TextIOWrapper(file, encoding="utf-8")

    def read_bytes(self) -> bytes:
        """Read all of a file."""
        with self.store.open(self.inside) as file:
            return file.read()

    def start(self, number: int) -> bytes:
        """Read the first bytes of a file."""
        return self.store.start(self.inside, number)

    def _table(self) -> FileTable:
        table = self.store.table
        if table is None:
            raise HarmonizeError(
                f"{self.address}: a web server gives no list of its files; write one with one "
                "picture per line beside the mapping, and say in `splits`: train: {list: train.txt}"
            )
        return table


def _status(mode: int, size: int, number: int) -> os.stat_result:
    times = {"st_atime_ns": 0, "st_mtime_ns": number, "st_ctime_ns": 0}
    return os.stat_result((mode, number, 0, 1, 0, 0, size, 0, 0, 0), times)
