"""Training pictures in the style of another data set's: its colours, or its low frequencies."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float, UInt8
from numpy import ndarray
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harmonize.config.augment_config import AugmentConfig

# Letters of shapes: H x W pixels, S the side of a training sample, P of its pixels, b frequencies.

_TO_CONES = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_TO_OPPONENTS = np.diag([1 / 3**0.5, 1 / 6**0.5, 1 / 2**0.5]) @ np.array(
    [[1, 1, 1], [1, 1, -2], [1, -1, 0]]
)
"""Of logarithms: the colour space of Ruderman et al. (1998), whose axes are hardly correlated."""
_MOST_SPREAD = 4.0
"""Colours are drawn apart by so much at most: a picture without any would be noise."""


@dataclass(frozen=True)
class Style:
    """How a picture of another data set looks.

    Attributes:
        by: what is taken of it.
        band: the lowest frequencies, as a share of all.
        picture: the whole of it, at the size of a sample.
    """

    by: Literal["color", "fourier"]
    band: float
    picture: UInt8[Tensor, "3 S S"]

    @classmethod
    def of(cls, picture: UInt8[ndarray, "H W 3"], config: AugmentConfig, size: int) -> "Style":
        """Return the style of a picture for samples of a side ``size``."""
        whole = torch.from_numpy(picture.copy()).permute(2, 0, 1)  # it may be read-only
        small = F.resize(whole, [size, size], antialias=True)
        return cls(config.style_by, config.style_band, small)

    def given_to(
        self, picture: UInt8[Tensor, "3 S S"], known: Bool[ndarray, "S S"] | None = None
    ) -> UInt8[Tensor, "3 S S"]:
        """Return a sample's picture in this style.

        Args:
            picture: of the sample.
            known: where it is one, all of it unless given; the rest counts for nothing and stays.
        """
        pixels, style = picture.numpy(), self.picture.numpy()
        inside = np.ones(pixels.shape[1:], dtype=bool) if known is None else known
        if not inside.any():
            return picture
        if self.by == "color":
            found = _recolored(pixels.reshape(3, -1), style.reshape(3, -1), inside.ravel())
        else:
            found = _refrequented(pixels, style, inside, math.floor(self.band * len(inside)))
        levels = found.reshape(pixels.shape).round().clip(0, 255).astype(np.uint8)
        return torch.from_numpy(np.where(inside, levels, pixels))


@dataclass(frozen=True)
class DrawnStyle:
    """The style of a sample, and the picture that it is of.

    Attributes:
        dataset: the number of its data set.
        picture: its number in there.
        style: of it.
    """

    dataset: int
    picture: int
    style: Style


def _recolored(
    pixels: UInt8[ndarray, "3 P"], style: UInt8[ndarray, "3 P"], inside: Bool[ndarray, " P"]
) -> Float[ndarray, "3 P"]:
    """Give pixels the mean and deviation of others along each axis of colour.

    As Reinhard et al. (2001). Black has a logarithm because levels count from 1 here.
    """
    own, others = _opponents(pixels), _opponents(style)
    mean, deviation = _moments(own[:, inside])
    new_mean, new_deviation = _moments(others)
    spread = np.minimum(new_deviation, _MOST_SPREAD * deviation) / np.maximum(deviation, 1e-12)
    shift = new_mean - mean * spread
    moved = own * spread.astype(np.float32)[:, None] + shift.astype(np.float32)[:, None]
    cones = np.exp(_mixed(np.linalg.inv(_TO_OPPONENTS), moved))
    return _mixed(np.linalg.inv(_TO_CONES), cones) * np.float32(256) - np.float32(1)


def _opponents(pixels: UInt8[ndarray, "3 P"]) -> Float[ndarray, "3 P"]:
    light = (pixels.astype(np.float32) + np.float32(1)) / np.float32(256)
    return _mixed(_TO_OPPONENTS, np.log(_mixed(_TO_CONES, light)))


def _mixed(matrix: Float[ndarray, "3 3"], planes: Float[ndarray, "3 P"]) -> Float[ndarray, "3 P"]:
    """Multiply by a matrix in one thread: sums come in the same order in every process."""
    rows = matrix.astype(np.float32)
    return np.stack([row[0] * planes[0] + row[1] * planes[1] + row[2] * planes[2] for row in rows])


def _moments(planes: Float[ndarray, "3 P"]) -> tuple[Float[ndarray, " 3"], Float[ndarray, " 3"]]:
    return planes.mean(1, dtype=np.float64), planes.std(1, dtype=np.float64)


def _refrequented(
    pixels: UInt8[ndarray, "3 S S"],
    style: UInt8[ndarray, "3 S S"],
    inside: Bool[ndarray, "S S"],
    reach: int,
) -> Float[ndarray, "3 S S"]:
    """Give pixels the amplitude of another picture at the lowest frequencies, up to ``reach``.

    As Yang and Soatto (CVPR 2020): the phase stays. What is not inside is as the mean of the rest.
    """
    mean = pixels[:, inside].mean(1, dtype=np.float64)
    own = np.where(inside, pixels, mean[:, None, None])
    before, other = _lowest(own, reach), _lowest(style.astype(np.float64), reach)
    size = np.abs(before)
    phase = np.where(size > 0, before / np.where(size > 0, size, 1), 1)
    change = np.abs(other) * phase - before
    # Only these frequencies change, so only they are brought back.
    return own + np.fft.irfft(np.fft.ifft(change, axis=-2), n=own.shape[-1], axis=-1)


def _lowest(planes: Float[ndarray, "3 S S"], reach: int) -> Complex[ndarray, "3 S b"]:
    """Return half of a spectrum, 0 above a frequency across or down."""
    spectrum = np.fft.fft(np.fft.rfft(planes, axis=-1)[..., : reach + 1], axis=-2)
    side = planes.shape[-1]
    down = np.minimum(np.arange(side), side - np.arange(side))
    return np.where((down <= reach)[:, None], spectrum, 0)
