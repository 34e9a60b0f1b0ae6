"""Pictures scaled exactly as torchvision scales them, by operations that every runtime has.

``interpolate(antialias=True)`` of bytes multiplies by whole numbers, along rows and then along
columns, and rounds to bytes after each. Runtimes that have such a resize round in other ways, and a
byte more or less in a picture turns answers. Here both steps are products with a matrix.
"""

import torch
from jaxtyping import Float
from torch import Tensor

# Letters of shapes: B pictures, C channels, H x W pixels of a picture, h x w scaled; n before and m
# after scaling along one side.

_MOST_BITS = 22
"""Of the fraction of a weight."""
_LIMIT = 1 << 15
"""Weights are less."""
_HALF = 256
"""Weights are parted into two bytes: float32 holds the sums of each exactly."""


def exact_resize(
    pictures: Float[Tensor, "B C H W"], size: tuple[int, int]
) -> Float[Tensor, "B C h w"]:
    """Scale pictures of whole numbers in 0..255 to a height and a width."""
    columns = _scaled(pictures, size[1])
    return _scaled(columns.transpose(-1, -2), size[0]).transpose(-1, -2)


def _scaled(lines: Float[Tensor, "B C r n"], length: int) -> Float[Tensor, "B C r m"]:
    """Scale the last side of pictures."""
    weights = _weights(lines.shape[-1], length)
    bits = _bits(weights.amax((0, 1)))
    whole = (weights * bits + 0.5).floor()
    high = (whole / _HALF).floor()
    low = whole - high * _HALF
    sums = (lines @ high.float()).double() * _HALF + (lines @ low.float()).double()
    return ((sums + bits / 2) / bits).floor().clamp(0, 255).float()


def _weights(before: int, after: int) -> Float[Tensor, "n m"]:
    """Return what each old pixel counts for each new one."""
    scale = torch.scalar_tensor(before, dtype=torch.float64) / after
    centers = (torch.arange(after, dtype=torch.float64) + 0.5) * scale
    pixels = torch.arange(before, dtype=torch.float64) + 0.5
    away = (pixels[:, None] - centers) / scale.clamp(min=1)
    weights = (1 - away.abs()).clamp(min=0)
    return weights / weights.sum(0)


def _bits(largest: Float[Tensor, ""]) -> Float[Tensor, ""]:
    """Return what weights are multiplied by to be whole numbers, a power of two."""
    powers = torch.tensor([2.0**bits for bits in range(1, _MOST_BITS + 1)], dtype=torch.float64)
    fits = (largest * powers + 0.5).floor() < _LIMIT
    return torch.where(fits, powers, 1.0).amax(0)
