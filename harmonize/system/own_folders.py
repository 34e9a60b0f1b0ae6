"""Folders and files that no other user can have put anything into."""

import os
import stat
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def make_own_folder(folder: Path) -> None:
    """Make a folder and those above it that are not there, for this user alone.

    Raises:
        OSError: one cannot be made.
    """
    for place in (*reversed(folder.parents), folder):
        if not place.is_dir():
            place.mkdir(mode=0o700, exist_ok=True)


def not_ours_alone(folder: Path) -> str | None:
    """Say why others may write into a folder, or put another in its place; None if they cannot.

    Links above it are followed where this user or root has made them; it must be none itself. Where
    all may write, as into ``/tmp``, but remove nothing of others (the sticky bit), it may lie.

    Raises:
        OSError: it cannot be looked at.
    """
    if not hasattr(os, "geteuid"):  # no POSIX: profiles of users are apart by themselves
        return None
    if not folder.is_absolute():
        return f"{folder} is no absolute path"
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is no folder, but a link or a file"
    if status.st_uid != os.geteuid():
        return f"{folder} belongs to another user"
    if status.st_mode & _OTHERS_WRITE:
        return f"others may write to {folder}"
    written, real = set(folder.parents), set(Path(os.path.realpath(folder)).parents)
    for place in sorted(written | real):
        owners = {place.lstat().st_uid, place.stat().st_uid}
        if not owners <= {0, os.geteuid()}:
            return f"{place} belongs to another user"
        mode = place.stat().st_mode
        if mode & _OTHERS_WRITE and not mode & stat.S_ISVTX:
            return f"others may write to {place}"
    return None


def read_own_file(path: Path) -> bytes | None:
    """Read a file of a folder that is ours alone; None unless it is a plain file of ours.

    No link is followed, and a file that has a second name is not read: it may be another's choice.

    Raises:
        OSError: it is there, but cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        number = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if path.is_symlink() or isinstance(error, FileNotFoundError):
            return None
        raise
    with os.fdopen(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            return None
        if hasattr(os, "geteuid") and (
            status.st_uid != os.geteuid() or status.st_mode & _OTHERS_WRITE or status.st_nlink != 1
        ):
            return None
        return file.read()
