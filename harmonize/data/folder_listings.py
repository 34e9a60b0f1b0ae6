"""Which files a data set's folders hold, each folder listed once."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.labels.mask_encodings import fitting_names
from harmonize.stores.stored_path import StoredPath

ANY_EXTENSION = ".*"
_AT_A_TIME = 32
"""Questions that a web server is asked at a time."""
_HELD = 1 << 18
"""Names of small folders that are held at a time."""
_LARGE = 1 << 14
"""Names of a folder that is held for good."""


def matching_files(root: Path, pattern: str) -> list[str]:
    """Return the files below a folder that match a glob pattern, in order.

    Hidden files and folders (``._x.png``, ``.ipynb_checkpoints``) match only where the pattern
    itself begins with a dot.
    """
    wanted = [part.startswith(".") for part in pattern.split("/")]
    above = len((root / "x").as_posix()) - 1
    found = sorted(path.as_posix()[above:].split("/") for path in root.glob(pattern))
    return [
        "/".join(names)
        for names in found
        if all(dot or not name.startswith(".") for name, dot in zip(names, wanted, strict=False))
    ]


class FolderListings:
    """The names in a data set's folders: far faster than asking for every file.

    Of many small folders only the last ones are held, unless a list of pictures often returns to
    the others.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.are_listed = not isinstance(root, StoredPath) or root.is_listed
        self._names: dict[str, set[str]] = {}
        self._by_stem: dict[str, dict[str, list[str]]] = {}
        self._held = 0  # names of small folders
        self._dropped: set[str] = set()
        self._again = 0  # names that were listed again

    def has(self, file: str) -> bool:
        """Say whether a file is there."""
        if not self.are_listed:
            return (self.root / file).is_file()
        folder, _, name = file.rpartition("/")
        names = self._names.get(folder)
        return name in (self._listing(folder) if names is None else names)

    def find(self, file: str) -> list[str]:
        """Return those of a path's files that are there: several where its name has a ``*``."""
        folder, _, name = file.rpartition("/")
        if "*" not in name:
            return [file] if self.has(file) else []
        self._need_listing()
        prefix = f"{folder}/" if folder else ""
        return [prefix + one for one in fitting_names(name, self._listing(folder))]

    def complete(self, file: str) -> str:
        """Replace the extension ``.*`` by the one the file has."""
        if not file.endswith(ANY_EXTENSION):
            return file
        self._need_listing()
        folder, _, name = file.rpartition("/")
        stem = name.removesuffix(ANY_EXTENSION)
        found = sorted(self._stems(folder).get(stem, []))
        if len(found) > 1:
            raise HarmonizeError(f"{self.root / file}: which of {', '.join(found)}? name one")
        return f"{folder}/{found[0]}".lstrip("/") if found else file

    def look_up(self, files: Iterable[str]) -> None:
        """Ask a store that does not list them for many files at a time."""
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            for _ in pool.map(self.has, files):
                pass

    def _need_listing(self) -> None:
        """Refuse patterns of names where the store gives no list.

        Raises:
            HarmonizeError: what to do instead.
        """
        if not self.are_listed:
            raise HarmonizeError(
                f"{self.root}: a web server gives no list of its files, so names in `picture` and "
                "`label` are written in full, without * and with their extension"
            )

    def _listing(self, folder: str) -> set[str]:
        if folder not in self._names:
            try:
                place = self.root / folder
                stored = isinstance(place, StoredPath)
                names = {*(place.names() if stored else os.listdir(place))}  # noqa: PTH208
            except (OSError, ValueError):  # ValueError: a NUL in the name
                names = set()
            self._names[folder] = names
            if len(names) < _LARGE:
                self._hold(folder, len(names))
        return self._names[folder]

    def _hold(self, folder: str, number: int) -> None:
        """Count the names of a small folder; drop the oldest half of those that are held."""
        self._held += number
        self._again += number if folder in self._dropped else 0
        if self._held <= _HELD or self._again > _HELD:
            return
        for other in [name for name in self._names if name != folder]:
            if len(self._names[other]) < _LARGE:
                self._held -= len(self._names.pop(other))
                self._by_stem.pop(other, None)
                self._dropped.add(other)
            if self._held <= _HELD // 2:
                break

    def _stems(self, folder: str) -> dict[str, list[str]]:
        if folder not in self._by_stem:
            stems = self._by_stem[folder] = {}
            for name in self._listing(folder):
                stems.setdefault(name.rpartition(".")[0], []).append(name)
        return self._by_stem[folder]
