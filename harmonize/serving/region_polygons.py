"""Regions of a label map as polygons along the edges of pixels, which give the map back exactly."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError

# Letters of shapes: H x W pixels, h x w with a border of one pixel, E edges.

MOST = 100_000
"""Regions of a map."""
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Rows and columns that an edge leads on, by its direction: right, down, left, up."""
_ENDS = ((0, 1), (1, 1), (1, 0), (0, 0))
"""The corner of its pixel at which an edge ends."""

Ring = list[tuple[int, int]]
"""Corners as (x, y), from the left and the top of the picture, the first of them again at last."""


class Region(NamedTuple):
    """Pixels of one number that touch at their sides.

    Attributes:
        number: of the pixels.
        area: their count.
        rings: the outline, in which x turns towards y, then those of its holes the other way.
    """

    number: int
    area: int
    rings: list[Ring]


@dataclass(frozen=True)
class _Edges:
    """The sides of pixels between two regions, each once for the pixel on either hand.

    Attributes:
        pixel: of each, in the bordered map.
        direction: in which it leads around its region, which lies to its right.
        following: the number of the next edge of its ring.
    """

    pixel: Int[ndarray, " E"]
    direction: Int[ndarray, " E"]
    following: Int[ndarray, " E"]


def outlines(numbers: Integer[ndarray, "H W"]) -> list[Region]:
    """Return the regions of a map, in the order of their first pixels.

    No ring touches itself: where pixels of a region touch at a corner alone, two rings do.

    Raises:
        HarmonizeError: there are too many regions.
    """
    from skimage.measure import label  # slow to import

    wide = np.pad(numbers.astype(np.int32) + 1, 1)
    regions = np.asarray(label(wide, background=0, connectivity=1), dtype=np.int64)
    if (most := int(regions.max())) > MOST:
        raise HarmonizeError(f"the answer has {most} regions, more than the {MOST} of polygons")
    areas = np.bincount(regions.ravel())
    firsts = np.full(len(areas), 0)
    flat = regions.ravel()
    firsts[flat[::-1]] = np.arange(flat.size)[::-1]
    found = [
        Region(int(wide.ravel()[first]) - 1, int(area), [])
        for first, area in zip(firsts.tolist(), areas.tolist(), strict=True)
    ]
    for region, ring in _rings(regions):
        found[region].rings.append(ring)
    for one in found:
        one.rings.sort(key=_is_hole)
    return sorted(found[1:], key=lambda one: (one.rings[0][0][1], one.rings[0][0][0]))


def _rings(regions: Int[ndarray, "h w"]) -> Iterator[tuple[int, Ring]]:
    """Yield each ring with its region, from its topmost edge on."""
    edges, width = _edges(regions), regions.shape[1]
    turning = edges.direction[edges.following] != edges.direction
    rows, columns = np.divmod(edges.pixel, width)
    ends = np.array(_ENDS)[edges.direction] - 1  # without the border
    corners = np.stack([columns + ends[:, 1], rows + ends[:, 0]], axis=1).tolist()
    following, turns = edges.following.tolist(), turning.tolist()
    owners = regions.ravel()[edges.pixel].tolist()
    done = bytearray(len(following))
    for start in range(len(following)):
        if done[start]:
            continue
        ring: Ring = []
        edge = start
        while not done[edge]:
            done[edge] = 1
            if turns[edge]:
                ring.append((corners[edge][0], corners[edge][1]))
            edge = following[edge]
        yield owners[start], [ring[-1], *ring]


def _edges(regions: Int[ndarray, "h w"]) -> _Edges:
    """Find the edges, right-bound ones first, and which follows each."""
    size, width = regions.size, regions.shape[1]
    flat = regions.ravel()
    known: list[Int[ndarray, " _"]] = []
    nexts: list[Int[ndarray, " _"]] = []
    for direction, (down, right) in enumerate(_STEPS):
        pixels = np.flatnonzero(_has_edge(regions, direction))
        side = _STEPS[direction - 1]
        ahead = pixels + down * width + right
        beyond = ahead + side[0] * width + side[1]
        here = flat[pixels]
        # At a corner where four pixels meet it goes around the one that is not of the region.
        is_left = flat[beyond] == here
        is_straight = ~is_left & (flat[ahead] == here)
        pixel = np.where(is_left, beyond, np.where(is_straight, ahead, pixels))
        turn = np.where(is_left, -1, np.where(is_straight, 0, 1))
        known.append(direction * size + pixels)
        nexts.append((direction + turn) % 4 * size + pixel)
    edges = np.concatenate(known)
    following = np.searchsorted(edges, np.concatenate(nexts))
    return _Edges(edges % size, edges // size, following)


def _has_edge(regions: Int[ndarray, "h w"], direction: int) -> Bool[ndarray, "h w"]:
    """Mark the pixels of regions with another one to the left of those that go in a direction."""
    down, right = _STEPS[direction - 1]
    beside = np.roll(regions, (-down, -right), axis=(0, 1))
    return (regions != beside) & (regions > 0)


def _is_hole(ring: Ring) -> bool:
    """Say whether a ring turns the other way, by the sign of its area."""
    return sum(x * y2 - x2 * y for (x, y), (x2, y2) in pairwise(ring)) < 0
