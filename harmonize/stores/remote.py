"""The files of a remote folder, at any address that fsspec opens."""

import io
from collections import OrderedDict
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.stores.connection import Connection, LostConnectionError
from harmonize.stores.file_table import MOST_FILES, FileTable, Opened, StoredFacts
from harmonize.stores.ranged import HEAD, ranged_file, wants_heads

_WHOLE = 1 << 25
"""Bytes of a file that is read by one request."""
_KEPT = 1 << 25
"""Bytes of the files read last, which are looked at more than once."""
_STAMPS = (
    "ETag",
    "etag",
    "Content-MD5",
    "md5Hash",
    "content_md5",
    "ContentMD5",
    "generation",
    "VersionId",
    "LastModified",
    "Last-Modified",
    "last_modified",
    "updated",
    "mtime",
    "modified",
    "created",
    "oid",
)
"""What file systems call that which changes with a file."""


class RemoteBytes:
    """The bytes of one remote file."""

    def __init__(self, place: str) -> None:
        """Ask for its size.

        Raises:
            FileNotFoundError: it is not there.
            HarmonizeError: it cannot be read, or its server does not tell its size.
        """
        self.place = place
        self._connection = Connection(place)
        facts = _facts(self._info())
        if facts is None:
            raise HarmonizeError(f"{place}: its server does not tell its size; copy it here")
        self.size, self.stamp = facts.size, facts.stamp

    def read(self, start: int, end: int) -> bytes:
        return read_part(self._connection, self.place, None, (start, end), self.size)

    def _info(self) -> dict[str, Any]:
        connection = self._connection
        return connection.ask(self.place, lambda system: system.info(connection.system[1]))


class RemoteFolder:
    """The files below a remote address."""

    def __init__(self, address: str) -> None:
        """List the files, where the protocol has lists.

        Raises:
            HarmonizeError: it cannot be reached, or holds far too much.
        """
        self.address = address
        self._connection = Connection(address)
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._asked: dict[str, StoredFacts | None] = {}
        self._table: FileTable | None = None
        self._facts: tuple[ndarray, ndarray] | None = None
        if not address.lower().startswith(("http://", "https://")):
            self._list()

    @property
    def table(self) -> FileTable | None:
        return self._table

    @property
    def version(self) -> str:
        return "" if self._facts is None else str(hash(self._facts[1].tobytes()))

    def facts(self, name: str) -> StoredFacts | None:
        if self._table is not None and self._facts is not None:
            place = self._table.find(name)
            if place is None:
                return None
            sizes, stamps = self._facts
            return StoredFacts(
                int(sizes[place]), bytes(stamps[place]).decode(errors="surrogateescape")
            )
        if name not in self._asked:
            try:
                info = self._ask(name, lambda system, path: system.info(path))
                self._asked[name] = _facts(info) or StoredFacts(0, "")
            except FileNotFoundError:
                self._asked[name] = None
        return self._asked[name]

    def open(self, name: str) -> Opened:
        facts = self.facts(name)
        if facts is None:
            raise FileNotFoundError(f"{self.address}/{name}")
        kept = self._kept.get(name, b"")
        if 0 < facts.size == len(kept):
            return io.BytesIO(kept)
        if facts.size <= _WHOLE and not wants_heads():
            return io.BytesIO(self._keep(name, facts.size))
        return ranged_file(lambda start, end: self._part(name, start, end), facts.size)

    def start(self, name: str, number: int) -> bytes:
        facts = self.facts(name)
        if facts is None:
            raise FileNotFoundError(f"{self.address}/{name}")
        few = wants_heads() or facts.size > _WHOLE
        least = min(max(HEAD, number), facts.size) if few else facts.size
        if len(self._kept.get(name, b"")) < least or not facts.size:
            self._keep(name, least)
        return self._kept[name][:number]

    def _keep(self, name: str, end: int) -> bytes:
        """Read the first part of a file, or all of it where its size is not known."""
        size = facts.size if (facts := self.facts(name)) else 0
        place = self._place(name)
        whole = end == size
        sure = self._table is not None  # of the size; and s3fs would ask for it before
        asked = (0, end) if size and (sure or not whole) else None
        data = read_part(self._connection, place, self._path(name), asked, size)
        self._kept.pop(name, None)
        self._kept[name] = data
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > _KEPT:
            self._kept.popitem(last=False)
        return data

    def _part(self, name: str, start: int, end: int) -> bytes:
        kept = self._kept.get(name, b"")
        if end <= len(kept):
            return kept[start:end]
        facts = self.facts(name)
        size = 0 if facts is None else facts.size
        path = self._path(name)
        return read_part(self._connection, self._place(name), path, (start, end), size)

    def _list(self) -> None:
        """List all files, with what is known of each."""
        root = self._path("")
        try:
            found: dict[str, Any] = self._connection.ask(
                self.address, lambda system: dict(system.find(root, detail=True))
            )
        except FileNotFoundError:
            found = {}
        if len(found) > MOST_FILES:
            raise HarmonizeError(
                f"{self.address}: holds more than {MOST_FILES} files; name the folder of one set"
            )
        names = [path[len(root) :].lstrip("/") for path in found]
        known = [_facts(info) or StoredFacts(0, "") for info in found.values()]
        self._table = FileTable.of(names)
        self._facts = (
            np.array([facts.size for facts in known], dtype=np.int64),
            np.array([facts.stamp.encode() for facts in known], dtype=np.bytes_),
        )

    def _ask(self, name: str, action: Any) -> Any:
        path = self._path(name)
        return self._connection.ask(self._place(name), lambda system: action(system, path))

    def _place(self, name: str) -> str:
        return f"{self.address}/{name}"

    def _path(self, name: str) -> str:
        """Return a file's path as its file system has it."""
        root = self._connection.system[1].rstrip("/")
        if self._table is None and self.address.lower().startswith("http"):
            name = quote(name)
        return f"{root}/{name}" if name else root


def read_part(
    connection: Connection, place: str, path: str | None, part: tuple[int, int] | None, size: int
) -> bytes:
    """Return a part of a file, or all of it; an answer that ends early counts as no answer.

    Args:
        connection: to what it lies in.
        place: its full address.
        path: as the file system has it; that of the connection unless given.
        part: the first byte and the one after the last; None for all.
        size: of the file; 0 where it is not known.
    """
    start, end = (0, size) if part is None else part
    if part is not None and start >= end:
        return b""

    def read(system: Any) -> bytes:
        file = connection.system[1] if path is None else path
        if part is None:
            data = system.cat_file(file)
        else:  # by name: s3fs has a version between the path and these
            data = system.cat_file(file, start=start, end=end)
        if part is not None and len(data) == size != end - start:
            data = data[start:end]  # some web servers give all of it, whatever is asked for
        if size and len(data) != end - start:
            raise OSError(f"{len(data)} of {end - start} bytes came")
        return data

    try:
        return connection.ask(place, read)
    except LostConnectionError as error:
        if "bytes came" in str(error):
            raise LostConnectionError(
                f"{error.problems[0]}; if the file has changed meanwhile, begin again"
            ) from None
        raise


def _facts(info: dict[str, Any]) -> StoredFacts | None:
    """Return the size and the stamp of a file; None where its size is not told."""
    size = info.get("size")
    told = {key: str(info[key]) for key in _STAMPS if info.get(key)}
    if not isinstance(size, int):
        return None
    return StoredFacts(size, f"{size} {told}" if told else "")
