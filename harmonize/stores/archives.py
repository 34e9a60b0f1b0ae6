"""The files of a zip or tar archive, read at their places in it; nothing is unpacked on disk."""

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.stores.addresses import is_remote
from harmonize.stores.file_table import MOST_FILES, FileTable, Opened, StoredFacts
from harmonize.stores.gzip_bytes import GzipBytes
from harmonize.stores.ranged import HEAD, Bytes, LocalBytes, ranged_file

# Letters of shapes: N files.

MOST_BYTES = 1 << 31
"""Of a file in an archive that is unpacked in memory."""
_MOST_OF_HEADER = 1 << 26
"""Bytes of a name or a list of names in a tar."""
_LARGE = 1 << 23
"""Bytes from which a file that is not packed is read in parts."""
_ZIP_HEADER = struct.Struct("<4s22xHH")
_PLAIN, _DEFLATED = 0, 8
_OTHER_WAYS = {9: "deflate64", 12: "bzip2", 14: "lzma", 93: "zstd", 95: "xz"}
"""How files are packed, as zip numbers it."""


class _Member(NamedTuple):
    """A file of an archive: its name, and where and how it lies."""

    name: str
    start: int
    packed: int
    size: int
    method: int = _PLAIN
    crc: int = -1


class Archive:
    """The files of an archive."""

    def __init__(self, address: str) -> None:
        """List the files.

        Raises:
            HarmonizeError: it is damaged, or holds what is not read from archives.
            FileNotFoundError: it is not there.
        """
        self.address = address
        self._bytes: Bytes = _find_bytes(address)
        is_zip = address.lower().endswith(".zip")
        if address.lower().endswith("gz"):
            self._bytes = GzipBytes(self._bytes)
        members: list[_Member] = []
        try:
            for member in (_zip_members if is_zip else _tar_members)(address, self._bytes):
                members.append(member._replace(name=_plain_name(member.name, address)))
                if len(members) > MOST_FILES:
                    raise HarmonizeError(f"{address}: holds more than {MOST_FILES} files")
        except HarmonizeError:
            raise
        except Exception as error:  # a damaged file can raise anything
            kind = "zip" if is_zip else "tar"
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise HarmonizeError(f"{address}: not a readable {kind} archive: {reason}") from None
        self._is_zip = is_zip
        self._table = FileTable.of([member.name for member in members])
        numbers = [member[1:] for member in members]
        self._numbers: Int64[ndarray, "N 5"] = np.array(numbers, np.int64).reshape(-1, 5)

    @property
    def table(self) -> FileTable:
        return self._table

    @property
    def version(self) -> str:
        return self._bytes.stamp

    def facts(self, name: str) -> StoredFacts | None:
        place = self._table.find(name)
        if place is None:
            return None
        numbers = self._numbers[place].tolist()
        stamp = f"{self._bytes.stamp} {numbers}" if self._bytes.stamp else ""
        return StoredFacts(numbers[2], stamp)

    def open(self, name: str) -> Opened:
        start, packed, size, method, crc = self._find(name)
        if method == _PLAIN and size > _LARGE:
            start = self._data(start, 0)[0] if self._is_zip else start
            read = self._bytes.read
            return ranged_file(lambda first, end: read(start + first, start + end), size)
        if size > MOST_BYTES:
            raise HarmonizeError(
                f"{self.address}/{name}: says that it has {size} bytes, more than the "
                f"{MOST_BYTES >> 30} GiB that are unpacked in memory; lay it beside the archive"
            )
        data = self._data(start, packed)[1] if self._is_zip else self._tar_data(start, packed)
        if method == _DEFLATED:
            data = _inflated(data, size)
        if len(data) != size or (crc >= 0 and zlib.crc32(data) != crc):
            raise HarmonizeError(
                f"{self.address}/{name}: is damaged in the archive: its bytes do not fit its "
                "checksum; take it from where it is whole"
            )
        return io.BytesIO(data)

    def start(self, name: str, number: int) -> bytes:
        start, packed, size, method, _ = self._find(name)
        number = min(number, size)
        few = number if method == _PLAIN else min(packed, HEAD)
        data = self._data(start, few)[1] if self._is_zip else self._tar_data(start, few)
        return data if method == _PLAIN else _inflated(data, number, whole=False)

    def _find(self, name: str) -> list[int]:
        place = self._table.find(name)
        if place is None:
            raise FileNotFoundError(f"{self.address}/{name}")
        return self._numbers[place].tolist()

    def _tar_data(self, start: int, packed: int) -> bytes:
        return self._bytes.read(start, start + packed)

    def _data(self, start: int, packed: int) -> tuple[int, bytes]:
        """Return where the packed bytes of a file of a zip begin, and the first of them."""
        guess = min(start + 256 + packed, self._bytes.size)
        found = self._bytes.read(start, guess)
        mark, *lengths = _ZIP_HEADER.unpack_from(found.ljust(_ZIP_HEADER.size))
        if mark != b"PK\3\4":
            raise HarmonizeError(f"{self.address}: not a readable zip archive: a file is lost")
        first = _ZIP_HEADER.size + sum(lengths)
        if first + packed > len(found):
            found += self._bytes.read(guess, min(start + first + packed, self._bytes.size))
        return start + first, found[first : first + packed]


