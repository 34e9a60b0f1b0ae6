"""The parts of a label map: what lies together and is of one class."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Integer
from numpy import ndarray

from harmonize.inference.annotations.outlines import along_edges, rings, through_middles

# Letters of shapes: H x W pixels of a picture, h x w of a part's box, N corners.

CRUMB = 16
"""Pixels below which a part is no annotation of its own: those of a class in a picture are one."""


@dataclass(frozen=True)
class Part:
    """Some pixels of one class.

    Attributes:
        number: of the class.
        left, top: of the box around the pixels.
        mask: the pixels within the box.
        is_crumbs: whether these are the small parts of a class, which lie anywhere.
    """

    number: int
    left: int
    top: int
    mask: Bool[ndarray, "h w"]
    is_crumbs: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """The width and height of the box."""
        return self.mask.shape[1], self.mask.shape[0]

    def edges(self) -> Int[ndarray, "N 2"] | None:
        """Return the polygon along the edges of the pixels; None for what needs several."""
        found = self._only_ring(self.mask)
        return None if found is None else along_edges(found) + np.array([self.left, self.top])

    def middles(self, filled: Bool[ndarray, "h w"]) -> Int[ndarray, "N 2"] | None:
        """Return the polygon through the outermost pixels of a filled part; None if it has none."""
        found = self._only_ring(filled)
        return None if found is None else through_middles(found) + np.array([self.left, self.top])

    def _only_ring(self, mask: Bool[ndarray, "h w"]) -> Int[ndarray, "E 3"] | None:
        if self.is_crumbs:
            return None
        found = list(rings(mask))
        return found[0] if len(found) == 1 else None

    def whole(self, width: int, height: int) -> Bool[ndarray, "H W"]:
        """Return the mask of the whole picture."""
        mask = np.zeros((height, width), dtype=bool)
        wide, high = self.size
        mask[self.top : self.top + high, self.left : self.left + wide] = self.mask
        return mask


def parts_of(numbers: Integer[ndarray, "H W"], rest: int | None) -> Iterator[Part]:
    """Yield the parts of a picture, the small ones of each class last; each pixel is in one.

    Args:
        numbers: of the class of each pixel.
        rest: the class that is left out.
    """
    from scipy import ndimage
    from skimage.measure import label

    background = -1 if rest is None else rest
    signed = numbers.astype(np.int32)
    found: Any = label(signed, connectivity=1, background=background)
    counts = np.bincount(found.ravel())
    small = counts < CRUMB
    crumbs = np.where(small[found] & (signed != background), signed, -1)
    for one, box in enumerate(ndimage.find_objects(found), 1):
        if not small[one]:
            yield _part(found[box] == one, box, numbers)
    for number in np.unique(crumbs[crumbs >= 0]).tolist():
        mask = crumbs == number
        (box,) = ndimage.find_objects(mask.astype(np.uint8))
        yield Part(number, box[1].start, box[0].start, mask[box], is_crumbs=True)


def _part(
    mask: Bool[ndarray, "h w"], box: tuple[slice, slice], numbers: Integer[ndarray, "H W"]
) -> Part:
    row, column = np.unravel_index(int(mask.argmax()), mask.shape)
    number = int(numbers[box][row, column])
    return Part(number, box[1].start, box[0].start, mask)
