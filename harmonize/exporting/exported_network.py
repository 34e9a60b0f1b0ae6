"""A trained network as one module: bytes of pictures of any size in, answers out."""

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from harmonize.exporting.exact_resize import exact_resize
from harmonize.exporting.plain_decoding import PlainAnswers
from harmonize.exporting.pooling import with_plain_pools
from harmonize.inference.answer_space import AnswerSpace
from harmonize.models.outputs import all_logits
from harmonize.models.segmenter import Segmenter

# Letters of shapes: B pictures, C channels or answers, K leaves, H x W pixels of a picture, h x w
# as the network sees it, P pixels. They are in comments alone: no size is known while it is
# exported.

OUTPUTS = ("classes", "probabilities", "logits")
INPUTS = ("pictures", "size")


class ExportedNetwork(nn.Module):
    """Scales, normalises and pads pictures, runs the network, and decides each pixel.

    Args:
        segmenter: the trained network, as it is to answer; it stays as it is.
        space: the possible answers.
        strides: that the network is given at least along each side.
    """

    pictures_mean: Tensor
    pictures_std: Tensor

    def __init__(self, segmenter: Segmenter, space: AnswerSpace, *, strides: int = 1) -> None:
        super().__init__()
        self.stride = segmenter.stride
        self.span = segmenter.span
        self.least = max(math.ceil(segmenter.traits.least / segmenter.stride), strides)
        self.network = with_plain_pools(copy.deepcopy(segmenter.network))
        self.register_buffer("pictures_mean", segmenter.mean[None].clone())
        self.register_buffer("pictures_std", segmenter.std[None].clone())
        self.answers = PlainAnswers(space)
        self.number = torch.uint8 if space.num <= 256 else torch.int32
        self.eval()

    def forward(self, pictures: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the classes (B, H, W), probabilities (B, C, H, W) and logits (B, K, h, w).

        Args:
            pictures: (B, 3, H, W), uint8.
            size: the shorter side that the network sees, in pixels; 0 for the pictures' own.
        """
        batch, (height, width) = pictures.shape[0], pictures.shape[-2:]
        seen_height, seen_width, rows, columns = self._sizes(height, width, size)
        seen = exact_resize(pictures.float(), (seen_height, seen_width))
        down = torch.arange(rows * self.stride).clamp(max=seen_height - 1)
        right = torch.arange(columns * self.stride).clamp(max=seen_width - 1)
        padded = seen.index_select(2, down).index_select(3, right)
        logits = all_logits(self.network((padded / 255 - self.pictures_mean) / self.pictures_std))[
            0
        ].float()
        if self.span is not None:
            logits = logits[:, self.span]
        if logits.shape[-2:] != padded.shape[-2:]:
            logits = scaled(logits, (rows * self.stride, columns * self.stride))
        logits = logits.index_select(2, torch.arange(seen_height))
        logits = logits.index_select(3, torch.arange(seen_width))
        classes, probabilities = self.answers(scaled(logits, (height, width)).flatten(2))
        shape = (batch, height, width)
        return (
            classes.reshape(shape).to(self.number),
            probabilities.reshape(batch, probabilities.shape[1], height, width),
            logits,
        )

    def _sizes(self, height: int, width: int, size: Tensor) -> tuple[int, int, int, int]:
        """Return h and w, and how many strides they are with their padding.

        Computed as ``shorter_side`` does, in float64.
        """
        own = [torch.scalar_tensor(side, dtype=torch.float64) for side in (height, width)]
        sides = torch.stack(own)
        shorter = sides.amin(0)
        wanted = torch.where(size > 0, size.double(), shorter)
        seen = (sides * (wanted / shorter)).round().clamp(min=1)
        strides = (seen / self.stride).ceil().clamp(min=self.least).long()
        found: list[Any] = [
            one.item() for one in (*seen.long(), *strides)
        ]  # ``int`` would fix them
        for number, least in zip(found, (1, 1, self.least, self.least), strict=True):
            torch._check(number >= least)
        return found[0], found[1], found[2], found[3]


def scaled(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale logits (B, K, h, w) to a height and width."""
    return nn.functional.interpolate(logits, size=size, mode="bilinear")
