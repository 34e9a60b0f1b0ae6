"""Regions of a label map as polygons along the edges of pixels, which give the map back exactly."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.inference.annotations.outlines import Edges

# Letters of shapes: H x W pixels, h x w with a border of one pixel.

MOST = 100_000
"""Regions of a map."""
_ENDS = ((0, 1), (1, 1), (1, 0), (0, 0))
"""The corner of its pixel at which an edge ends: the upper, right, lower and left one."""

Ring = list[tuple[int, int]]
"""Corners as (x, y), from the left and the top of the picture, the first of them again at last."""


class RegionOutline(NamedTuple):
    """Pixels of one number that touch at their sides.

    Attributes:
        number: of the pixels.
        area: their count.
        rings: the outline, in which x turns towards y, then those of its holes the other way.
    """

    number: int
    area: int
    rings: list[Ring]


def outlines(numbers: Integer[ndarray, "H W"]) -> list[RegionOutline]:
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
        RegionOutline(int(wide.ravel()[first]) - 1, int(area), [])
        for first, area in zip(firsts.tolist(), areas.tolist(), strict=True)
    ]
    for region, ring in _rings(regions):
        found[region].rings.append(ring)
    for one in found:
        one.rings.sort(key=_is_hole)
    return sorted(found[1:], key=lambda one: (one.rings[0][0][1], one.rings[0][0][0]))


def _rings(regions: Int[ndarray, "h w"]) -> Iterator[tuple[int, Ring]]:
    """Yield each ring with its region, from its topmost edge on."""
    edges, width = Edges.of(regions, apart=False), regions.shape[1]
    turns = (edges.side[edges.following] != edges.side).tolist()
    rows, columns = np.divmod(edges.pixel, width)
    ends = np.array(_ENDS)[edges.side] - 1  # without the border
    corners = np.stack([columns + ends[:, 1], rows + ends[:, 0]], axis=1).tolist()
    owners = regions.ravel()[edges.pixel].tolist()
    for ring in edges.rings():
        found: Ring = [(corners[edge][0], corners[edge][1]) for edge in ring if turns[edge]]
        yield owners[ring[0]], [found[-1], *found]


def _is_hole(ring: Ring) -> bool:
    """Say whether a ring turns the other way, by the sign of its area."""
    return sum(x * y2 - x2 * y for (x, y), (x2, y2) in pairwise(ring)) < 0
