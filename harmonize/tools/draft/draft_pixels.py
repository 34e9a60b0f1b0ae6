"""What kind of picture a file is, by its pixels: a photograph, ids, colours or a mask."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int, Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.palette_order import Color, UsedColors, used_colors
from harmonize.labels.soft_values import lie_around
from harmonize.pictures.arrays import is_array, read_array
from harmonize.pictures.reading import open_image
from harmonize.pictures.tiff import is_tiff, read_tiff

# Letters of shapes: H x W pixels of a file, P some of them, N colours, M mixtures.

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
_MASK_IN_JPEG = 0.95
"""The share of pixels that lie near 0 or 255 in a JPEG that is no photograph."""
_NOT_MIXED = 1e-4
"""The share of pixels amid their like from which on a colour is no mixture."""
_LARGE = 2.0**53
_NEAR = 8
"""How far a mixture may be from the line between two colours."""
_MOST_PAIRS = 500
_EVEN = 8
"""How much neighbours differ at most where a JPEG shows one colour."""
_ALIKE = 12
"""How far what a JPEG makes of one colour lies apart, in each part."""
_FULL = 4
_APART = 32
"""How far apart the colours of two classes are, in one part at least."""
_MOST_CLASSES = 64


@dataclass(frozen=True)
class Content:
    """What is seen in a picture file.

    Attributes:
        kind: what its pixels look like.
        single: it has one channel, or three equal ones.
        grey_in_color: it has three equal channels.
        alpha: its opacity varies.
        blurred: colours that stand for classes, with mixtures between them.
        lossy: colours that stand for classes, changed by a JPEG's losses.
        largest: the largest number of a single channel.
        colors: of each index, where there is a palette.
    """

    kind: Kind
    single: bool = True
    grey_in_color: bool = False
    alpha: bool = False
    blurred: bool = False
    lossy: bool = False
    largest: int = 0
    colors: UsedColors = field(default_factory=dict[int, Color], hash=False)


@lru_cache(maxsize=4096)
def look(path: Path) -> Content:
    """Look at a picture file."""
    try:
        pixels, mode, is_jpeg = _pixels(path)
    except HarmonizeError:
        return Content("unreadable")
    pixels = pixels[:: max(1, pixels.shape[0] * pixels.shape[1] // _SAMPLE)]
    if pixels.ndim == 2 and pixels.dtype.kind != "f":
        kind = _kind_of_channel(pixels, palette=mode == "P", is_jpeg=is_jpeg)
        colors = used_colors(path) if mode == "P" else {}
        return Content(kind, largest=int(pixels.max()), colors=colors)
    if mode not in ("RGB", "RGBA"):
        return Content("photo", single=False)
    colors = pixels[..., :3]
    if (colors == colors[..., :1]).all():
        kind = _kind_of_channel(colors[..., 0], palette=False, is_jpeg=is_jpeg)
        return Content(kind, grey_in_color=True, largest=int(colors.max()))
    alpha = mode == "RGBA" and len(np.unique(pixels[..., 3])) > 1
    packed = pixels.astype(np.int64) @ np.array([1 << 16, 1 << 8, 1, 0][: pixels.shape[2]])
    kind, blurred = ("photo", False) if is_jpeg else _kind_of_colors(packed)
    return Content(kind, single=False, alpha=alpha, blurred=blurred)


def _pixels(path: Path) -> tuple[ndarray, str, bool]:
    """Return a picture's pixels, its mode, and whether it is a JPEG file."""
    if is_array(path):
        return _whole(read_array(path)), "", False
    if not is_tiff(path):
        picture = open_image(path)
        return np.asarray(picture), picture.mode, picture.format == "JPEG"
    stored = read_tiff(path)
    pixels = stored.values
    if pixels.ndim == 3 and pixels.dtype == np.uint16:
        pixels = pixels // 257
    return _whole(pixels), stored.mode, False


def _whole(pixels: ndarray) -> ndarray:
    """Return fractions that are ids as integers."""
    if pixels.dtype.kind == "f" and _are_ids(pixels):
        return np.nan_to_num(pixels, posinf=0, neginf=0).clip(-_LARGE, _LARGE).astype(np.int64)
    return pixels


