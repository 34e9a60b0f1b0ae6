"""Warn once of what several processes of a command, or their loader processes, come across."""

import atexit
import contextlib
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextvars import ContextVar
from multiprocessing import parent_process
from pathlib import Path

from harmonize.errors import printable
from harmonize.system.own_folders import not_ours_alone

_PLACE = "HARMONIZE_WARNED"
"""Variable with the folder that holds an empty file for each text; loader processes inherit it."""
_said = set[str]()
_made = set[str]()
"""The folder that this process, or the one it was forked from, has made."""
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)
"""The texts of this thread, where they are not printed."""


def warn_once(text: str) -> None:
    """Print a text on stderr, unless a process of this command on this machine has done so."""
    if (collected := _collected.get()) is not None:
        collected.append(text)
        return
    if text in _said:
        return
    _said.add(text)
    if _is_first(text):
        sys.stderr.write(f"{printable(text)}\n")  # at once, as others write there too
        sys.stderr.flush()


@contextlib.contextmanager
def warnings_collected() -> Iterator[list[str]]:
    """Collect what this thread would warn of meanwhile instead of printing it."""
    texts: list[str] = []
    token = _collected.set(texts)
    try:
        yield texts
    finally:
        _collected.reset(token)


def share_warnings() -> None:
    """Have processes that are started from now on know what was said, and this one what they say.

    Where no folder can be made for it, each of them says what it has to say.
    """
    if _is_of_this_command(os.environ.get(_PLACE)):
        return
    with contextlib.suppress(OSError):
        folder = _make_folder()
        if not_ours_alone(folder) is None:
            os.environ[_PLACE] = str(folder)
            _made.add(str(folder))
            atexit.register(_forget, folder, os.getpid())


def _is_of_this_command(folder: str | None) -> bool:
    """Say whether a folder is this command's: another one may have been started by a program that
    used harmonize itself, and has inherited that program's."""
    return folder is not None and (folder in _made or parent_process() is not None)


def _make_folder() -> Path:
    """Make a folder; the same for all processes that a launcher has started together here.

    Raises:
        OSError: it cannot be made.
    """
    port = os.environ.get("MASTER_PORT")
    if port is None or os.environ.get("WORLD_SIZE", "1") == "1":
        return Path(tempfile.mkdtemp(prefix="harmonize-warned-")).absolute()
    folder = Path(tempfile.gettempdir()).absolute() / f"harmonize-warned-{os.getppid()}-{port}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _is_first(text: str) -> bool:
    share_warnings()
    folder = os.environ.get(_PLACE)
    if folder is None:
        return True
    name = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    try:
        os.close(os.open(Path(folder) / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return False
    except OSError:
        return True
    return True


def _forget(folder: Path, process: int) -> None:
    if os.getpid() == process:  # and no process that was forked from it
        shutil.rmtree(folder, ignore_errors=True)
