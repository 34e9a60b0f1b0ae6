"""The U-Net of Ronneberger et al. (2015) as Muller & Smith (2020) train it."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

# Letters of shapes: B pictures, C channels, K leaves, H x W pixels.

LEVELS = 5
NORM_GROUPS = 8
REACH = {"batch": 107, "group": math.inf}
"""Pixels further off change no logit; a group norm sees the whole picture."""

NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": lambda channels: nn.GroupNorm(NORM_GROUPS, channels),
}


class UNet(nn.Module):
    """U-Net with widths w, 2w, 4w, 8w, 16w and transposed-convolution upsampling.

    Weights are Kaiming-uniform, biases zero. Any picture size is taken: it is padded to a multiple
    of 16 at the right and bottom by repeating the border, and the logits are cut back.

    Args:
        num_leaves: K, the number of logits per pixel.
        width: w; a multiple of 8 with group norm.
        norm: ``batch`` or ``group`` (8 groups).
        channels: C, of a picture.
    """

    def __init__(
        self,
        num_leaves: int,
        width: int = 64,
        *,
        norm: Literal["batch", "group"] = "batch",
        channels: int = 3,
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(LEVELS)]
        self.down = nn.ModuleList(
            _two_convolutions(before, after, norm)
            for before, after in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(below, above, kernel_size=2, stride=2)
            for above, below in pairwise(widths)
        )
        self.up = nn.ModuleList(_two_convolutions(2 * w, w, norm) for w in widths[:-1])
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(width, num_leaves, kernel_size=1)
        self.apply(_initialise)

    def forward(self, pictures: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H W"]:
        """Return one logit per leaf and pixel, for normalised pictures."""
        height, width = pictures.shape[-2:]
        multiple = 2 ** (LEVELS - 1)
        padding = (0, -width % multiple, 0, -height % multiple)
        features = nn.functional.pad(pictures, padding, mode="replicate")
        skipped: list[Tensor] = []
        for level, block in enumerate(self.down):
            features = block(self.pool(features) if level else features)
            skipped.append(features)
        for level in reversed(range(LEVELS - 1)):
            enlarged = self.enlarge[level](features)
            features = self.up[level](torch.cat([skipped[level], enlarged], dim=1))
        return self.head(features)[..., :height, :width]


def _two_convolutions(before: int, after: int, norm: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, padding=1, bias=False),
        NORMS[norm](after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, kernel_size=3, padding=1, bias=False),
        NORMS[norm](after),
        nn.ReLU(inplace=True),
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
