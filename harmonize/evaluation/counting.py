"""Counting the pixels of a picture by what they are and what they are answered as."""

import numpy as np
import torch
from jaxtyping import Float, Int, Integer
from numpy import ndarray
from torch import Tensor

from harmonize.decoding.answers import Answers
from harmonize.decoding.decoder import Decoder
from harmonize.evaluation import native_counting

# Letters of shapes: K leaves, U units of the decoding tree, L classes of a label, C what is scored
# and answered, N pairs, H x W pixels of a label, h x w of the network.


class AnsweredPicture:
    """A picture whose pixels are decided, with its label.

    Args:
        decoder: decides pixels.
        logits: of the picture; scaled to the label's size.
        classes: the true ones, 0..L - 1.
    """

    def __init__(
        self, decoder: Decoder, logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"]
    ) -> None:
        self._decoder = decoder
        self._logits = logits
        self.classes = classes
        self.units = decoder.picture(logits, (classes.shape[0], classes.shape[1]))
        self._again: dict[bytes, Integer[Tensor, "H W"]] = {}
        self._pairs: dict[int, Int[ndarray, "3 N"]] = {}

    def pairs(self, num_classes: int) -> Int[ndarray, "3 N"]:
        """Return each class and unit that pixels have together, and how many have."""
        if num_classes not in self._pairs:
            counts = self._count(num_classes).numpy()
            classes, units = counts.nonzero()
            self._pairs[num_classes] = np.stack([classes, units, counts[classes, units]])
        return self._pairs[num_classes]

    def _count(self, num_classes: int) -> Int[Tensor, "L U"]:
        """Count the pixels by class and unit, on the CPU."""
        num_units = self._decoder.tree.num_units
        classes, units = self.classes, self.units
        if units.dtype == torch.int32 and not units.is_cuda and native_counting.is_available():
            return native_counting.count_natively(classes, units, num_classes, num_units)
        pairs = (classes.int() * num_units + units).flatten()
        counts = torch.bincount(pairs, minlength=num_classes * num_units)
        return counts.view(num_classes, num_units).cpu()

    def units_among(self, answers: Answers) -> Integer[Tensor, "H W"]:
        """Return the unit of each pixel among those that belong to an answer."""
        key = answers.possible.tobytes()
        if key not in self._again:
            size = (self.classes.shape[0], self.classes.shape[1])
            self._again[key] = self._decoder.picture(self._logits, size, allowed=answers.possible)
        return self._again[key]

    def answer(self, answers: Answers) -> Int[Tensor, "H W"]:
        """Return the answer of each pixel; one at least must be possible."""
        found = answers.of_units(self.units)
        outside = found < 0
        if not outside.any():
            return found
        return torch.where(outside, answers.of_units(self.units_among(answers)), found)


class Counter:
    """Counts the pixels of pictures by what they are (row) and are answered as (column).

    Args:
        answers: C of them.
        truth: what each class of the label counts as; -1 for those that are not scored.
    """

    def __init__(self, answers: Answers, truth: Int[ndarray, " L"]) -> None:
        self.answers = answers
        self._truth = np.where(truth >= 0, truth, answers.num)
        self._owners = np.where(answers.possible, answers.owners, answers.num).astype(np.int64)
        self._any = bool(answers.possible.any())

    def nothing(self) -> Int[Tensor, "C C"]:
        """Return counts of no pixel."""
        return torch.zeros(self.answers.num, self.answers.num, dtype=torch.int64)

    def count(self, picture: AnsweredPicture) -> Int[Tensor, "C C"]:
        """Count a picture's pixels."""
        num = self.answers.num
        if not self._any:
            return self.nothing()
        classes, units, pixels = picture.pairs(len(self._truth))
        pairs = self._truth[classes] * (num + 1) + self._owners[units]
        sums = np.bincount(pairs, weights=pixels, minlength=(num + 1) ** 2)
        found = torch.from_numpy(sums.astype(np.int64)).view(num + 1, num + 1)
        counts, outside = found[:num, :num], found[:num, num]
        return counts + self._decided_again(picture) if outside.any() else counts

    def _decided_again(self, picture: AnsweredPicture) -> Int[Tensor, "C C"]:
        """Count the pixels whose unit belongs to no answer by the best one that does."""
        num, device = self.answers.num, picture.units.device
        truth = torch.from_numpy(self._truth).to(device)[picture.classes.int()]
        chosen = (self.answers.of_units(picture.units) < 0) & (truth < num)
        again = self.answers.of_units(picture.units_among(self.answers)[chosen])
        pairs = truth[chosen] * num + again
        return torch.bincount(pairs, minlength=num * num).view(num, num).cpu()
