"""How many pixels of each class single pictures have: right, true and answered ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

# Letters of shapes: P pictures, C classes, N entries: a class that is in a picture.

Entries = Int[ndarray, "4 N"]
"""Of one picture: the classes in its truth or answer, and their right, true and answered pixels."""


class PixelsByClass(NamedTuple):
    """Pixels of each class in each picture."""

    right: Float[ndarray, "P C"]
    true: Float[ndarray, "P C"]
    answered: Float[ndarray, "P C"]

    @property
    def union(self) -> Float[ndarray, "P C"]:
        """Those that are true or answered."""
        return self.true + self.answered - self.right


@dataclass(frozen=True)
class PictureCounts:
    """The counts of many pictures, kept without the many classes that a picture does not have.

    Attributes:
        pictures: their numbers in the data set, in ascending order.
        starts: where the entries of each picture begin, and at last where they end.
        entries: of all pictures, one after the other.
    """

    pictures: Int[ndarray, " P"]
    starts: Int[ndarray, " P1"]
    entries: Entries

    @classmethod
    def join(cls, found: Mapping[int, Entries]) -> "PictureCounts":
        """Put the entries of pictures together by their numbers."""
        numbers = sorted(found)
        lengths = [found[number].shape[1] for number in numbers]
        return cls(
            np.array(numbers, dtype=np.int64),
            np.cumsum([0, *lengths], dtype=np.int64),
            np.concatenate(
                [np.zeros((4, 0), dtype=np.int64), *(found[n] for n in numbers)], axis=1
            ),
        )

    def by_class(self, classes: Sequence[int]) -> PixelsByClass:
        """Return the counts of some classes, in their order."""
        columns = self._places(classes)[self.entries[0]]
        rows = np.repeat(np.arange(len(self.pictures)), np.diff(self.starts))
        kept = columns >= 0
        dense = np.zeros((3, len(self.pictures), len(classes)))
        dense[:, rows[kept], columns[kept]] = self.entries[1:, kept]
        return PixelsByClass(*dense)

    def mean_ious(self) -> dict[int, float]:
        """Return the mean IoU of each picture that has any class, by its number."""
        _, right, true, answered = self.entries
        iou = torch.from_numpy(right / np.maximum(true + answered - right, 1))
        parts = zip(self.pictures.tolist(), self.starts, self.starts[1:], strict=False)
        return {number: iou[a:b].mean().item() for number, a, b in parts if b > a}

    def renumbered(self, classes: Sequence[int]) -> "PictureCounts":
        """Return the counts with classes called by their places in a list of all there are."""
        entries = self.entries.copy()
        entries[0] = self._places(classes)[entries[0]]
        return PictureCounts(self.pictures, self.starts, entries)

    def _places(self, classes: Sequence[int]) -> Int[ndarray, " _"]:
        """Return where each class is in a list; -1 for those that are not."""
        highest = max(max(classes, default=0), int(self.entries[0].max(initial=0)))
        places = np.full(highest + 1, -1)
        places[list(classes)] = np.arange(len(classes))
        return places


def entries_of(confusion: Int[Tensor, "C C"]) -> Entries:
    """Return the entries of one picture, from its confusion matrix."""
    table = confusion.cpu().numpy()
    counts = np.stack([table.diagonal(), table.sum(1), table.sum(0)])
    present = np.flatnonzero(counts[1:].any(0))
    return np.concatenate([present[None], counts[:, present]])
