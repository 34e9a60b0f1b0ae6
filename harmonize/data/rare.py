"""Samples that look for what is rare: a label, a picture that has it, and a crop around it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray

from harmonize.data.covering import telling
from harmonize.data.label_counts import LabelCounts
from harmonize.data.warping import Warp
from harmonize.labels.target_space import TargetSpace

# Letters of shapes: H x W pixels, C classes of a data set, M labels that it can look for.

_STREAM = 1
"""Tells these random numbers from those of the augmentation."""
Crop = tuple[int, int, int]
"""Top, left and side."""


@dataclass(frozen=True)
class RareDraw:
    """What a sample looks for.

    Attributes:
        picture: one that has it.
        classes: those that mean it, as label maps number them.
        pick: which of their pixels, in 0..1.
        where: where in the crop that pixel is, down and across, in 0..1.
    """

    picture: int
    classes: tuple[int, ...]
    pick: float
    where: tuple[float, float]

    def pixel(self, classes: Integer[ndarray, "H W"]) -> tuple[int, int] | None:
        """Return the row and the column of the pixel; None if the label is lost in scaling."""
        found = np.flatnonzero(np.isin(classes, self.classes))
        if len(found) == 0:
            return None
        place = int(found[int(self.pick * len(found))])
        return divmod(place, classes.shape[1])

    def crop(self, crop: Crop, classes: Integer[ndarray, "H W"], warp: Warp | None = None) -> Crop:
        """Move a crop so that the pixel is in it, inside the picture as far as that goes.

        A warped crop may miss a pixel near its corners; then it is moved on, by no more than it
        must, even if it leaves the picture.
        """
        pixel = self.pixel(classes)
        if pixel is None:
            return crop
        side = crop[2]
        top, left = (
            _start(at, side, length, where)
            for at, length, where in zip(pixel, classes.shape, self.where, strict=True)
        )
        if warp is None:
            return top, left, side
        down, across = _missed(pixel, warp.matrix(top, left, side), side)
        return top + down, left + across, side


def _start(at: int, side: int, length: int, where: float) -> int:
    """Return where a crop begins along a side of the picture, to hold a pixel."""
    least, most = max(at - side + 1, min(length - side, 0)), min(at, max(length - side, 0))
    return least + int(where * (most - least + 1))


def _missed(pixel: tuple[int, int], matrix: Float[ndarray, "3 3"], side: int) -> tuple[int, int]:
    """Return by how much, down and across, a warped crop misses a pixel; 0 if it has it.

    A crop that misses it is moved until the pixel is inside its nearest edge, by enough for whole
    numbers to reach it; or else, under a strong warp of few pixels, until it is in the middle.
    """
    centre = np.array([pixel[1] + 0.5, pixel[0] + 0.5])
    place = _place(centre, matrix)
    moved = np.zeros(2)
    for edge in (1 - 4 / side, 0.5, 0):
        if np.abs(_place(centre - moved, matrix)).max() <= 1:
            break
        x, y, depth = matrix @ np.append(place.clip(-max(edge, 0), max(edge, 0)), 1)
        moved = np.rint(centre - np.array([x, y]) / depth)
    return int(moved[1]), int(moved[0])


def _place(point: Float[ndarray, " 2"], matrix: Float[ndarray, "3 3"]) -> Float[ndarray, " 2"]:
    """Return where in the square of -1 to 1 a point (x, y) is; far outside behind the horizon."""
    u, v, depth = np.linalg.solve(matrix, np.append(point, 1))
    return np.array([u, v]) / depth if depth > 0 else np.sign([u, v]) * 2


class RareClasses:
    """Chooses what the samples of one data set look for.

    A label is drawn in proportion to the square root of 1 / (its share of the pixels), then one of
    the pictures that have it. Labels are the codes of the target space: classes that mean the same
    leaves are one. The share of a label is that of all labels inside its leaves, so that "another
    vehicle" is no rarer than the cars beside it; labels that rule no leaf out are left out. Common
    labels are drawn too, but seldom: with a bound between rare and common one just above it would
    be met less often than one just below. (nnU-Net, Isensee et al. 2021, takes a third of its
    patches around a class that is drawn evenly.)
    """

    def __init__(self, counts: LabelCounts, inside: Bool[ndarray, "C C"]) -> None:
        """Prepare the choices.

        Args:
            counts: of the data set.
            inside: of each class and each other, whether a label of the second is one of the first
                too; none for a class that teaches nothing. See ``labels_inside``.
        """
        shares = counts.shares
        present = inside[inside.diagonal() & (shares > 0)]
        rows: Bool[ndarray, "M C"] = np.unique(present, axis=0)
        # Two classes mean the same if each is inside the other.
        same = [np.flatnonzero((inside == row).all(1) & (shares > 0)) for row in rows]
        chances: Float[ndarray, " M"] = (rows @ shares) ** -0.5
        self._until = (chances / chances.sum()).cumsum() if len(chances) else chances
        self._classes = [tuple(numbers.tolist()) for numbers in same]
        self._pictures: list[Int[ndarray, " P"]] = [
            np.flatnonzero(counts.pixels[:, numbers].any(1)).astype(np.int32) for numbers in same
        ]

    def __len__(self) -> int:
        """Return how many labels can be looked for."""
        return len(self._classes)

    def draw(self, seed: tuple[int, int]) -> RareDraw:
        """Return what the sample of a seed looks for."""
        rng = np.random.default_rng((*seed, _STREAM))
        which, picture, pick, down, across = rng.random(5).tolist()
        place = min(int(np.searchsorted(self._until, which, side="right")), len(self) - 1)
        pictures = self._pictures[place]
        chosen = int(pictures[int(picture * len(pictures))])
        return RareDraw(chosen, self._classes[place], pick, (down, across))


def labels_inside(space: TargetSpace, dataset: str) -> Bool[ndarray, "C C"]:
    """Say of each class of a data set which of its classes mean nothing outside its leaves.

    None for a class that is ignored, or whose labels rule no leaf out.
    """
    codes = space.class_codes(dataset)
    usable = telling(space)[codes]
    leaves = np.zeros((len(codes), len(space.ontology.leaves)), dtype=bool)
    leaves[codes != space.ignore] = space.masks[codes[codes != space.ignore]]
    outside = leaves.astype(int) @ ~leaves.T
    return (outside.T == 0) & usable[:, None] & usable[None, :]