def _are_ids(pixels: ndarray) -> bool:
    """Say whether fractions are ids, or so few values that labels are told what to do with them."""
    values = np.unique(pixels[np.isfinite(pixels)])
    return bool((values == np.rint(values)).all()) or len(values) <= _FEW_GREYS


def _kind_of_channel(pixels: ndarray, *, palette: bool, is_jpeg: bool) -> Kind:
    values = np.unique(pixels)
    if is_jpeg:  # which changes ids, but leaves masks of two values recognisable
        two = {*values.tolist()} == {0, 255}
        return "soft" if two or lie_around(pixels, cover=_MASK_IN_JPEG) else "photo"
    if {*values.tolist()} <= {0, 255} or {*values.tolist()} <= {0, 1}:
        return "binary"
    if not palette and values[-1] <= 255 and lie_around(pixels):
        return "soft"
    return "ids" if len(values) <= _FEW_GREYS or _changes(pixels) < 0.12 else "photo"


def _kind_of_colors(packed: Integer[ndarray, "H W"]) -> tuple[Kind, bool]:
    """Classify colours, and say whether there are mixtures between those of classes."""
    counts = np.sort(np.unique(packed, return_counts=True)[1])[::-1]
    many_for_size = len(counts) > 16 and len(counts) > 0.25 * packed.size
    if len(counts) <= _FEW_COLORS and not many_for_size:
        return "rgb", len(counts) > 16 and len(counts) > 2 * len(np.unique(amid_like(packed)))
    few_cover = counts[:32].sum() >= 0.85 * packed.size
    return ("rgb", True) if few_cover and _changes(packed) < 0.25 else ("photo", False)


def _changes(pixels: ndarray) -> float:
    """Return the share of neighbouring pixels in a row that differ."""
    return float((pixels[:, 1:] != pixels[:, :-1]).mean()) if pixels.shape[1] > 1 else 0.0


def amid_like(numbers: Integer[ndarray, "H W"]) -> Integer[ndarray, " P"]:
    """Return the numbers of the pixels whose four neighbours have the same."""
    inner = numbers[1:-1, 1:-1]
    same = (inner == numbers[:-2, 1:-1]) & (inner == numbers[2:, 1:-1])
    same &= (inner == numbers[1:-1, :-2]) & (inner == numbers[1:-1, 2:])
    return inner[same]


def without_mixtures(counted: Mapping[int, tuple[int, int]], total: int) -> tuple[set[int], int]:
    """Leave out colours that only lie between others, where scaling has blurred the edges.

    Args:
        counted: by colour, its pixels and those of them whose neighbours have it too.
        total: the number of all pixels.

    Returns:
        The other colours, and the largest difference of a part between a mixture and the nearest
        of them: the tolerance that takes all mixtures in.
    """
    kept = [color for color, (_, amid) in counted.items() if amid >= _NOT_MIXED * total]
    rest = [color for color, (_, amid) in counted.items() if amid < _NOT_MIXED * total]
    if not kept or not rest:
        return {*counted}, 0
    unsure = _parts(rest)
    mixed = _between(unsure, _parts(kept))
    for place, color in enumerate(rest):
        pixels, amid = counted[color]
        mixed[place] |= amid == 0 and pixels < _NOT_MIXED * total
        if not mixed[place]:
            kept.append(color)
    known = _parts(kept)
    nearest = [int(np.abs(known - mixture).max(1).min()) for mixture in unsure[mixed]]
    return {*kept}, max(nearest, default=0)


