"""Turn, slant, stretch and tilt a picture and its labels by one and the same map of places."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Integer, Num
from numpy import ndarray
from torch import Tensor

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.resizing import resize

# Letters of shapes: C bands, H x W pixels, S the side of a training sample.

FILL = (124, 116, 104)
"""The colour of what is void: ImageNet's mean, from which networks take the least. Of bands it is
NaN, which becomes 0 after normalisation."""
_SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
_MARGIN = 2
"""Pixels around what is sampled that are resized with it."""
Offset = tuple[float, float]


@dataclass(frozen=True)
class Warp:
    """How a crop is warped.

    Attributes:
        angle: degrees that the picture turns, anticlockwise.
        shear: degrees that upright lines are slanted.
        stretch: how much wider for its height the crop is, and so the picture narrower.
        corners: how far each corner, the upper left first and clockwise, moves in, as fractions of
            half the side, along x and y.
    """

    angle: float = 0.0
    shear: float = 0.0
    stretch: float = 1.0
    corners: tuple[Offset, ...] = ((0.0, 0.0),) * 4

    def matrix(self, top: int, left: int, side: int) -> Float[ndarray, "3 3"]:
        """Map the square of -1 to 1 to a crop's place in the picture, in homogeneous (x, y, 1).

        A pixel of the picture reaches from its number to the next, so its centre is at a half.
        """
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        half = side / 2
        wide = math.sqrt(self.stretch)
        turn = np.array([[cos, -sin], [sin, cos]])
        slant = np.array([[1, math.tan(math.radians(self.shear))], [0, 1]])
        placed = np.eye(3)
        placed[:2, :2] = half * turn @ slant @ np.diag([wide, 1 / wide])
        placed[:2, 2] = left + half, top + half
        return placed @ _to_quadrangle(self.corners)


def draw_warp(rng: np.random.Generator, config: AugmentConfig) -> Warp | None:
    """Draw a warp; None where the config asks for none."""
    if not (config.rotate or config.shear or config.perspective or config.stretch != 1):
        return None
    angle, shear = (
        float(rng.uniform(-most, most)) if most else 0.0 for most in (config.rotate, config.shear)
    )
    stretch, corners = 1.0, Warp.corners
    if config.stretch != 1:
        stretch = float(config.stretch ** rng.uniform(-1, 1))
    if config.perspective:
        drawn = rng.uniform(0, config.perspective, size=(4, 2)).tolist()
        corners = tuple((x, y) for x, y in drawn)
    return Warp(angle, shear, stretch, corners)


def warped(
    picture: Num[ndarray, "H W C"],
    labels: Integer[ndarray, "H W"],
    matrix: Float[ndarray, "3 3"],
    size: int,
) -> tuple[Num[Tensor, "C S S"], Integer[ndarray, "S S"], Bool[ndarray, "S S"]]:
    """Sample a picture and its labels at the centres of a sample's pixels.

    The picture is averaged over what a pixel of the sample covers, and interpolated; the labels are
    those of the pixels that the centres are in. Both follow from the same places.

    Args:
        picture: in 0..255.
        labels: of its pixels.
        matrix: as ``Warp.matrix`` gives it.
        size: the side S of the sample.

    Returns:
        The sample, its labels, and where there are any: elsewhere the picture is ``FILL``.
    """
    x, y = _places(matrix, size)
    height, width = labels.shape
    known = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    columns = x.astype(np.int32).clip(0, width - 1)
    rows = y.astype(np.int32).clip(0, height - 1)
    numbers = labels.reshape(-1).take(rows * np.int32(width) + columns)
    painted = _interpolated(picture, x, y, _pixels_apart(matrix, size))
    if not known.all():
        outside = torch.from_numpy(~known)
        for plane, value in zip(painted, fill_of(painted), strict=True):
            plane.masked_fill_(outside, float(value))
    return painted, numbers, known


def fill_of(picture: Num[Tensor, "C *S"]) -> Num[Tensor, "C 1 1"]:
    """Return the colour of what is void in a picture."""
    if picture.is_floating_point():
        return picture.new_full((len(picture), 1, 1), math.nan)
    return torch.tensor(FILL, dtype=picture.dtype)[:, None, None]


def reached(
    matrix: Float[ndarray, "3 3"], size: int, shape: tuple[int, int]
) -> tuple[slice, slice]:
    """Return the rows and columns of a picture of a shape that a sample is made from."""
    x, y = _places(matrix, size)
    across, down = _pixels_apart(matrix, size)
    return _range(y, shape[0], down), _range(x, shape[1], across)


def _interpolated(
    picture: Num[ndarray, "H W C"],
    x: Float[ndarray, "S S"],
    y: Float[ndarray, "S S"],
    apart: Offset,
) -> Num[Tensor, "C S S"]:
    """Reduce what is needed of a picture to the sample's resolution, and interpolate in it."""
    across = _range(x, picture.shape[1], apart[0])
    down = _range(y, picture.shape[0], apart[1])
    part = torch.from_numpy(picture[down, across].copy()).permute(2, 0, 1)
    height, width = part.shape[1:]
    rows, columns = (round(s / max(a, 1)) for s, a in ((height, apart[1]), (width, apart[0])))
    part = resize(part, (max(rows, 1), max(columns, 1)))
    grid = np.stack([x - across.start, y - down.start], axis=-1, dtype=np.float32, casting="unsafe")
    grid *= np.array([2 / width, 2 / height], dtype=np.float32)
    grid -= 1
    source = part.to(torch.float32, memory_format=torch.contiguous_format)[None]
    found = torch.nn.functional.grid_sample(
        source, torch.from_numpy(grid)[None], padding_mode="border", align_corners=False
    )
    return found[0] if picture.dtype == np.float32 else found[0].round_().to(torch.uint8)


