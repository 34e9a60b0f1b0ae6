"""A package wherever fsspec reads and writes: object stores, memory, servers."""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.sharing.manifest import MANIFEST
from harmonize.sharing.store import because, copy_at_most


@dataclass(frozen=True)
class FsspecStore:
    """A folder of a file system of fsspec's; ``address`` is as the user names it."""

    address: str
    system: Any
    root: str

    @classmethod
    def of(cls, address: str) -> "FsspecStore":
        """Open an address.

        Raises:
            HarmonizeError: fsspec knows none of the kind, or what opens it is not installed.
        """
        from fsspec.core import url_to_fs

        try:
            system, root = url_to_fs(address)
        except Exception as error:  # of fsspec, or of the package for the kind
            raise HarmonizeError(f"{address}: cannot be opened: {because(error)}") from None
        return cls(address, system, str(root).rstrip("/"))

    @contextlib.contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        """Say in one line why the store refuses something."""
        try:
            yield
        except HarmonizeError:
            raise
        except Exception as error:  # of any client
            raise HarmonizeError(f"{self.address}: {what}: {because(error)}") from None

    def sizes(self) -> dict[str, int]:
        """Return the size of each file; see ``Store``."""
        with self._asking("cannot be listed"):
            self.system.invalidate_cache()
            if not self.system.exists(self.root):
                return {}
            found: dict[str, dict[str, Any]] = self.system.find(self.root, detail=True)
            start = len(self.root) + 1
            return {path[start:]: int(one.get("size") or 0) for path, one in found.items()}

    def fetch(self, name: str, path: Path, size: int) -> None:
        """Copy a file; see ``Store``."""
        with (
            self._asking(f"{name}: cannot be read"),
            self.system.open(f"{self.root}/{name}", "rb") as file,
        ):
            copy_at_most(file, path, size, f"{self.address}: {name}")

    def publish(self, folder: Path, names: Collection[str], stale: Collection[str]) -> None:
        """Write the files, without a manifest until all are there; see ``Store``."""
        manifest = f"{self.root}/{MANIFEST}"
        with self._asking("cannot be written"):
            if self.system.exists(manifest):
                self.system.rm_file(manifest)
            for name in (*(name for name in names if name != MANIFEST), MANIFEST):
                path = f"{self.root}/{name}"
                self.system.makedirs(path.rpartition("/")[0], exist_ok=True)
                self.system.put_file(str(folder / name), path)
            for name in stale:
                self.system.rm_file(f"{self.root}/{name}")
