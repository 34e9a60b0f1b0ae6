"""What lies in a data set's folder: its pictures and its small text files."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.pictures.arrays import ARRAYS
from harmonize.stores.stored_path import StoredPath
from harmonize.system.folder_walk import is_above

IMAGES = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif", ".webp")
)
LABELS = IMAGES | frozenset(ARRAYS)
_MOST = 2_000_000
"""Files and folders of a data set, behind links too."""
_DEEPEST = 100
TEXTS = frozenset((".txt", ".csv", ".tsv", ".json", ".lst", ".list", ".names"))


@dataclass
class Files:
    """Paths below a folder, relative to it, in order.

    Attributes:
        images: the picture files, and array files that may be labels.
        texts: the text files that may name classes or list splits.
        yamls: YAML files that may tell splits.
        xmls: XML files that may hold annotations.
        skipped: folders that cannot be read and files whose names no mapping can hold.
        seen: the number of files and folders that were come upon.
    """

    images: list[str] = field(default_factory=list[str])
    texts: list[str] = field(default_factory=list[str])
    yamls: list[str] = field(default_factory=list[str])
    xmls: list[str] = field(default_factory=list[str])
    skipped: list[str] = field(default_factory=list[str])
    seen: int = 0

    def add(self, path: str) -> None:
        """Note a file by its extension."""
        ending = os.path.splitext(path)[1].lower()  # noqa: PTH122 (fast)
        if ending in LABELS:
            self.images.append(path)
        elif ending in TEXTS:
            self.texts.append(path)
        elif ending in (".yaml", ".yml"):
            self.yamls.append(path)
        elif ending == ".xml":
            self.xmls.append(path)


def find_files(folder: Path) -> Files:
    """List a set's folder or store; hidden files are left out, links are followed once.

    Raises:
        HarmonizeError: it is no folder, or holds no pictures.
    """
    if not folder.exists():
        raise HarmonizeError(f"{folder}: no such folder; name the one that holds the data set")
    if not folder.is_dir():
        raise HarmonizeError(f"{folder}: is a file; name the folder that holds the data set")
    files = Files()
    if isinstance(folder, StoredPath):
        _list_store(folder, files)
    else:
        _walk(str(folder), "", files, frozenset(), os.path.realpath(folder))
    if not files.images:
        unread = f" and {len(files.skipped)} that cannot be read" if files.skipped else ""
        raise HarmonizeError(
            f"{folder}: holds no pictures ({', '.join(sorted(IMAGES))}), only {len(files.texts)} "
            f"text files{unread}; name the folder that holds the data set"
        )
    return files


def _walk(folder: str, inside: str, files: Files, above: frozenset[str], start: str) -> None:
    """Note what lies in a folder; ``inside`` is its path below the data set's, with a slash."""
    real = os.path.realpath(folder)
    if inside and is_above(real, start) and real not in above:  # all of it lies there again
        files.skipped.append(f"{inside.rstrip('/')} (a link to a folder that it lies in)")
        return
    if inside.count("/") > _DEEPEST:
        files.skipped.append(f"{inside[:60]}... (more than {_DEEPEST} folders deep)")
        return
    if real in above:  # a link to a folder that it lies in
        return
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        files.skipped.append(inside.rstrip("/") or ".")
        return
    files.seen += len(entries)
    if files.seen > _MOST:
        raise HarmonizeError(
            f"{start}: holds more than {_MOST} files and folders, behind links too; name the "
            "folder of one data set"
        )
    for entry in entries:
        name = entry.name
        if name.startswith("."):
            continue
        if not name.isascii() and name.encode(errors="ignore").decode() != name:
            files.skipped.append(ascii(name))  # not proper Unicode
        elif entry.is_dir(follow_symlinks=False) or (
            entry.is_symlink() and os.path.isdir(entry.path)  # noqa: PTH112 (a link to itself)
        ):
            _walk(entry.path, f"{inside}{name}/", files, above | {real}, start)
        else:
            files.add(inside + name)


def _list_store(folder: StoredPath, files: Files) -> None:
    """Note what lies in a store; of Parquet files the cells of columns of bytes are pictures."""
    if not folder.is_listed:
        raise HarmonizeError(
            f"{folder}: a web server gives no list of its files, so nothing can be drafted of "
            "them; write the mapping by hand, with a list of the pictures beside it"
        )
    pictures = getattr(folder.store, "pictures", frozenset[str]())
    for path in folder.glob("**/*"):
        name = path.relative_to(folder).as_posix()
        parts = name.split("/")
        if any(part.startswith(".") for part in parts):
            continue
        if not name.isascii() and name.encode(errors="ignore").decode() != name:
            files.skipped.append(ascii(name))  # not proper Unicode
        elif len(parts) == 3 and parts[1] in pictures and "." not in parts[2]:
            files.images.append(name)
        else:
            files.add(name)
    files.images.sort(key=lambda name: name.split("/"))
