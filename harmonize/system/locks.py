"""One process at a time in a folder: a lock that ends with the process that holds it."""

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from harmonize.errors import HarmonizeError, printable
from harmonize.system.agreement import together
from harmonize.system.atomic_files import remove_parts, writing

try:
    import fcntl
except ImportError:  # not on this system
    fcntl = None

NAME = ".lock"
_held: "dict[int, FolderLock]" = {}
"""The locks of this process, by the descriptors of their open files."""


def _let_go_in_child() -> None:
    """Close what a forked process has inherited: it must not hold a lock beyond its parent."""
    for descriptor in _held:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go_in_child)


class FolderLock:
    """The lock of a folder that is there; nobody else has one until it is released.

    Attributes:
        folder: that is locked. Set it anew if the folder was renamed.
    """

    def __init__(self, folder: Path, *, advice: str) -> None:
        """Lock a folder.

        Where that cannot be done, as on some network file systems, a warning says so.

        Raises:
            HarmonizeError: another process has it; ``advice`` says what to do.
        """
        self.folder = folder
        self._descriptor: int | None = None
        if fcntl is None:
            return
        try:
            self._descriptor = _locked(folder / NAME)
        except BlockingIOError:
            raise HarmonizeError(
                f"{folder}: in use by {_holder(folder / NAME)}; {advice}"
            ) from None
        except OSError as error:
            reason = error.strerror or error
            warning = (
                f"warning: {folder}: cannot be locked ({reason}); let nothing else write there"
            )
            print(printable(warning), file=sys.stderr)
            return
        _held[self._descriptor] = self

    def release(self) -> None:
        """Let others in, and remove the lock's file; once, and in the process that locked it."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None or _held.get(descriptor) is not self:
            return
        with contextlib.suppress(OSError):
            (self.folder / NAME).unlink()
        del _held[descriptor]
        os.close(descriptor)


@contextlib.contextmanager
def locked_together(folder: Path, *, is_main: bool, advice: str) -> Iterator[None]:
    """Make a folder and hold its lock in the main one of several processes; see ``FolderLock``.

    Every process must call this.

    Raises:
        HarmonizeError: in all of them, if the folder is in use or cannot be made.
    """
    lock, is_new = None, False
    with together():
        if is_main:
            with writing(folder):
                is_new = not folder.exists()
                folder.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(folder, advice=advice)
            remove_parts(folder)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()
        if is_new:
            with contextlib.suppress(OSError):  # something was written there
                folder.rmdir()


@contextlib.contextmanager
def locked(folder: Path, *, advice: str) -> Iterator[None]:
    """Hold the lock of a folder that is there; see ``FolderLock``."""
    lock = FolderLock(folder, advice=advice)
    try:
        yield
    finally:
        lock.release()


def _locked(path: Path) -> int:
    """Open and lock a lock's file, and write into it who holds it.

    Raises:
        BlockingIOError: another process holds it.
        OSError: there is no such thing here.
    """
    assert fcntl is not None
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine, there = os.fstat(descriptor), path.stat()
        except FileNotFoundError:  # its holder has just removed it
            os.close(descriptor)
            continue
        except BaseException:
            os.close(descriptor)
            raise
        if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino):
            os.close(descriptor)
            continue
        with contextlib.suppress(OSError):  # a full disk: then nobody knows who it is
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
        return descriptor


def _holder(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.readline(200).strip() or "another process"
    except OSError:
        return "another process"
