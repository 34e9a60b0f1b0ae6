"""Files that are whole under their name, or not there: written aside, read back and renamed."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from harmonize.errors import HarmonizeError

_BLOCK = 1 << 20


def part_of(path: Path) -> Path:
    """Return the name under which a file is written before it is whole."""
    return path.with_name(f".{path.name}.part")


@contextlib.contextmanager
def writing(path: Path, *, problem: str = "cannot be written", advice: str = "") -> Iterator[None]:
    """Say in one line why a file or a folder cannot be written, if the system says so.

    Args:
        path: what is written.
        problem: what fails then.
        advice: what the user can do, if more than what the system's reason suggests.

    Raises:
        HarmonizeError: instead of an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise HarmonizeError(f"{path}: {problem}: {reason}{advice}") from None


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all, onto the disk; one that is there stays until then.

    A link is followed. What is no file, such as ``/dev/stdout``, is written to as it is.

    Raises:
        OSError: it cannot be written, or does not read back as what was written.
    """
    if path.is_relative_to("/dev") or (path.exists() and not path.is_file()):
        path.write_bytes(data)
        return
    path = Path(os.path.realpath(path))
    if path.is_symlink():  # a loop of links leads nowhere
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    aside = part_of(path)
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _compare(aside, data)
        aside.replace(path)
        _flush_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


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
