"""Outlines of parts of a picture: along the edges of pixels, or through their middles."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

# Letters of shapes: H x W pixels, E edges of a ring, N corners, as x and y.

_AHEAD = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Row and column of the next pixel along an edge: of the upper, right, lower and left one."""
_FIRST = ((0, 0), (0, 1), (1, 1), (1, 0))
"""Where each of these edges begins, with the pixel on its right."""


def rings(mask: Bool[ndarray, "H W"]) -> Iterator[Int[ndarray, "E 3"]]:
    """Yield each closed line around pixels: row, column and side of its edges, clockwise.

    Pixels that touch at a corner alone are apart. A part without holes has one ring.
    """
    inside = np.pad(mask, 1)
    wide = inside.shape[1]
    flat, number = inside.ravel(), inside.size
    following = np.zeros((4, number), dtype=np.int64)
    starts = np.zeros((4, number), dtype=bool)
    places = np.flatnonzero(flat)
    for side, (down, right) in enumerate(_AHEAD):
        ahead = down * wide + right
        left = _AHEAD[side - 1][0] * wide + _AHEAD[side - 1][1]
        here = places[~flat[places + left]]
        starts[side, here] = True
        blocked, turned = flat[here + ahead], flat[here + ahead + left]
        turn_right = here + number * ((side + 1) % 4)
        straight = here + ahead + number * side
        turn_left = here + ahead + left + number * ((side - 1) % 4)
        following[side, here] = np.where(
            ~blocked, turn_right, np.where(turned, turn_left, straight)
        )
    after, waiting = following.ravel(), starts.ravel()
    for start in np.flatnonzero(waiting).tolist():
        if not waiting[start]:
            continue
        ring = [start]
        place = int(after[start])
        while place != start:
            ring.append(place)
            place = int(after[place])
        edges = np.array(ring)
        waiting[edges] = False
        side, pixel = np.divmod(edges, number)
        rows, columns = np.divmod(pixel, wide)
        yield np.stack([rows - 1, columns - 1, side], axis=1)


def along_edges(ring: Int[ndarray, "E 3"]) -> Int[ndarray, "N 2"]:
    """Return the corners of a ring as x and y: whole numbers, which lie between pixels."""
    first = np.array(_FIRST)[ring[:, 2]]
    corners = (ring[:, :2] + first)[:, ::-1]
    return corners[ring[:, 2] != np.roll(ring[:, 2], 1)]


def through_middles(ring: Int[ndarray, "E 3"]) -> Int[ndarray, "N 2"]:
    """Return the pixels along a ring as x and y, those within straight lines left out."""
    points = ring[:, 1::-1]
    points = points[(points != np.roll(points, 1, axis=0)).any(axis=1)]
    if len(points) < 3:
        return points
    before, after = points - np.roll(points, 1, axis=0), np.roll(points, -1, axis=0) - points
    return points[(before != after).any(axis=1)]
