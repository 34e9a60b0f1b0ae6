"""Read training pictures, and where one cannot be used, the next that can."""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

from harmonize.data.bad_samples import BadSample, BadSampleError
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.mixing import Draw, MixedOrder
from harmonize.data.pixels import Pixels
from harmonize.data.windows import WindowedPixels

AnyPixels = Pixels | WindowedPixels
Used = TypeVar("Used")
"""What is made of a picture."""

_MOST_IN_A_ROW = 16
"""Bad pictures of a data set that one sample may meet; with so many the data set is not there."""


class GoodPictures:
    """Reads the pictures of several data sets, and passes over bad ones if such are skipped."""

    def __init__(
        self,
        datasets: Sequence[SegmentationDataset],
        order: MixedOrder,
        least: Sequence[float],
        *,
        cache: Callable[[int, int], Pixels | None] | None = None,
        skip_bad: bool = False,
    ) -> None:
        """Prepare reading.

        Args:
            datasets: whose pictures are read.
            order: says which picture comes next.
            least: the shorter side that pictures of each data set need.
            cache: gives a picture by its data set and number, or None if it does not have it.
            skip_bad: take the next good picture in place of one that cannot be used.
        """
        self._datasets = datasets
        self._order = order
        self._least = least
        self._cache = cache
        self._skip_bad = skip_bad

    def next(
        self, position: int, skipped: list[BadSample], use: Callable[[Draw, AnyPixels], Used]
    ) -> Used:
        """Use the first good picture from a position's own on; bad ones are added to a list.

        Args:
            position: of the run.
            skipped: the list.
            use: takes a picture; one whose file it finds to be damaged is a bad one.

        Raises:
            BadSampleError: it is bad, and such are not skipped, or too many follow each other.
        """
        for later in itertools.count():
            draw = self._order.draw(position, later=later)
            most = min(_MOST_IN_A_ROW, len(self._datasets[draw.dataset]))
            last = later + 1 == most
            used = self.read(
                (draw.dataset, draw.picture), skipped, functools.partial(use, draw), last=last
            )
            if used is not None:
                return used
        raise AssertionError("the last one is read or raises")

    def read(
        self,
        number: tuple[int, int],
        skipped: list[BadSample],
        use: Callable[[AnyPixels], Used],
        *,
        last: bool = False,
    ) -> Used | None:
        """Read a picture of a data set and use it; None for a bad one, which is added to a list.

        Raises:
            BadSampleError: it is bad, and such are not skipped, or it is the ``last`` hope.
        """
        dataset, picture = number
        kept = None if self._cache is None else self._cache(dataset, picture)
        if kept is not None:
            return use(kept)
        try:
            return use(self._datasets[dataset].pixels(picture, least=self._least[dataset]))
        except BadSampleError as error:
            skipped.append(error.sample)
            if last or not self._skip_bad:
                raise
            return None
