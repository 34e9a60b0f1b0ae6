"""How large a picture file may be."""

import math
from pathlib import Path

from harmonize.errors import HarmonizeError

MOST_PIXELS = 1 << 28
"""Of a file that is read: 16384 x 16384, which take 0.8 GB of memory in colour."""

MOST_OF_WINDOWS = 1 << 34
"""Of a file that is read in windows: 131072 x 131072."""

MOST_SCALED = 1 << 25
"""Of a picture that is enlarged for the network."""


class TooManyPixelsError(HarmonizeError):
    """A picture is larger than what is read."""


def refuse_huge(size: tuple[int, int], path: Path, most: int | None = None) -> None:
    """Refuse a file that says it has more pixels than are read."""
    width, height = size
    most = MOST_PIXELS if most is None else most
    if width * height > most:
        raise TooManyPixelsError(
            f"{path}: says that it has {width} x {height} pixels, more than the "
            f"{most / 1e6:.0f} million that are read; cut it into smaller pictures"
        )


def refuse_scaled(size: tuple[int, int], least: float, path: object) -> None:
    """Refuse a picture that would be huge once its shorter side is ``least``, as a long strip.

    Args:
        size: width and height of the picture.
        least: infinite where it is not scaled.
        path: what names it.
    """
    scale = least / min(size)
    if 1 < scale < math.inf and size[0] * size[1] * scale**2 > MOST_SCALED:
        raise TooManyPixelsError(
            f"{path}: its {size[0]} x {size[1]} pixels would be scaled to "
            f"{round(size[0] * scale)} x {round(size[1] * scale)}, more than the "
            f"{MOST_SCALED / 1e6:.0f} million that pictures are enlarged to; cut it into pieces "
            "that are less long"
        )


def refuse_several(number: int, path: Path) -> None:
    """Refuse a file that holds several pictures."""
    raise HarmonizeError(
        f"{path}: holds {number} pictures; save the one that the label is of alone"
    )
