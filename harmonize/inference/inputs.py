"""Which pictures are meant, and under which names their answers are written."""

import fnmatch
import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.errors import HarmonizeError, printable, raise_all
from harmonize.system.folder_walk import walk_files

PICTURES = (
    *(".jpg", ".jpeg", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".avif"),
)
"""What the names of pictures end with in folders and patterns; a file that is named may be any."""


@dataclass(frozen=True)
class Wanted:
    """A picture to be answered.

    Attributes:
        path: the file.
        name: of its answer in the output folder, without an ending.
    """

    path: Path
    name: Path


def find_pictures(words: Sequence[str], output: Path) -> list[Wanted]:
    """Find the pictures that files, folders and patterns name, each once, in the order given.

    The pictures of a folder, all folders in it included, keep their place below it, and those of a
    pattern their place below its last folder without a wildcard. What lies in the output folder is
    no picture to be answered, unless it is named itself.

    Raises:
        HarmonizeError: a word that names no picture, or two pictures whose answers would have one
            name.
    """
    found, problems = _find(words, output.absolute())
    owner: dict[str, Wanted] = {}
    for wanted in found:
        other = owner.setdefault(str(wanted.name), wanted)
        if other is not wanted:
            problems.append(
                f"{wanted.path}: its answer would be written over that of {other.path}; name the "
                "folder above them, quote a pattern, or write to two folders"
            )
    raise_all(problems)
    return found


def named_pictures(words: Sequence[str]) -> list[Path]:
    """Find the pictures that files, folders and patterns name, each once, in the order given.

    Raises:
        HarmonizeError: a word that names no picture.
    """
    found, problems = _find(words, None)
    raise_all(problems)
    return [wanted.path for wanted in found]


def _find(words: Sequence[str], output: Path | None) -> tuple[list[Wanted], list[str]]:
    """Return the pictures that words name, and what is wrong with the words."""
    if not words:
        raise HarmonizeError("no picture is named; name files, folders or patterns")
    problems: list[str] = []
    found: dict[Path, Wanted] = {}
    for word in words:
        try:
            for wanted in _named_by(word, output):
                found.setdefault(Path(os.path.abspath(wanted.path)), wanted)  # noqa: PTH100
        except HarmonizeError as error:
            problems += error.problems
    return list(found.values()), problems


def _named_by(word: str, output: Path | None) -> Iterator[Wanted]:
    path = Path(os.path.expanduser(word))  # noqa: PTH111  leaves an unknown ~user alone
    if path.is_dir():
        base = path
        if output is not None and path.absolute().is_relative_to(output):
            raise HarmonizeError(
                f"--output {output}: holds the pictures of {path}; choose a folder apart from them"
            )
        files = _below(base)
    elif path.exists():
        yield Wanted(path, Path(path.stem))
        return
    elif glob.has_magic(str(path)):
        parts = path.parts
        plain = next(number for number, part in enumerate(parts) if glob.has_magic(part))
        base = Path(*parts[:plain])
        files = _fitting(base, parts[plain:])
    else:
        raise HarmonizeError(f"{word}: no such picture or folder")
    chosen = list(_pictures(files, base, output))
    if not chosen:
        raise HarmonizeError(f"{word}: holds no pictures; known are {', '.join(PICTURES)}")
    yield from (Wanted(file, file.relative_to(base).with_suffix("")) for file in chosen)


def _below(base: Path) -> list[Path]:
    """Return all files below a folder, behind links too; say what is left out."""
    walked = walk_files(base)
    for one in walked.left_out:
        print(printable(f"left out: {base / one}"), file=sys.stderr)
    return [base / file for file in walked.files]


def _fitting(base: Path, pattern: tuple[str, ...]) -> list[Path]:
    """Return what fits a pattern; ``**`` stands for any folders, behind links too."""
    if "**" not in pattern:
        return sorted(base.glob(str(Path(*pattern))))
    return [file for file in _below(base) if _fits(file.relative_to(base).parts, pattern)]


def _fits(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _fits(parts, pattern[1:]) or (len(parts) > 0 and _fits(parts[1:], pattern))
    first = len(parts) > 0 and fnmatch.fnmatchcase(parts[0], pattern[0])
    return first and _fits(parts[1:], pattern[1:])


def _pictures(files: Iterable[Path], base: Path, output: Path | None) -> Iterator[Path]:
    """Pick the pictures that are neither hidden nor below the output folder.

    What only has a picture's name, such as a link that leads nowhere, is told when it is read.
    """
    for file in files:
        hidden = any(part.startswith(".") for part in file.relative_to(base).parts)
        apart = output is None or not file.absolute().is_relative_to(output)
        if file.suffix.lower() in PICTURES and not hidden and apart and not file.is_dir():
            yield file
