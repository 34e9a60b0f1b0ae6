"""Lists of pictures whose folders are parted by backslashes, as Windows writes them."""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from harmonize.config.strict_yaml import read_text
from harmonize.errors import HarmonizeError

_LARGEST = 5_000_000  # bytes
_MOST = 0.5
"""The share of lines that must name a picture."""


def lists_with_backslashes(root: Path, texts: Iterable[str], stems: Iterable[str]) -> str:
    """Name the files that list pictures with backslashes, and what to do; empty if none does.

    Args:
        root: the data set's folder.
        texts: its text files.
        stems: the pictures' names without folder and extension.
    """
    known = {*stems}
    found = [text for text in texts if _names(root / text, known)]
    if not found:
        return ""
    return (
        f"{', '.join(found)}: lists pictures with backslashes, which are no separators here; "
        "write / in their place, and draft again"
    )


def _names(path: Path, stems: set[str]) -> bool:
    """Say whether most lines of a file hold a backslash and name a picture."""
    try:
        if path.suffix.lower() == ".json" or path.stat().st_size > _LARGEST:
            return False
        lines = [line for line in read_text(path).splitlines() if line.strip()]
    except (OSError, HarmonizeError):
        return False
    named = [line for line in lines if "\\" in line and _stems(line) & stems]
    return bool(named) and len(named) >= _MOST * len(lines)


def _stems(line: str) -> set[str]:
    words = line.replace(",", " ").replace("\\", "/").split()
    return {PurePosixPath(word).stem for word in words}
