"""The trees and mappings that a config names: where they are looked for, and which are missing."""

import os
from collections.abc import Iterator
from pathlib import Path

from harmonize.config.strict_yaml import Document, KeyPath

_PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent
"""Where the shipped folders are: inside the package, or beside it in a clone."""
_SHIPPED_FOLDERS = ("trees", "datasets", "configs")


_LOOKED_AT = (
    "in {} (where the command runs), beside the config or among the shipped files; correct the "
    "path, or run the command in the folder that it starts from"
)


def find_file(path: str) -> Path:
    """Find a tree, mapping or config: from the working directory, else among the shipped files."""
    candidate = Path(os.path.expanduser(path))  # noqa: PTH111  leaves an unknown ~user alone
    shipped = SHIPPED / candidate
    is_shipped = candidate.parts[:1] in [(folder,) for folder in _SHIPPED_FOLDERS]
    return shipped if is_shipped and not candidate.exists() and shipped.is_file() else candidate


def find_beside_config(document: Document, config: Path) -> None:
    """Write the paths in full of trees and mappings that are found from a config's folder alone.

    So a run finds them again, wherever it goes on.
    """
    for place, name in _named(document):
        beside = config.absolute().parent / name
        if not find_file(name).is_file() and beside.is_file():
            owner = document.get(place[:-1])
            assert isinstance(owner, dict | list)
            owner[place[-1]] = os.path.normpath(beside)  # type: ignore[call-overload, index]


def missing_files(document: Document) -> list[str]:
    """Say of each tree and mapping that is not there where it was looked for."""
    here = Path.cwd()
    return [
        f"{document.where(place)}: there is no file {name}"
        + ("; correct the path" if Path(name).is_absolute() else f" {_LOOKED_AT.format(here)}")
        for place, name in _named(document)
        if not os.path.lexists(find_file(name))
    ]


def _named(document: Document) -> Iterator[tuple[KeyPath, str]]:
    """Yield the paths of trees and mappings in a config, each with its place."""
    places: list[KeyPath] = [("ontology",)]
    for key, below in (("ontologies", ()), ("datasets", ("spec",)), ("evaluate_also", ("spec",))):
        entries = document.get((key,))
        number = len(entries) if isinstance(entries, list) else 0
        places += [(key, place, *below) for place in range(number)]
    for place in places:
        name = document.get(place)
        if isinstance(name, str) and name:
            yield place, name
