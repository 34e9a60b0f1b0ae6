"""What every place of packages can do."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harmonize.errors import HarmonizeError

_BLOCK = 1 << 20


@runtime_checkable
class PackageStore(Protocol):
    """A place that holds one package at most."""

    @property
    def address(self) -> str:
        """Of the place, as the user names it."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """Return the size of each file there, by path; nothing where the place is not there.

        Raises:
            HarmonizeError: it cannot be reached.
        """
        ...

    def fetch(self, name: str, path: Path, size: int) -> None:
        """Copy a file of so many bytes into a file of this machine.

        Raises:
            HarmonizeError: it cannot be read, or has more bytes.
        """
        ...

    def publish(self, folder: Path, names: Collection[str], stale: Collection[str]) -> None:
        """Put files of a folder there, the manifest last, and remove others.

        Args:
            folder: that holds the files.
            names: of them, the manifest among them.
            stale: those that are there, and are no part of the package any more.

        Raises:
            HarmonizeError: it cannot be written.
        """
        ...


def copy_at_most(source: Any, path: Path, size: int, where: str) -> None:
    """Copy a binary stream, of whatever kind, into a file.

    Raises:
        HarmonizeError: it has more bytes than it should.
    """
    rest = size
    with path.open("wb") as file:
        while block := source.read(min(_BLOCK, rest + 1)):
            rest -= len(block)
            if rest < 0:
                raise HarmonizeError(f"{where}: is larger than its manifest says; push it again")
            file.write(block)


def because(error: Exception) -> str:
    """Return the first line of why something failed."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