def _find_bytes(address: str) -> Bytes:
    if not is_remote(address):
        return LocalBytes(address)
    from harmonize.stores.remote import RemoteBytes  # which few need

    return RemoteBytes(address)


def _inflated(data: bytes, size: int, *, whole: bool = True) -> bytes:
    """Unpack no more than a size."""
    try:
        return zlib.decompressobj(-15).decompress(data, size + whole)
    except zlib.error:
        return b""


def _plain_name(name: str, address: str) -> str:
    """Return a name without what is no part of it; refuse one that leads out of the archive."""
    parts = name.split("/")
    windows = name[1:2] == ":" or name.startswith("\\") or ".." in name.split("\\")
    if name.startswith("/") or ".." in parts or windows:
        raise HarmonizeError(
            f"{address}: holds {name!a}, a name that leads out of it; pack the files anew, by "
            "names relative to their folder"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _zip_members(address: str, data: Bytes) -> Iterator[_Member]:
    with zipfile.ZipFile(ranged_file(data.read, data.size)) as packed:
        for one in packed.infolist():
            kind = stat.S_IFMT(one.external_attr >> 16)
            if one.is_dir() or kind == stat.S_IFDIR:
                continue
            if kind not in (0, stat.S_IFREG):
                _refuse_member(address, one.filename, "a link" if stat.S_ISLNK(kind) else "no file")
            if one.flag_bits & 1:
                _refuse_member(address, one.filename, "encrypted")
            if one.compress_type not in (_PLAIN, _DEFLATED):
                how = _OTHER_WAYS.get(one.compress_type, f"method {one.compress_type}")
                _refuse_member(address, one.filename, f"packed by {how}")
            sizes = one.compress_size, one.file_size
            yield _Member(one.filename, one.header_offset, *sizes, one.compress_type, one.CRC)


def _tar_members(address: str, data: Bytes) -> Iterator[_Member]:
    with tarfile.open(fileobj=_Headers(data), mode="r:", errorlevel=1) as packed:  # type: ignore[call-overload]
        while (one := packed.next()) is not None:
            packed.members.clear()  # it keeps all of them
            if one.isdir():
                continue
            if one.issparse() or not one.isreg():
                link = "a link" if one.issym() or one.islnk() else "no plain file"
                _refuse_member(address, one.name, link)
            yield _Member(one.name, one.offset_data, one.size, one.size)


def _refuse_member(address: str, name: str, what: str) -> None:
    raise HarmonizeError(
        f"{address}: holds {name!a}, which is {what}; pack the files themselves, by Deflate or "
        "not at all and without a password (zip -r, tar --dereference --hard-dereference)"
    )


class _Headers:
    """A tar of which only the headers are read, none larger than headers are."""

    def __init__(self, data: Bytes) -> None:
        self._file = ranged_file(data.read, data.size, step=1 << 12)

    def read(self, number: int = -1) -> bytes:
        if not 0 <= number <= _MOST_OF_HEADER:
            raise ValueError(f"a header of {number} bytes")
        return self._file.read(number)

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()


def is_archive(path: Path) -> bool:
    """Say whether a path is named as archives are that are read."""
    return path.name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))
