"""All files below a folder, behind links too, each folder once."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.errors import HarmonizeError

MOST = 5_000_000
"""Files and folders below one that is named: more is hardly what is meant."""


@dataclass
class Walked:
    """What lies below a folder.

    Attributes:
        files: paths of what is no folder, relative to it, in order; links that lead nowhere too.
        left_out: folders that are not listed, each with the reason.
    """

    files: list[str] = field(default_factory=list[str])
    left_out: list[str] = field(default_factory=list[str])


@dataclass(frozen=True)
class _Place:
    """A folder that is to be listed: its path, where it is really, and its path below the first."""

    path: str
    real: str
    inside: str


def walk_files(folder: Path, *, most: int = MOST) -> Walked:
    """List a folder and all below it without what is hidden; folders come before links to them.

    Raises:
        HarmonizeError: it holds far too much.
    """
    found = Walked()
    real = os.path.realpath(folder)
    seen = {real}
    below, links = [_Place(str(folder), real, "")], list[_Place]()
    number = 0
    while below or links:
        place = below.pop() if below else links.pop(0)
        if place.real in seen and place.inside:
            continue
        seen.add(place.real)
        try:
            for entry in _entries(place.path):
                number += 1
                if number > most:
                    raise HarmonizeError(
                        f"{folder}: holds more than {most} files and folders, behind links too; "
                        "name the folders with the pictures"
                    )
                inside = f"{place.inside}{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    below.append(
                        _Place(entry.path, os.path.join(place.real, entry.name), f"{inside}/")  # noqa: PTH118
                    )
                elif not _leads_to_folder(entry):
                    found.files.append(inside)
                elif (target := os.path.realpath(entry.path)) and is_above(target, real):
                    found.left_out.append(f"{inside}: a link to a folder that it lies in")
                else:
                    links.append(_Place(entry.path, target, f"{inside}/"))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            found.left_out.append(f"{place.inside.rstrip('/') or folder}: {reason}")
    found.files.sort(key=lambda file: file.split("/"))
    return found


def _entries(path: str) -> Iterator["os.DirEntry[str]"]:
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if not entry.name.startswith("."):
                yield entry


def _leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    return entry.is_symlink() and os.path.isdir(entry.path)  # noqa: PTH112  a link to itself


def is_above(folder: str, other: str) -> bool:
    """Say whether a real path is another or leads to it."""
    return other == folder or other.startswith(folder.rstrip(os.sep) + os.sep)
