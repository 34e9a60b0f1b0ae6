"""What a package holds: the names, sizes and checksums of its files."""

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from harmonize.config.saved_json import read_saved, to_json
from harmonize.config.schema import Range
from harmonize.errors import HarmonizeError, raise_all
from harmonize.plurals import counted

MANIFEST, CARD, LEGEND = "manifest.json", "README.md", "legend.json"
MADE_BY = "harmonize push"
VERSION = 1
GIB = 1 << 30
_TEXT = 64 << 20
"""Bytes that a file other than weights may have."""
_BLOCK = 1 << 20
_WEIGHTS = re.compile(r"checkpoints/step-[0-9]{8,12}\.safetensors")
_KNOWN = re.compile(
    r"README\.md|config\.yaml|evaluation\.json|calibration\.json|ancestry\.json|legend\.json"
    r"|metrics\.jsonl|report\.html|trees/[^/\\\0]+\.txt|mappings/[\w-]+\.yaml"
)
_BESIDE = re.compile(r"\.gitattributes|\.gitignore|LICEN[CS]E(\.(md|txt))?")
"""What hubs and people put beside a package; it is never fetched."""


@dataclass(frozen=True)
class FileFacts:
    """What the manifest says of a file."""

    bytes: Annotated[int, Range(0, 1e15)]
    """Its size."""
    sha256: str
    """Of its bytes."""


@dataclass(frozen=True)
class Manifest:
    """What ``manifest.json`` holds."""

    made_by: str
    version: int
    harmonize: str
    """The version that packed it."""
    name: str
    """Of the run."""
    step: Annotated[int, Range(0, 1e15)]
    """Optimizer steps that the network was trained for."""
    files: dict[str, FileFacts]
    """By path, with ``/`` between folders."""

    @property
    def weights(self) -> str:
        """The path of the weights."""
        return next(name for name in self.files if _WEIGHTS.fullmatch(name))

    @property
    def title(self) -> str:
        """The run and its step, for people."""
        return f"{self.name} after {counted(self.step, 'step')}"

    def to_bytes(self) -> bytes:
        """Return the file."""
        return (json.dumps(to_json(self), indent=1) + "\n").encode()

    def check(self, where: str, most: int) -> None:
        """Make sure that nothing but a package is described.

        Args:
            where: names the package in errors.
            most: bytes of all files together.

        Raises:
            HarmonizeError: each thing that is wrong.
        """
        if self.made_by != MADE_BY or self.version != VERSION:
            raise HarmonizeError(
                f"{where}: {MANIFEST} is of version {self.version} by {self.made_by!r}, not of "
                f"{VERSION} by {MADE_BY!r}; pull it with the harmonize that pushed it"
            )
        problems: list[str] = []
        for name, facts in self.files.items():
            parts = name.split("/")
            if name.startswith(("/", "\\")) or ".." in parts or "\\" in name or ":" in name:
                problems.append(f"{where}: {name!r} would be written outside of the folder")
            elif not (_WEIGHTS.fullmatch(name) or _KNOWN.fullmatch(name)):
                problems.append(f"{where}: {name!r} is no file of a package")
            elif facts.bytes > _TEXT and not _WEIGHTS.fullmatch(name):
                problems.append(f"{where}: {name} is too large: {facts.bytes} bytes")
        if len({name.casefold() for name in self.files}) < len(self.files):
            problems.append(f"{where}: two files have one name")
        number = sum(_WEIGHTS.fullmatch(name) is not None for name in self.files)
        if number != 1:
            problems.append(f"{where}: has {counted(number, 'file')} of weights, expected one")
        total = sum(facts.bytes for facts in self.files.values())
        if total > most:
            problems.append(
                f"{where}: is too large: {total} bytes; raise --max-gib, now {most / GIB:.3g}"
            )
        raise_all(problems)


def is_beside(name: str) -> bool:
    """Say whether a file may lie beside a package without being of it."""
    return _BESIDE.fullmatch(name) is not None


def may_be_of_package(name: str) -> bool:
    """Say whether a package may have a file of this name."""
    return name == MANIFEST or bool(_WEIGHTS.fullmatch(name) or _KNOWN.fullmatch(name))


def facts_of(path: Path) -> FileFacts:
    """Return the size and checksum of a file."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            total.update(block)
    return FileFacts(path.stat().st_size, total.hexdigest())


def manifest_of(folder: Path, names: Iterable[str], *, run: str, step: int, by: str) -> Manifest:
    """Return the manifest of files in a folder."""
    files = {name: facts_of(folder / name) for name in sorted(names)}
    return Manifest(MADE_BY, VERSION, by, run, step, files)


def read_manifest(path: Path, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        HarmonizeError: it is none.
    """
    try:
        return read_saved(Manifest, path, "push the run again")
    except HarmonizeError as error:
        raise HarmonizeError(error.problems[0].replace(str(path), f"{where}: {MANIFEST}")) from None
