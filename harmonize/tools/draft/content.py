"""What kind of picture a file is, by its pixels: a photograph, ids, colours or a mask."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.pictures.reading import open_image
from harmonize.tools.draft.mixtures import solid

# Letters of shapes: H x W pixels of a file, P pixels.

Kind = Literal["photo", "ids", "rgb", "binary", "soft", "unreadable"]

KINDS: dict[Kind, str] = {
    "photo": "photographs",
    "ids": "ids",
    "rgb": "colours",
    "binary": "masks of two values",
    "soft": "soft masks",
    "unreadable": "not readable",
}
"""What each kind is called."""

_SAMPLE = 300_000  # pixels looked at
_FEW_GREYS = 64
_FEW_COLORS = 256


@dataclass(frozen=True)
class Content:
    """What is seen in a picture file.

    Attributes:
        kind: what its pixels look like.
        size: width and height.
        single: it has one channel, or three equal ones.
        grey_in_color: it has three equal channels.
        alpha: its opacity varies.
        blurred: colours that stand for classes, with mixtures between them.
        largest: the largest number of a single channel.
    """

    kind: Kind
    size: tuple[int, int] = (0, 0)
    single: bool = True
    grey_in_color: bool = False
    alpha: bool = False
    blurred: bool = False
    largest: int = 0


@lru_cache(maxsize=4096)
def look(path: Path) -> Content:
    """Look at a picture file."""
    try:
        picture = open_image(path)
    except HarmonizeError:
        return Content("unreadable")
    pixels = np.asarray(picture)
    pixels = pixels[:: max(1, pixels.shape[0] * pixels.shape[1] // _SAMPLE)]
    if picture.mode in ("1", "L", "P") or picture.mode.startswith("I"):
        kind = "photo" if picture.format == "JPEG" else _single(pixels, palette=picture.mode == "P")
        return Content(kind, picture.size, largest=int(pixels.max()))
    if picture.mode not in ("RGB", "RGBA"):
        return Content("photo", picture.size, single=False)
    colors = pixels[..., :3]
    if (colors == colors[..., :1]).all() and picture.format != "JPEG":
        kind, largest = _single(colors[..., 0], palette=False), int(colors.max())
        return Content(kind, picture.size, grey_in_color=True, largest=largest)
    alpha = picture.mode == "RGBA" and len(np.unique(pixels[..., 3])) > 1
    packed = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1, 0][: pixels.shape[2]])
    kind, blurred = ("photo", False) if picture.format == "JPEG" else _colored(packed)
    return Content(kind, picture.size, single=False, alpha=alpha, blurred=blurred)


def changes(pixels: ndarray) -> float:
    """Return the share of neighbouring pixels in a row that differ."""
    if pixels.shape[1] < 2:
        return 0.0
    return float((pixels[:, 1:] != pixels[:, :-1]).mean())


def _single(pixels: ndarray, *, palette: bool) -> Kind:
    """Classify one channel."""
    values, counts = np.unique(pixels, return_counts=True)
    if {*values.tolist()} <= {0, 255} or {*values.tolist()} <= {0, 1}:
        return "binary"
    middle = values[(values > 0) & (values < 255)]
    extremes = counts[(values == 0) | (values == 255)].sum() / counts.sum()
    spread = len(middle) >= 8 and int(middle.max()) - int(middle.min()) >= 128
    if not palette and values[-1] <= 255 and extremes >= 0.8 and spread:
        return "soft"
    if len(values) <= _FEW_GREYS or changes(pixels) < 0.12:
        return "ids"
    return "photo"


def _colored(packed: Integer[ndarray, "H W"]) -> tuple[Kind, bool]:
    """Classify colours, and say whether there are mixtures between those of classes."""
    counts = np.sort(np.unique(packed, return_counts=True)[1])[::-1]
    many_for_size = len(counts) > 16 and len(counts) > 0.25 * packed.size
    if len(counts) <= _FEW_COLORS and not many_for_size:
        return "rgb", len(counts) > 16 and len(counts) > 2 * len(np.unique(solid(packed)))
    few_cover = counts[:32].sum() >= 0.85 * packed.size
    return ("rgb", True) if few_cover and changes(packed) < 0.25 else ("photo", False)
