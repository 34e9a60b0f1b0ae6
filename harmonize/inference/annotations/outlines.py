"""Outlines of parts of a picture: along the edges of pixels, or through their middles."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

# Letters of shapes: H x W pixels, h x w with a border of one pixel, E edges, N corners, as x and y.

_AHEAD = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Row and column of the next pixel along an edge: of the upper, right, lower and left one."""
_FIRST = ((0, 0), (0, 1), (1, 1), (1, 0))
"""Where each of these edges begins, with the pixel on its right."""


@dataclass(frozen=True)
class Edges:
    """The sides of pixels between two regions, each once for the pixel on either hand.

    Attributes:
        pixel: of each, in the bordered map.
        side: of the pixel, as ``_AHEAD`` has them; upper ones come first.
        following: the number of the next edge of its ring, clockwise around its region.
    """

    pixel: Int[ndarray, " E"]
    side: Int[ndarray, " E"]
    following: Int[ndarray, " E"]

    @classmethod
    def of(cls, regions: Int[ndarray, "h w"], *, apart: bool) -> "Edges":
        """Find the edges of a map with a border of 0, which has none.

        Args:
            regions: the number of each pixel's region.
            apart: whether rings keep pixels apart that touch at a corner alone, and touch
                themselves there; else they go around the others that meet at the corner.
        """
        size, width = regions.size, regions.shape[1]
        flat = regions.ravel()
        known: list[Int[ndarray, " _"]] = []
        nexts: list[Int[ndarray, " _"]] = []
        for side, (down, right) in enumerate(_AHEAD):
            left = _AHEAD[side - 1][0] * width + _AHEAD[side - 1][1]
            pixels = np.flatnonzero(flat)
            pixels = pixels[flat[pixels] != flat[pixels + left]]
            ahead = pixels + down * width + right
            here = flat[pixels]
            goes_on, turns = flat[ahead] == here, flat[ahead + left] == here
            is_left = turns & goes_on if apart else turns
            is_straight = ~is_left & goes_on
            pixel = np.where(is_left, ahead + left, np.where(is_straight, ahead, pixels))
            turn = np.where(is_left, -1, np.where(is_straight, 0, 1))
            known.append(side * size + pixels)
            nexts.append((side + turn) % 4 * size + pixel)
        edges = np.concatenate(known)
        following = np.searchsorted(edges, np.concatenate(nexts))
        return cls(edges % size, edges // size, following)

    def rings(self) -> Iterator[list[int]]:
        """Yield the numbers of each ring's edges, from its first one on."""
        following = self.following.tolist()
        done = bytearray(len(following))
        for start in range(len(following)):
            ring: list[int] = []
            edge = start
            while not done[edge]:
                done[edge] = 1
                ring.append(edge)
                edge = following[edge]
            if ring:
                yield ring


def rings(mask: Bool[ndarray, "H W"]) -> Iterator[Int[ndarray, "E 3"]]:
    """Yield each closed line around pixels: row, column and side of its edges, clockwise.

    Pixels that touch at a corner alone are apart. A part without holes has one ring.
    """
    inside = np.pad(mask, 1).astype(np.int64)
    edges = Edges.of(inside, apart=True)
    rows, columns = np.divmod(edges.pixel, inside.shape[1])
    found = np.stack([rows - 1, columns - 1, edges.side], axis=1)
    for ring in edges.rings():
        yield found[ring]


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
