"""Samples that look for what is rare: a class, a picture that has it, and a crop around it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Integer
from numpy import ndarray

from harmonize.data.label_counts import LabelCounts

# Letters of shapes: H x W pixels, C classes of a data set.

_STREAM = 1
"""Tells these random numbers from those of the augmentation."""


@dataclass(frozen=True)
class RareDraw:
    """What a sample looks for.

    Attributes:
        picture: one that has the class.
        number: the class, as label maps number them.
        pick: which of its pixels, in 0..1.
        where: where in the crop that pixel is, down and across, in 0..1.
    """

    picture: int
    number: int
    pick: float
    where: tuple[float, float]

    def pixel(self, classes: Integer[ndarray, "H W"]) -> tuple[int, int] | None:
        """Return the row and the column of the pixel; None if the class is lost in scaling."""
        found = np.flatnonzero(classes == self.number)
        if len(found) == 0:
            return None
        place = int(found[int(self.pick * len(found))])
        return divmod(place, classes.shape[1])

    def crop(
        self, crop: tuple[int, int, int], classes: Integer[ndarray, "H W"]
    ) -> tuple[int, int, int]:
        """Move a crop (top, left, side) so that the pixel is in it, as far as it fits."""
        pixel = self.pixel(classes)
        if pixel is None:
            return crop
        side = crop[2]
        top, left = (
            _start(at, side, length, where)
            for at, length, where in zip(pixel, classes.shape, self.where, strict=True)
        )
        return top, left, side


def _start(at: int, side: int, length: int, where: float) -> int:
    """Return where a crop begins along a side of the picture, to hold a pixel."""
    least, most = max(at - side + 1, min(length - side, 0)), min(at, max(length - side, 0))
    return least + int(where * (most - least + 1))


class RareClasses:
    """Chooses what the samples of one data set look for.

    A share of the samples, by chance, is of a class that is drawn in proportion to the square root
    of 1 / (its share of the pixels), and of one of the pictures that have it. Common classes are
    drawn too, but seldom: with a bound between rare and common a class just above it would be met
    less often than one just below. (nnU-Net, Isensee et al. 2021, takes a third of its patches
    around a class that is drawn evenly.)

    Raises:
        AssertionError: the share is not in 0..1.
    """

    def __init__(self, counts: LabelCounts, known: Sequence[bool], share: float) -> None:
        """Prepare the choices.

        Args:
            counts: of the data set.
            known: of each class, whether labels of it teach anything.
            share: of the samples that look for a class.
        """
        assert 0 <= share <= 1
        self._share = share
        shares = counts.shares
        self._numbers: Int[ndarray, " C"] = np.flatnonzero((shares > 0) & np.asarray(known))
        chances: Float[ndarray, " C"] = shares[self._numbers] ** -0.5
        self._until = (chances / chances.sum()).cumsum() if len(chances) else chances
        self._pictures = [
            np.flatnonzero(counts.pixels[:, number]).astype(np.int32) for number in self._numbers
        ]

    def draw(self, seed: tuple[int, int]) -> RareDraw | None:
        """Return what the sample of a seed looks for; None for one that looks for nothing."""
        rng = np.random.default_rng((*seed, _STREAM))
        chance, which, picture, pick, down, across = rng.random(6).tolist()
        if chance >= self._share or len(self._numbers) == 0:
            return None
        place = min(int(np.searchsorted(self._until, which, side="right")), len(self._until) - 1)
        pictures = self._pictures[place]
        chosen = int(pictures[int(picture * len(pictures))])
        return RareDraw(chosen, int(self._numbers[place]), pick, (down, across))
