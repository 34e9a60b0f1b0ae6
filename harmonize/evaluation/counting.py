"""Counting the pixels of a picture by their true and their most probable class."""

from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

from harmonize.evaluation import native_counting
from harmonize.evaluation.metrics import confusion_matrix
from harmonize.decoding.strips import strips

# Letters of shapes: K leaves, C classes, H x W pixels of a label, h x w of the network, R rows.


class PixelCounter:
    """Adds up pixels by true class (row) and predicted class (column).

    The prediction is the class with the largest sum of its leaves' probabilities, the first one
    among equals. Pixels of classes without leaves are not counted, and such are never predicted.

    Args:
        masks: the leaves of each class, on the device of the logits.
        compiled: whether to count in C; unless given, on a CPU with a compiler. Both ways differ
            only where rounding decides between two classes.

    Attributes:
        counts: so far.
    """

    counts: Int[Tensor, "C C"]

    def __init__(self, masks: Bool[Tensor, "C K"], *, compiled: bool | None = None) -> None:
        if compiled is None:
            compiled = masks.device.type == "cpu" and native_counting.is_available()
        size = len(masks)
        self._masks = masks
        self._scores_any = bool(masks.any())
        self._layout = native_counting.lay_out(masks) if compiled and self._scores_any else None
        self.counts = torch.zeros(size, size, dtype=torch.int64, device=masks.device)

    def add(self, logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"]) -> None:
        """Count a picture's pixels, its logits scaled to the label's size.

        Args:
            logits: of one picture.
            classes: the true ones, 0..C - 1.
        """
        if not self._scores_any or not classes.numel():
            return
        if self._layout is None:
            self.counts += count_pixels(logits, classes, self._masks)
            return
        if logits.dtype not in native_counting.DTYPES:
            logits = logits.float()
        self.counts += native_counting.count_natively(logits, classes, self._layout)


def answer(
    logits: Float[Tensor, "K h w"], size: tuple[int, int], masks: Bool[Tensor, "C K"]
) -> Int[Tensor, "H W"]:
    """Return the most probable class of each pixel of a label of a size; see ``classify``."""
    nothing = torch.zeros(size, dtype=torch.uint8, device=logits.device)
    return torch.cat([classify(strip, masks) for _, strip in _strips(logits, nothing)])


def count_pixels(
    logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"], masks: Bool[Tensor, "C K"]
) -> Int[Tensor, "C C"]:
    """Count as ``PixelCounter`` does, in plain PyTorch, in strips of rows of bounded memory."""
    size = len(masks)
    counts = torch.zeros(size, size, dtype=torch.int64, device=masks.device)
    for truth, strip in _strips(logits, classes):
        predicted = classify(strip, masks)
        counts += confusion_matrix(truth.long().flatten(), predicted.flatten(), size)
    return counts * masks.any(1)[:, None]


def classify(logits: Float[Tensor, "K H W"], masks: Bool[Tensor, "C K"]) -> Int[Tensor, "H W"]:
    """Return each pixel's most probable class, p(class) being the sum of its leaves' p.

    Classes without leaves are never predicted; ties go to the first class.
    """
    sizes = masks.sum(1)
    if int(sizes.max()) == 1:
        owner, leaf = masks.nonzero().unbind(1)
        every = torch.arange(len(logits), device=leaf.device)
        chosen = logits if torch.equal(leaf, every) else logits[leaf]
        return owner[chosen.max(0).indices]
    covered = masks.any(0)
    # Leaves of no class change no order; without them the largest summand of all is exactly 1.
    shifted = logits[covered] - logits[covered].amax(0)
    sums = torch.einsum("ck,khw->chw", masks[:, covered].to(logits.dtype), shifted.exp_())
    sums[sizes == 0] = -1
    return sums.max(0).indices


def _strips(
    logits: Float[Tensor, "K h w"], classes: Integer[Tensor, "H W"]
) -> Iterator[tuple[Integer[Tensor, "R W"], Float[Tensor, "K R W"]]]:
    """Cut a label into strips of rows; each with its logits, scaled to its size."""
    size = (classes.shape[0], classes.shape[1])
    for first, strip in strips([(0, logits)], logits.shape[1], size):
        yield classes[first : first + strip.shape[1]], strip
