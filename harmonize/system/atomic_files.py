"""Files that are whole under their name, or not there: written aside, read back and renamed."""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from harmonize.errors import HarmonizeError

_BLOCK = 1 << 20
_LONGEST = 200
"""Bytes of a name that are part of the name that it is written under."""
_PART = re.compile(r"\..+\.[0-9a-f]{16}\.part", re.DOTALL)
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d{1,6})")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}


def part_of(path: Path) -> Path:
    """Return a name that nobody can foresee, under which a file is written before it is whole."""
    start = os.fsdecode(os.fsencode(path.name)[:_LONGEST])
    return path.with_name(f".{start}.{secrets.token_hex(8)}.part")


def is_part(path: Path) -> bool:
    """Say whether a file or a folder has such a name."""
    return _PART.fullmatch(path.name) is not None


def remove_parts(folder: Path) -> None:
    """Remove what interrupted writing left in a folder. Nobody else may write there meanwhile."""
    with contextlib.suppress(OSError):
        for path in [path for path in folder.iterdir() if is_part(path)]:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path: Path, *, problem: str = "cannot be written", advice: str = "") -> Iterator[None]:
    """Say in one line why a file or a folder cannot be written, if the system says so.

    Args:
        path: what is written.
        problem: what fails then.
        advice: what the user can do, if more than what the system's reason suggests.

    Raises:
        HarmonizeError: instead of an ``OSError``, or of what a name with a NUL in it raises.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise HarmonizeError(f"{path}: {problem}: {reason}{advice}") from None
    except ValueError as error:
        if "\0" not in str(path):
            raise
        raise HarmonizeError(f"{path}: {problem}: {error}") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, onto the disk; one that is there stays until then.

    A link is followed. What is no file, such as a terminal or a pipe, is written to as it is, and
    so is what ``/dev/stdout`` and its like stand for.

    Raises:
        OSError: it cannot be written, or does not read back as what was written.
    """
    number = _open_descriptor(path)
    if number is not None:
        _write_to(number, data)
        return
    if _is_device(path):
        with path.open("wb", buffering=0) as device:
            _write_all(device.fileno(), data)
        return
    path = Path(os.path.realpath(path))
    if path.is_symlink():  # a loop of links leads nowhere
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    aside = part_of(path)
    try:
        with aside.open("xb") as file:  # never through a link that somebody has put there
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _compare(aside, data)
        aside.replace(path)
        _flush_folder(path.parent)
    except BaseException:  # Ctrl-C as well
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def is_plain(path: Path) -> bool:
    """Say whether a path is, or may become, a plain file, beside which others may lie."""
    return _open_descriptor(path) is None and not _is_device(path)


def _open_descriptor(path: Path) -> int | None:
    """Return the number of the open file that a path stands for, if it is such a path."""
    found = _DESCRIPTOR.fullmatch(str(path))
    return int(found[1]) if found else _STANDARD.get(str(path))


def _write_to(number: int, data: bytes) -> None:
    """Write to an open file, after what was printed to it."""
    if number == 1 and sys.stdout is not None:
        sys.stdout.flush()
    _write_all(number, data)


def _write_all(number: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(number, rest) :]


def _is_device(path: Path) -> bool:
    """Say whether a path is something that has no contents to keep: a device, a pipe, a socket."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _compare(path: Path, data: bytes) -> None:
    """Make sure that a file reads back from the disk as what was written."""
    view, start = memoryview(data), 0
    with path.open("rb") as file:
        if hasattr(os, "posix_fadvise"):  # else memory alone would be read
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while block := file.read(_BLOCK):
            if block != view[start : start + len(block)]:
                break
            start += len(block)
    if start != len(data):
        raise OSError(None, "does not read back as it was written", str(path))


def _flush_folder(folder: Path) -> None:
    """Make sure that a folder's entries are on the disk, where the file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
