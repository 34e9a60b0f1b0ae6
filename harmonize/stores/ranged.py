"""Bytes that are read by their places, and files made of them."""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harmonize.errors import HarmonizeError
from harmonize.stores.file_table import Opened

HEAD = 1 << 16
"""Bytes that hold the header of most pictures."""
_MOST = 1 << 23
"""Bytes that are read ahead."""

_heads: ContextVar[bool] = ContextVar("heads", default=False)


@contextlib.contextmanager
def heads_first() -> Iterator[None]:
    """Have files that lie elsewhere read in small parts, as only their headers are wanted."""
    token = _heads.set(True)
    try:
        yield
    finally:
        _heads.reset(token)


def wants_heads() -> bool:
    """Say whether only the headers of files are wanted."""
    return _heads.get()


@runtime_checkable
class Bytes(Protocol):
    """A long row of bytes."""

    place: str
    """Names it in errors."""
    size: int
    stamp: str
    """Another text wherever the bytes are others; empty where nothing tells."""

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from one place to another, all of them."""
        ...


class LocalBytes:
    """The bytes of a file of this machine; each process has its own descriptor."""

    def __init__(self, place: str) -> None:
        """Look at a file."""
        self.place = place
        self._number = -1
        status = Path(place).stat()
        self.size = status.st_size
        self.stamp = _stamp(status)

    def read(self, start: int, end: int) -> bytes:
        """Return the bytes from one place to another.

        Raises:
            HarmonizeError: the file has changed, or cannot be read.
        """
        try:
            if self._number < 0:
                self._number = os.open(self.place, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            if _stamp(os.fstat(self._number)) != self.stamp:
                raise HarmonizeError(f"{self.place}: has changed while it was used; begin again")
            parts: list[bytes] = []
            while start < end and (part := os.pread(self._number, end - start, start)):
                parts.append(part)
                start += len(part)
        except OSError as error:
            reason = error.strerror or error
            raise HarmonizeError(f"{self.place}: cannot be read: {reason}") from None
        return b"".join(parts) if len(parts) != 1 else parts[0]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_number": -1}

    def __del__(self) -> None:
        if self._number >= 0:
            os.close(self._number)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"


class _Ranged(io.RawIOBase):
    """A file of bytes that are read in parts, the first ones small if only a header is wanted."""

    def __init__(self, read: Callable[[int, int], bytes], size: int, step: int) -> None:
        self._read, self._size, self._step = read, size, step
        self._place = self._start = 0
        self._part = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        if self._place >= self._size or not len(buffer):
            return 0
        if not self._start <= self._place < self._start + len(self._part):
            wanted = max(len(buffer), self._step)
            end = min(self._place + wanted, self._size)
            self._start, self._part = self._place, self._read(self._place, end)
            self._step = min(4 * self._step, _MOST)
        first = self._place - self._start
        found = self._part[first : first + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)


def ranged_file(read: Callable[[int, int], bytes], size: int, *, step: int = HEAD) -> Opened:
    """Return a file whose bytes are read as they are wanted.

    Args:
        read: returns the bytes from one place to another.
        size: of the file.
        step: bytes that are read at first; more with each further part.
    """
    return io.BufferedReader(_Ranged(read, size, step))
