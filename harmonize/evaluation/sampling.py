"""Logits of some labelled pixels of every picture, which calibration is measured and fitted on."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Integer
from torch import Tensor

# Letters of shapes: P sampled pixels, K leaves, C classes, H x W pixels of a label, h x w of the
# network.

_MOST = 1 << 17
"""Pixels of a whole data set."""
_MOST_OF_A_PICTURE = 2048


@dataclass(frozen=True)
class PixelSample:
    """Some labelled pixels of a data set, from a regular grid over each of its pictures.

    Neighbouring pixels tell nearly the same, so a sample says almost as much as all of them.

    Attributes:
        logits: as scoring has them: scaled bilinearly to the label's size; float32, on the CPU.
        classes: the true class of each, by its number in the mapping; never an ignored one.
        pictures: the number in the data set of the picture that each is from.
    """

    logits: Float[Tensor, "P K"]
    classes: Int[Tensor, " P"]
    pictures: Int[Tensor, " P"]

    def __len__(self) -> int:
        return len(self.classes)

    def where(self, chosen: Bool[Tensor, " P"]) -> "PixelSample":
        """Return some of the pixels."""
        return PixelSample(self.logits[chosen], self.classes[chosen], self.pictures[chosen])


class Sampler:
    """Samples pictures one by one, each about equally often.

    Args:
        masks: the leaves of each class; labels of a class without leaves are ignored.
        pictures: the number of pictures of the data set.
    """

    def __init__(self, masks: Bool[Tensor, "C K"], *, pictures: int) -> None:
        self._known = masks.any(1).cpu()
        self._leaves = masks.shape[1]
        self._pixels = min(max(_MOST // max(pictures, 1), 1), _MOST_OF_A_PICTURE)
        self._parts: list[PixelSample] = []

    def of(
        self,
        logits: Float[Tensor, "K h w"],
        classes: Integer[Tensor, "H W"],
        number: int,
        *,
        first: int = 0,
        height: int | None = None,
    ) -> PixelSample:
        """Return the sampled pixels of a picture of the data set by its number.

        Args:
            logits: of the picture, or of some rows of its label.
            classes: of the same pixels.
            number: of the picture.
            first: the number of the first of these rows.
            height: of the label; theirs unless given.
        """
        rows, width = classes.shape
        down, columns = pixel_grid(height or rows, width, self._pixels)
        inside = (down >= first) & (down < first + rows)
        down, columns = down[inside] - first, columns[inside]
        truth = classes[down, columns].long().cpu()
        kept = self._known[truth]
        down, columns, truth = down[kept], columns[kept], truth[kept]
        values = _between(logits, down, columns, (rows, width))
        return PixelSample(values.cpu(), truth, torch.full_like(truth, number))

    def add(self, parts: Iterable[PixelSample]) -> None:
        """Keep sampled pixels."""
        self._parts += parts

    def sample(self) -> PixelSample:
        """Return all pixels so far."""
        return join(self._parts, leaves=self._leaves)


def join(samples: Iterable[PixelSample], *, leaves: int) -> PixelSample:
    """Join samples of different pictures, in the order of the pictures."""
    parts = list(samples)
    empty = torch.zeros(0, dtype=torch.int64)
    whole = PixelSample(
        torch.cat([torch.zeros(0, leaves), *(part.logits for part in parts)]),
        torch.cat([empty, *(part.classes for part in parts)]),
        torch.cat([empty, *(part.pictures for part in parts)]),
    )
    order = whole.pictures.argsort(stable=True)
    return PixelSample(whole.logits[order], whole.classes[order], whole.pictures[order])


def pixel_grid(height: int, width: int, pixels: int) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"]]:
    """Return the rows and columns of about so many pixels, spread evenly."""
    step = max((height * width / pixels) ** 0.5, 1.0)
    rows, columns = (
        ((torch.arange(max(int(side / step), 1)) + 0.5) * (side / max(int(side / step), 1))).long()
        for side in (height, width)
    )
    return rows.repeat_interleave(len(columns)), columns.repeat(len(rows))


def _between(
    logits: Float[Tensor, "K h w"],
    rows: Int[Tensor, " P"],
    columns: Int[Tensor, " P"],
    size: tuple[int, int],
) -> Float[Tensor, "P K"]:
    """Return the logits at pixels of a label of a size, bilinearly."""
    rows, columns = rows.to(logits.device), columns.to(logits.device)
    height, width = logits.shape[1:]
    if size == (height, width):
        return _at(logits, rows, columns)
    top, bottom, down = _neighbours(rows, height, size[0])
    left, right, across = _neighbours(columns, width, size[1])
    above = _at(logits, top, left).lerp(_at(logits, top, right), across[:, None])
    below = _at(logits, bottom, left).lerp(_at(logits, bottom, right), across[:, None])
    return above.lerp(below, down[:, None])


def _at(
    logits: Float[Tensor, "K h w"], rows: Int[Tensor, " P"], columns: Int[Tensor, " P"]
) -> Float[Tensor, "P K"]:
    """Return the logits at some pixels: a row of memory each where their leaves are beside."""
    pixels = rows * logits.shape[2] + columns
    if logits.permute(1, 2, 0).is_contiguous():
        return logits.permute(1, 2, 0).flatten(0, 1).index_select(0, pixels).float()
    return logits.flatten(1).index_select(1, pixels).float().T


def _neighbours(
    places: Int[Tensor, " P"], length: int, full: int
) -> tuple[Int[Tensor, " P"], Int[Tensor, " P"], Float[Tensor, " P"]]:
    """Return the two pixels of the network that places lie between, and how far."""
    exact = ((places + 0.5) * (length / full) - 0.5).clamp(min=0)
    low = exact.long().clamp(max=length - 1)
    return low, (low + 1).clamp(max=length - 1), exact - low
