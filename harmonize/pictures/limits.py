"""How large a picture file may be."""

from pathlib import Path

from harmonize.errors import HarmonizeError

MOST_PIXELS = 1 << 28
"""Of a file that is read: 16384 x 16384, which take 0.8 GB of memory in colour."""


def refuse_huge(size: tuple[int, int], path: Path) -> None:
    """Refuse a file that says it has more pixels than are read."""
    width, height = size
    if width * height > MOST_PIXELS:
        raise HarmonizeError(
            f"{path}: says that it has {width} x {height} pixels, more than the "
            f"{MOST_PIXELS / 1e6:.0f} million that are read; cut it into smaller pictures"
        )


def refuse_several(number: int, path: Path) -> None:
    """Refuse a file that holds several pictures."""
    raise HarmonizeError(
        f"{path}: holds {number} pictures; save the one that the label is of alone"
    )