def _places(
    matrix: Float[ndarray, "3 3"], size: int
) -> tuple[Float[ndarray, "S S"], Float[ndarray, "S S"]]:
    """Return x and y in the picture of the centre of each pixel of a sample."""
    centres = (2 * np.arange(size) + 1) / size - 1
    x, y, depth = (row[0] * centres + (row[1] * centres + row[2])[:, None] for row in matrix)
    if matrix[2, 0] or matrix[2, 1]:
        x /= depth
        y /= depth
    return x, y


def _pixels_apart(matrix: Float[ndarray, "3 3"], size: int) -> Offset:
    """Return how far apart, across and down, the middle pixels of a sample are in the picture."""
    middle = matrix[:2, 2] / matrix[2, 2]
    moved = (matrix[:2, :2] - np.outer(middle, matrix[2, :2])) / matrix[2, 2] * (2 / size)
    return float(np.hypot(*moved[0])), float(np.hypot(*moved[1]))


def _range(places: Float[ndarray, "S S"], length: int, apart: float) -> slice:
    """Return which of a picture's rows or columns are sampled, and some around them."""
    margin = _MARGIN * max(apart, 1)
    first = min(max(math.floor(places.min() - margin), 0), length - 1)
    last = max(min(math.ceil(places.max() + margin), length), first + 1)
    return slice(first, last)


def _to_quadrangle(corners: Sequence[Offset]) -> Float[ndarray, "3 3"]:
    """Return the projective map of the square of -1 to 1 to one whose corners have moved in."""
    if not any(map(any, corners)):
        return np.eye(3)
    rows: list[list[float]] = []
    wanted: list[float] = []
    for (u, v), (inwards, downwards) in zip(_SQUARE, corners, strict=True):
        x, y = u * (1 - inwards), v * (1 - downwards)
        rows += [[u, v, 1, 0, 0, 0, -u * x, -v * x], [0, 0, 0, u, v, 1, -u * y, -v * y]]
        wanted += [x, y]
    found: Float[ndarray, " 8"] = np.linalg.solve(np.array(rows), np.array(wanted))
    return np.append(found, 1).reshape(3, 3)
