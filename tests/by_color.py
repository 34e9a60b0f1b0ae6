"""A network that tells the tiny data sets' leaves by their colours."""

import numpy as np
import torch
from torch import Tensor, nn

from harmonize.models.segmenter import Segmenter
from tiny import COLORS


class ByColor(nn.Module):
    """Gives the leaves background, left and right logits by the pixel's nearest colour."""

    def __init__(self) -> None:
        super().__init__()
        colors = torch.from_numpy(COLORS.astype(np.uint8))[:, :, None, None]
        self.normalize = Segmenter(nn.Identity()).normalize
        self.register_buffer("colors", self.normalize(colors)[:, :, 0, 0])
        self.sizes: list[tuple[int, int]] = []

    def forward(self, pictures: Tensor) -> Tensor:
        self.sizes.append((pictures.shape[2], pictures.shape[3]))
        colors = self.get_buffer("colors")
        return -10 * (
            self.normalize(pictures)[:, None] - colors[None, :, :, None, None]
        ).square().sum(2)
