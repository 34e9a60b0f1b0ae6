"""Changes to how a training picture looks, which leave its labels as they are."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Num, UInt8
from torch import Tensor

from harmonize.config.augment_config import AugmentConfig

# Letters of shapes: C bands, S the side of a training sample.


@dataclass(frozen=True)
class Looks:
    """How a sample's looks are changed.

    Attributes:
        gamma: exponent of the brightness.
        grey: whether the colours are taken away.
        blur: standard deviation of a Gaussian, in pixels.
        noise: standard deviation of Gaussian noise, in levels of 0 to 255.
        noise_seed: of the noise.
    """

    gamma: float = 1.0
    grey: bool = False
    blur: float = 0.0
    noise: float = 0.0
    noise_seed: int = 0


def draw_looks(rng: np.random.Generator, config: AugmentConfig) -> Looks | None:
    """Draw how a sample's looks change; None where the config asks for nothing."""
    if not (config.gamma != 1 or config.grey or config.blur or config.noise):
        return None
    gamma = float(config.gamma ** rng.uniform(-1, 1)) if config.gamma != 1 else 1.0
    grey = bool(rng.random() < config.grey) if config.grey else False
    blur = float(rng.uniform(0, config.blur)) if config.blur else 0.0
    if not config.noise:
        return Looks(gamma, grey, blur)
    return Looks(gamma, grey, blur, float(rng.uniform(0, config.noise)), int(rng.integers(2**32)))


def changed_looks(picture: Num[Tensor, "C S S"], looks: Looks) -> Num[Tensor, "C S S"]:
    """Change a sample's looks: brightness, colour, sharpness, then noise, as a camera would.

    Bands, as float32, only lose sharpness and get noise.
    """
    if looks.gamma != 1:
        picture = torch.from_numpy(_levels(looks.gamma).numpy().take(picture.numpy()))
    if looks.grey:
        picture = grey(picture.float()).to(torch.uint8).expand(picture.shape)
    if looks.blur:
        picture = _blurred(picture, looks.blur)
    if looks.noise:
        rng = np.random.default_rng(looks.noise_seed)
        noise = rng.standard_normal(tuple(picture.shape), dtype=np.float32)
        noisy = torch.from_numpy(noise).mul_(looks.noise).add_(picture)
        if picture.is_floating_point():
            return noisy
        picture = noisy.round_().clamp_(0, 255).to(torch.uint8)
    return picture


def grey(picture: Float[Tensor, "3 S S"]) -> Float[Tensor, "S S"]:
    """Return the brightness of each pixel, 0..255, as a whole number, as torchvision does."""
    red, green, blue = picture
    return red.mul(0.2989).add_(green, alpha=0.587).add_(blue, alpha=0.114).floor_()


def _levels(gamma: float) -> UInt8[Tensor, " 256"]:
    """Return what each level becomes, as by torchvision's ``adjust_gamma``."""
    levels = torch.arange(256, dtype=torch.uint8).float().div_(255)
    return levels.pow_(gamma).clamp_(0, 1).mul_(256 - 1e-3).to(torch.uint8)


def _blurred(picture: Num[Tensor, "C S S"], deviation: float) -> Num[Tensor, "C S S"]:
    """Blur as torchvision does, but rows and columns one after the other, which is quicker."""
    size = picture.shape[-1]
    reach = min(math.ceil(3 * deviation), size - 1)
    weights = np.exp(-0.5 * np.square(np.arange(reach + 1) / deviation))
    weights /= 2 * weights.sum() - weights[0]
    pixels = picture.to(torch.float32)
    pixels = torch.nn.functional.pad(pixels[None], (reach,) * 4, mode="reflect")[0]
    for side in (1, 2):
        blurred = pixels.narrow(side, reach, size) * float(weights[0])
        for step, weight in enumerate(weights[1:].tolist(), start=1):
            for start in (reach - step, reach + step):
                blurred.add_(pixels.narrow(side, start, size), alpha=weight)
        pixels = blurred
    if picture.is_floating_point():
        return pixels
    return pixels.round_().clamp_(0, 255).to(torch.uint8)