@lru_cache(maxsize=4096)
def are_lossy_colors(path: Path) -> bool:
    """Say whether a JPEG shows few colours, even but along their edges, as labels would.

    A photograph may look so too, such as one of a thing before a white wall.
    """
    try:
        pixels, mode, is_jpeg = _pixels(path)
    except HarmonizeError:
        return False
    if not is_jpeg or mode != "RGB" or min(pixels.shape[:2]) < 3:
        return False
    numbers = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.int32)
    even = amid_even(numbers)
    if len(even) < 0.5 * numbers.size:
        return False
    packed, counts = np.unique(even[:: -(-len(even) // _SAMPLE)], return_counts=True)
    counted = dict(zip(packed.tolist(), counts.tolist(), strict=True))
    centres = without_losses({color: (count, count) for color, count in counted.items()})[0]
    if len(centres) > _MOST_CLASSES:
        return False
    near = _nearest(_parts([*counted]), _parts([*centres]))[1] <= _ALIKE
    return bool(counts[near].sum() >= 0.98 * counts.sum())


def amid_even(numbers: Integer[ndarray, "H W"]) -> Integer[ndarray, " P"]:
    """Return the colours whose four neighbours have nearly the same, as a JPEG's losses leave."""
    even = np.ones((max(numbers.shape[0] - 2, 0), max(numbers.shape[1] - 2, 0)), dtype=bool)
    for place in (16, 8, 0):
        part = (numbers >> place & 255).astype(np.int16)
        near = [np.abs(np.diff(part, axis=axis)) <= _EVEN for axis in (0, 1)]
        even &= near[0][:-1, 1:-1] & near[0][1:, 1:-1] & near[1][1:-1, :-1] & near[1][1:-1, 1:]
    return numbers[1:-1, 1:-1][even]


def without_losses(counted: Mapping[int, tuple[int, int]]) -> tuple[set[int], int]:
    """Find the colours that a JPEG's were before its losses, as near as can be told.

    Args:
        counted: by colour, its pixels and those of them whose neighbours have nearly the same.

    Returns:
        The most frequent colour of each class, and the largest difference of a part between any
        colour and the nearest of them, as ``full_colors`` writes them.
    """
    colors = sorted(counted, key=lambda color: -counted[color][1])
    parts = _parts(colors)
    amid = np.array([counted[color][1] for color in colors], dtype=np.int64)
    centres: list[int] = []
    left = amid > 0
    while left.any() and len(centres) <= _MOST_CLASSES:
        place = int(left.argmax())
        apart = np.abs(parts - parts[place]).max(1)
        if amid[apart <= _ALIKE].sum() >= _NOT_MIXED * amid.sum():
            centres.append(colors[place])
            left &= apart > _APART
        left[place] = False
    if not centres:
        return {*counted}, 0
    known = _parts([full_colors(color) for color in centres])
    return {*centres}, int(_nearest(parts, known)[1].max())


def full_colors(color: int) -> int:
    """Return a colour with the parts that losses left close to 0 and 255 as these."""
    parts = [color >> place & 255 for place in (16, 8, 0)]
    full = [0 if part <= _FULL else 255 if part >= 255 - _FULL else part for part in parts]
    return full[0] << 16 | full[1] << 8 | full[2]


def nearest_colors(colors: Iterable[int], known: Iterable[int]) -> list[int]:
    """Return the place of the known colour that is nearest to each colour."""
    return _nearest(_parts([*colors]), _parts([*known]))[0].tolist()


def _nearest(
    colors: Int[ndarray, "M 3"], known: Int[ndarray, "N 3"]
) -> tuple[Int[ndarray, " M"], Int[ndarray, " M"]]:
    """Return the place of the nearest known colour, and its largest difference of a part."""
    place, apart = np.zeros(len(colors), dtype=np.int64), np.full(len(colors), 256)
    for number, one in enumerate(known):
        difference = np.abs(colors - one).max(1)
        place[difference < apart] = number
        apart = np.minimum(apart, difference)
    return place, apart


def _parts(colors: list[int]) -> Int[ndarray, "N 3"]:
    """Return the red, green and blue of colours."""
    return np.array(colors, dtype=np.int64)[:, None] >> np.array([16, 8, 0]) & 255


def _between(colors: Int[ndarray, "M 3"], known: Int[ndarray, "N 3"]) -> Bool[ndarray, " M"]:
    """Mark the colours that lie close to the line between two known ones."""
    marked = np.zeros(len(colors), dtype=bool)
    pairs = [(a, b) for a in range(len(known)) for b in range(a)]
    for first, second in pairs[:_MOST_PAIRS]:
        start, way = known[first].astype(float), (known[second] - known[first]).astype(float)
        along = ((colors - start) @ way / max(way @ way, 1.0)).clip(0, 1)
        marked |= np.abs(start + along[:, None] * way - colors).max(1) <= _NEAR
    return marked
