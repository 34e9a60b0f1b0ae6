"""Palettes of label files that give one index several colours, so that indexes are no ids."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmonize.errors import HarmonizeError
from harmonize.pictures.opening import opened
from harmonize.pictures.stored import read_stored
from harmonize.pictures.tiff import is_tiff
from harmonize.stores.plain_files import open_plain

Color = tuple[int, int, int]
UsedColors = dict[int, Color]
"""The colour of each index that a file's pixels have."""


@dataclass(frozen=True)
class PaletteConflict:
    """An index that has one colour in one file and another colour in another."""

    index: int
    colors: tuple[str, str]
    files: tuple[str, str]

    def __str__(self) -> str:
        (one, other), (first, second) = self.colors, self.files
        return f"index {self.index} is {one} in {first} and {other} in {second}"


def find_conflict(files: Iterable[tuple[str, UsedColors]]) -> PaletteConflict | None:
    """Return the first index that two files give different colours, if there is one."""
    known: dict[int, tuple[Color, str]] = {}
    for name, colors in files:
        for index, color in colors.items():
            first, example = known.setdefault(index, (color, name))
            if first != color:
                return PaletteConflict(index, (_hex(first), _hex(color)), (example, name))
    return None


def used_colors(path: Path) -> UsedColors:
    """Return the colours of the indexes in a file; none if it has no palette.

    Raises:
        HarmonizeError: it cannot be read.
    """
    stored = read_stored(path, exact=False)
    if stored.mode != "P":
        return {}
    found, places = np.unique(stored.values, return_index=True)
    colors = stored.colors(path).reshape(-1, 4)[places, :3].tolist()
    return {index: (r, g, b) for index, (r, g, b) in zip(found.tolist(), colors, strict=True)}


def palette_bytes(path: Path) -> bytes:
    """Return a file's palette, without decoding it where that can be helped; empty if it has none.

    Raises:
        HarmonizeError: it cannot be read.
    """
    if _is_plain_png(path):
        return b""
    if is_tiff(path):
        palette = read_stored(path, exact=False).palette
        return b"" if palette is None else palette.tobytes()
    with opened(path, is_label=True) as one:
        return bytes(one.picture.getpalette("RGB") or ()) if one.picture.mode == "P" else b""


def _is_plain_png(path: Path) -> bool:
    """Say whether a file is a PNG without a palette, by its first bytes: most labels are."""
    try:
        with open_plain(path) as file:
            start = file.read(26)
    except (OSError, HarmonizeError):
        return False
    return start[:8] == b"\x89PNG\r\n\x1a\n" and start[12:16] == b"IHDR" and start[25:26] != b"\x03"


def _hex(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)
