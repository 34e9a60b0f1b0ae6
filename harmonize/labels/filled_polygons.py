"""Pixels within polygons whose corners are pixels, as OpenCV's ``fillPoly`` sees them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

# Letters of shapes: N corners, E edges, P pixels, H x W pixels of a picture.


def fill(contours: Sequence[Int[ndarray, "N 2"]], size: tuple[int, int]) -> Bool[ndarray, "H W"]:
    """Return the pixels inside an odd number of contours, and those that edges go through.

    Args:
        contours: x and y of corners.
        size: width and height of the picture.
    """
    width, height = size
    first = np.concatenate([np.zeros((0, 2), np.int64), *contours])
    last = np.concatenate([np.zeros((0, 2), np.int64), *(np.roll(one, -1, 0) for one in contours)])
    found = _inside(first, last, size)
    columns, rows = _on_edges(first, last)
    seen = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    found[rows[seen], columns[seen]] = True
    return found


def _inside(
    first: Int[ndarray, "E 2"], last: Int[ndarray, "E 2"], size: tuple[int, int]
) -> Bool[ndarray, "H W"]:
    """Count, along each row, the edges that are crossed."""
    width, height = size
    upward = first[:, 1] > last[:, 1]
    top, bottom = np.where(upward[:, None], last, first), np.where(upward[:, None], first, last)
    starts = top[:, 1].clip(0, height)
    edge, place = _spread(bottom[:, 1].clip(0, height) - starts)
    rows = starts[edge] + place
    across, down = (bottom - top).T
    x = top[edge, 0] - (top[edge, 1] - rows) * across[edge] // down[edge]  # rounded up
    odd = np.zeros((height, width + 1), dtype=np.int32)
    np.add.at(odd, (rows, x.clip(0, width)), 1)
    return np.bitwise_and(np.cumsum(odd[:, :-1], axis=1), 1).astype(bool)


def _on_edges(
    first: Int[ndarray, "E 2"], last: Int[ndarray, "E 2"]
) -> tuple[Int[ndarray, " P"], Int[ndarray, " P"]]:
    """Return columns and rows of the pixels of lines, which go from left to right."""
    leftward = (first[:, 0] > last[:, 0])[:, None]
    start, end = np.where(leftward, last, first), np.where(leftward, first, last)
    across, down = (end - start).T
    steps, others = np.maximum(across, np.abs(down)), np.minimum(across, np.abs(down))
    edge, place = _spread(steps + 1)
    whole = np.maximum(2 * steps, 1)[edge]
    aside = (2 * others[edge] * place + steps[edge] - 1) // whole  # nearest, of two the first
    steep = np.abs(down)[edge] > across[edge]
    columns = start[edge, 0] + np.where(steep, aside, place)
    rows = start[edge, 1] + np.sign(down)[edge] * np.where(steep, place, aside)
    return columns, rows


def _spread(numbers: Int[ndarray, " E"]) -> tuple[Int[ndarray, " P"], Int[ndarray, " P"]]:
    """Return each edge as often as its number says, and how manyth time it is, from 0."""
    owners = np.repeat(np.arange(len(numbers)), numbers)
    firsts = np.cumsum(numbers) - numbers
    return owners, np.arange(len(owners)) - firsts[owners]
