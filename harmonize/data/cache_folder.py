"""Keeping the cache's folder within its limit."""

import contextlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.run_config import RunConfig
from harmonize.data.cache_entry import PART, SUFFIX
from harmonize.system.home import named_folder

FOLDER = "cache"
"""The folder's name, beside the run folder."""
_GIB = 2**30
_RECENT = 24 * 3600
"""Seconds since its last use for which a picture that others may want stays."""
_ABANDONED = 3600
"""Seconds after which a part of a file is what an interrupted process left behind."""
_OWN = re.compile(rf"[0-9a-f]{{32}}({re.escape(SUFFIX)}|-[0-9a-f]{{8}}{re.escape(PART)})")


def cache_path(config: RunConfig, output: Path) -> Path:
    """Return the folder of a run's cache: the one it names, or one beside the run folder."""
    named = config.data.cache_folder
    return named_folder(named, "data.cache_folder") if named else output.parent / FOLDER


@dataclass(frozen=True)
class Room:
    """What there is room for.

    Attributes:
        free: bytes that may still be written.
        needed: bytes that the folder would hold with all that is wanted.
        num_removed: files that were removed to make room.
        removed_bytes: how large they were.
    """

    free: float
    needed: float
    num_removed: int
    removed_bytes: int

    def describe(self) -> str:
        """Say what was removed, if anything."""
        if not self.num_removed:
            return ""
        size = f"{self.removed_bytes / _GIB:.3g} GiB"
        return f"; {self.num_removed} others, not used for a day, were removed ({size})"


@dataclass(frozen=True)
class _File:
    path: Path
    bytes: int
    used: float


def make_room(folder: Path, wanted: set[str], missing: int, limit: float) -> Room:
    """Remove pictures that nobody wants, as far as the limit makes it necessary.

    Only this program's own files are counted and touched: those that a run does not want and that
    were not used for a day, the oldest first; and parts of files that were left behind.

    Args:
        folder: of the cache.
        wanted: the names of what the run reads.
        missing: bytes that it will write.
        limit: bytes that the folder may hold.
    """
    now = time.time()
    files: list[_File] = []
    for file in _files(folder):
        if file.path.suffix == PART and now - file.used > _ABANDONED:
            file.path.unlink(missing_ok=True)
        else:
            files.append(file)
    total = sum(file.bytes for file in files)
    unwanted = [
        file
        for file in files
        if file.path.suffix == SUFFIX and file.path.stem not in wanted and now - file.used > _RECENT
    ]
    removed, removed_bytes = 0, 0
    for file in sorted(unwanted, key=lambda file: file.used):
        if total + missing - removed_bytes <= limit:
            break
        with contextlib.suppress(OSError):  # another run removes it too, or may do so alone
            file.path.unlink()
            removed += 1
            removed_bytes += file.bytes
    total -= removed_bytes
    return Room(limit - total, total + missing, removed, removed_bytes)


def _files(folder: Path) -> Iterator[_File]:
    """Yield the files of a cache; others may remove them meanwhile."""
    for path in folder.glob("[0-9a-f][0-9a-f]/*"):
        if _OWN.fullmatch(path.name):
            with contextlib.suppress(OSError):
                status = path.stat()
                yield _File(path, status.st_size, status.st_mtime)
