"""Cover parts of a training sample: rectangles cut out, and classes of another sample pasted."""

import numpy as np
import torch
from jaxtyping import Bool, Integer, Num
from numpy import ndarray
from torch import Tensor

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.warping import fill_of
from harmonize.labels.target_space import TargetSpace

# Letters of shapes: C bands, S the side of a training sample, L codes up to ``ignore``.

Hole = tuple[float, float, float, float]
"""Top, left, height and width of a rectangle, as fractions of the sample's side."""
_LEAST, _MOST = 0.001, 0.5
"""Shares of a sample's pixels that a class needs, and may have, to be pasted."""


def draw_holes(rng: np.random.Generator, config: AugmentConfig) -> tuple[Hole, ...]:
    """Draw the rectangles that are cut out; draws nothing where the config asks for none."""
    holes: list[Hole] = []
    for _ in range(config.cutout):
        height, width = rng.uniform(*config.cutout_size, size=2).tolist()
        top, left = float(rng.uniform(0, 1 - height)), float(rng.uniform(0, 1 - width))
        holes.append((top, left, height, width))
    return tuple(holes)


def cut_out(
    picture: Num[Tensor, "C S S"],
    codes: Integer[ndarray, "S S"],
    holes: tuple[Hole, ...],
    void: int,
) -> None:
    """Fill rectangles of a sample, and set their codes to ``void``, in place."""
    size = codes.shape[0]
    for top, left, height, width in holes:
        first_row, first_column = (min(round(at * size), size - 1) for at in (top, left))
        last_row = max(round((top + height) * size), first_row + 1)
        last_column = max(round((left + width) * size), first_column + 1)
        hole = slice(first_row, last_row), slice(first_column, last_column)
        picture[:, *hole] = fill_of(picture)
        codes[hole] = void


def telling(space: TargetSpace) -> Bool[ndarray, " L"]:
    """Say of each code whether its label rules any leaf out, so that something is learned."""
    table = np.zeros(space.ignore + 1, dtype=bool)
    table[: space.num_codes] = space.num_resolved > 0
    return table


def choose_code(
    codes: Integer[Tensor, "S S"], usable: Bool[ndarray, " L"], pick: float
) -> int | None:
    """Choose one of the codes in a sample to be pasted into another, small ones more often.

    Each with a probability that falls with the square root of its pixels.

    Args:
        codes: of the sample.
        usable: of each code, whether it may be chosen.
        pick: a random number of at least 0 and below 1.

    Returns:
        The code; None if there is none of a fitting size.
    """
    counts = np.bincount(codes.numpy().ravel(), minlength=len(usable))
    least, most = _LEAST * codes.numel(), _MOST * codes.numel()
    fitting = np.flatnonzero(usable & (counts >= max(least, 1)) & (counts <= most))
    if not len(fitting):
        return None
    chances = np.cumsum(1 / np.sqrt(counts[fitting]))
    place = int(np.searchsorted(chances, pick * chances[-1], side="right"))
    return int(fitting[min(place, len(fitting) - 1)])


def pasted(
    sample: tuple[Num[Tensor, "C S S"], Integer[Tensor, "S S"]],
    donor: tuple[Num[Tensor, "C S S"], Integer[Tensor, "S S"]],
    code: int,
) -> tuple[Num[Tensor, "C S S"], Integer[Tensor, "S S"]]:
    """Paste the pixels of one code of another sample, with their labels."""
    mask = donor[1] == code
    return torch.where(mask, donor[0], sample[0]), torch.where(mask, donor[1], sample[1])
