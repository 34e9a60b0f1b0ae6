"""A package in a folder of this machine, which is whole or not there."""

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.sharing.store import copy_at_most
from harmonize.stores.plain_files import open_plain
from harmonize.system.atomic_files import part_of, writing


@dataclass(frozen=True)
class FolderStore:
    """A folder; ``address`` is as the user names it."""

    address: str
    folder: Path

    def sizes(self) -> dict[str, int]:
        """Return the size of each file; see ``Store``."""
        if not os.path.lexists(self.folder):
            return {}
        if not self.folder.is_dir():
            raise HarmonizeError(f"{self.address}: is no folder")
        found: dict[str, int] = {}
        for place, _, files in os.walk(self.folder):
            for name in files:
                path = Path(place, name)
                found[path.relative_to(self.folder).as_posix()] = path.lstat().st_size
        return found

    def fetch(self, name: str, path: Path, size: int) -> None:
        """Copy a file; see ``Store``."""
        try:
            with open_plain(self.folder / name) as file:
                copy_at_most(file, path, size, f"{self.address}: {name}")
        except OSError as error:
            reason = error.strerror or error
            raise HarmonizeError(f"{self.address}: {name}: cannot be read: {reason}") from None

    def publish(self, folder: Path, names: Collection[str], stale: Collection[str]) -> None:
        """Replace the folder by a new one in one step; see ``Store``."""
        target = Path(os.path.realpath(self.folder))
        aside, old = part_of(target), part_of(target)
        kept = set(self.sizes()) - {*names, *stale}
        with writing(target):
            try:
                for source, some in ((folder, names), (target, kept)):
                    for name in some:
                        (aside / name).parent.mkdir(parents=True, exist_ok=True)
                        shutil.copyfile(source / name, aside / name)
                if target.is_dir():
                    target.rename(old)
                aside.rename(target)
            except OSError:
                shutil.rmtree(aside, ignore_errors=True)
                if old.is_dir() and not target.exists():
                    old.rename(target)
                raise
            shutil.rmtree(old, ignore_errors=True)
