"""Training pictures in the style of another data set's: its colours, or its low frequencies."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float, UInt8
from numpy import ndarray
from torch import Tensor

from harmonize.config.augment_config import AugmentConfig
from harmonize.data.resizing import resize

# Letters of shapes: H x W pixels, S the side of a training sample, P of its pixels, b frequencies.

_TO_CONES = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_TO_OPPONENTS = np.diag([1 / 3**0.5, 1 / 6**0.5, 1 / 2**0.5]) @ np.array(
    [[1, 1, 1], [1, 1, -2], [1, -1, 0]]
)
"""Of logarithms: the colour space of Ruderman et al. (1998), whose axes are hardly correlated."""
_LIGHT = ((np.arange(256) + 1) / 256).astype(np.float32)
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
        small = resize(whole, (size, size))
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
        inside = None if known is None or known.all() else known
        if inside is not None and not inside.any():
            return picture
        if self.by == "color":
            found = _recolored(pixels, style, inside)
        else:
            found = _refrequented(pixels, style, inside, math.floor(self.band * pixels.shape[-1]))
        levels = np.clip(np.rint(found, out=found), 0, 255, out=found).astype(np.uint8)
        return torch.from_numpy(levels if inside is None else np.where(inside, levels, pixels))


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
    pixels: UInt8[ndarray, "3 S S"],
    style: UInt8[ndarray, "3 S S"],
    inside: Bool[ndarray, "S S"] | None,
) -> Float[ndarray, "3 S S"]:
    """Give pixels the mean and deviation of others along each axis of colour.

    As Reinhard et al. (2001). Black has a logarithm because levels count from 1 here.
    """
    own, others = _opponents(pixels), _opponents(style)
    mean, deviation = _moments(own if inside is None else own[:, inside])
    new_mean, new_deviation = _moments(others)
    spread = np.minimum(new_deviation, _MOST_SPREAD * deviation) / np.maximum(deviation, 1e-12)
    shift = new_mean - mean * spread
    for plane, by, start in zip(own, spread.tolist(), shift.tolist(), strict=True):
        plane *= by
        plane += start
    cones = _mixed(np.linalg.inv(_TO_OPPONENTS), own)
    light = _mixed(np.linalg.inv(_TO_CONES), np.exp(cones, out=cones))
    light *= 256
    light -= 1
    return light


def _opponents(pixels: UInt8[ndarray, "3 S S"]) -> Float[ndarray, "3 S S"]:
    light = _LIGHT.take(pixels)
    cones = _mixed(_TO_CONES, light)
    return _mixed(_TO_OPPONENTS, np.log(cones, out=cones))


def _mixed(
    matrix: Float[ndarray, "3 3"], planes: Float[ndarray, "3 S S"]
) -> Float[ndarray, "3 S S"]:
    """Multiply by a matrix in one thread: sums come in the same order in every process."""
    mixed = np.empty_like(planes)
    for plane, (first, *rest) in zip(mixed, matrix.tolist(), strict=True):
        np.multiply(planes[0], first, out=plane)
        for number, share in enumerate(rest, start=1):
            plane += planes[number] * share
    return mixed


def _moments(
    planes: Float[ndarray, "3 *P"],
) -> tuple[Float[ndarray, " 3"], Float[ndarray, " 3"]]:
    flat = planes.reshape(3, -1)
    mean = flat.mean(1, dtype=np.float64)
    square = np.square(flat - mean.astype(np.float32)[:, None]).mean(1, dtype=np.float64)
    return mean, np.sqrt(square)


def _refrequented(
    pixels: UInt8[ndarray, "3 S S"],
    style: UInt8[ndarray, "3 S S"],
    inside: Bool[ndarray, "S S"] | None,
    reach: int,
) -> Float[ndarray, "3 S S"]:
    """Give pixels the amplitude of another picture at the lowest frequencies, up to ``reach``.

    As Yang and Soatto (CVPR 2020): the phase stays. What is not inside is as the mean of the rest.
    """
    own = pixels.astype(np.float64)
    if inside is not None:
        own[:, ~inside] = own[:, inside].mean(1)[:, None]
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
