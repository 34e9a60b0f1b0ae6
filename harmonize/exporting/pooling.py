"""Adaptive average pools, by operations that can be exported for pictures of any size."""

from typing import Any

import torch
from torch import Tensor, nn

# Letters of shapes: B pictures, C channels, h x w pixels of features, R x S of the pooled ones.


class PlainAdaptivePool(nn.Module):
    """Averages features over a grid of cells as ``AdaptiveAvgPool2d`` does.

    PyTorch's own is exported to ONNX as if every picture had the size of the example.

    Args:
        size: rows and columns of the grid.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, R, S) of (B, C, h, w)."""
        down = _cells(features.shape[-2], self.size[0])
        right = _cells(features.shape[-1], self.size[1])
        return down @ features @ right.transpose(0, 1)


def _cells(length: int, number: int) -> Tensor:
    """Return what each of the pixels along a side counts for each cell."""
    pixels = torch.arange(length, dtype=torch.float32)
    cells = torch.arange(number, dtype=torch.float32)[:, None]
    first = (cells * length / number).floor()
    end = ((cells + 1) * length / number).ceil()
    inside = ((pixels >= first) & (pixels < end)).float()
    return inside / inside.sum(1, keepdim=True)


def with_plain_pools(network: nn.Module) -> nn.Module:
    """Put such a pool in the place of each adaptive one, and return the network."""
    for name, part in [*network.named_modules()]:
        size: Any = part.output_size if isinstance(part, nn.AdaptiveAvgPool2d) else 1
        rows, columns = (size, size) if isinstance(size, int) else size
        if rows is not None and columns is not None and (rows, columns) != (1, 1):
            network.set_submodule(name, PlainAdaptivePool((rows, columns)))
    return network
