"""Joint changes to a picture and its codes, each a function of its arguments alone."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Integer, UInt8
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harmonize.config import AugmentConfig

# Letters of shapes: H x W pixels, S the side of a training crop.


@dataclass(frozen=True)
class Augmentation:
    """The random choices for one training sample."""

    crop: tuple[int, int, int]
    """Top, left and side of the square crop, in pixels of the picture."""
    flip: bool
    brightness: float
    contrast: float
    saturation: float
    """Factors; 1 leaves the picture as it is."""


def draw_augmentation(
    rng: np.random.Generator, config: AugmentConfig, *, height: int, width: int
) -> Augmentation:
    """Draw the choices for a picture of the given size."""
    low, high = config.scale
    side = max(round(min(height, width) * rng.uniform(low, high)), 1)
    top = int(rng.integers(height - side + 1))
    left = int(rng.integers(width - side + 1))
    flip = bool(rng.random() < config.flip)
    factors = rng.uniform(1 - config.color, 1 + config.color, size=3).tolist()
    return Augmentation((top, left, side), flip, *factors)


def augment(
    picture: UInt8[Tensor, "3 H W"],
    codes: Integer[Tensor, "H W"],
    choices: Augmentation,
    *,
    size: int,
    mirror: Integer[Tensor, " L"],
) -> tuple[UInt8[Tensor, "3 S S"], Integer[Tensor, "S S"]]:
    """Crop, resize, flip and colour a training sample.

    Args:
        picture: RGB, 0..255.
        codes: of the target space.
        choices: what to do.
        size: the side S of the result.
        mirror: the code that each code becomes in a flipped picture.
    """
    top, left, side = choices.crop
    picture = picture[:, top : top + side, left : left + side]
    codes = codes[top : top + side, left : left + side]
    picture = F.resize(picture, [size, size], antialias=True)
    codes = resize_nearest(codes, size, size)
    if choices.flip:
        picture = picture.flip(-1)
        codes = mirror[codes.flip(-1).long()]
    if choices.brightness != 1:
        picture = F.adjust_brightness(picture, choices.brightness)
    if choices.contrast != 1:
        picture = F.adjust_contrast(picture, choices.contrast)
    if choices.saturation != 1:
        picture = F.adjust_saturation(picture, choices.saturation)
    return picture, codes


def resize_nearest(
    labels: Integer[Tensor, "H W"], height: int, width: int
) -> Integer[Tensor, "h w"]:
    """Resize a label map, each pixel taking the value at its centre."""
    if labels.shape == (height, width):
        return labels
    rows = _centres(labels.shape[0], height)
    columns = _centres(labels.shape[1], width)
    return labels[rows[:, None], columns]


def _centres(old: int, new: int) -> Integer[Tensor, " new"]:
    """Return the old pixel that each new pixel's centre falls in (as ``nearest-exact`` does)."""
    return ((2 * torch.arange(new) + 1) * old).div(2 * new, rounding_mode="floor")


def shorter_side(height: int, width: int, size: int) -> tuple[int, int]:
    """Return the height and width of a picture scaled so that its shorter side is ``size``."""
    scale = size / min(height, width)
    return max(round(height * scale), 1), max(round(width * scale), 1)
