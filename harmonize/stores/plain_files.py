"""Opening files that are files: no pipe is waited for, no device is read."""

import errno
import os
import stat
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.stores.file_table import Opened
from harmonize.stores.stored_path import StoredPath

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_FLAGS |= getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
"""A pipe without a writer is opened at once, so that it can be seen to be one."""
_KINDS = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def open_plain(path: str | Path) -> Opened:
    """Open a file to be read in binary, in a folder or in a store.

    Raises:
        HarmonizeError: it is a pipe, a device or a socket.
        OSError: it is not there, is a folder, or may not be read.
    """
    if isinstance(path, StoredPath):
        return path.store.open(path.inside)
    number = open_number(path)
    try:
        status = os.fstat(number)
        if stat.S_ISREG(status.st_mode):
            return os.fdopen(number, "rb")
        _refuse(status.st_mode, path)
    except BaseException:
        os.close(number)
        raise
    raise AssertionError("it is refused")


def open_number(path: str | Path) -> int:
    """Return a new descriptor of a file, of whatever kind, without waiting.

    Raises:
        HarmonizeError: it is a socket.
        OSError: it cannot be opened.
    """
    try:
        return os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EOPNOTSUPP):  # which no open file would tell
            _refuse(Path(path).stat().st_mode, path)
        raise


def is_plain(number: int) -> bool:
    """Say whether a descriptor is of a plain file."""
    return stat.S_ISREG(os.fstat(number).st_mode)


def _refuse(mode: int, path: str | Path) -> None:
    """Refuse what is no plain file."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    kind = next((name for is_kind, name in _KINDS if is_kind(mode)), "no plain file")
    raise HarmonizeError(f"{path}: is {kind}, which is not read; save what it gives as a file")
