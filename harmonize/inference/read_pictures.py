"""Pictures to be answered, read as evaluation reads them and turned upright."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Num, UInt8
from numpy import ndarray
from PIL import Image
from torch import Tensor

from harmonize.config.channels import RGB
from harmonize.data.dataset import LARGE
from harmonize.data.resizing import resize, shorter_side
from harmonize.data.windows import LargePicture
from harmonize.inference.read_as import ReadAs
from harmonize.pictures.banded import BandedFile, as_colors, bands_of_colors
from harmonize.pictures.limits import refuse_scaled
from harmonize.pictures.opening import orientation, upright, upright_size
from harmonize.pictures.reading import choose_factor, read_picture, read_reduced

# Letters of shapes: N bands, h x w pixels of the network.

_LONGEST_SHOWN = 2048
"""Pixels of the longer side of a large picture, as it is drawn."""


@dataclass(frozen=True)
class SeenPicture:
    """A picture as the network and as people see it.

    Attributes:
        scaled: what the network sees, or what its views are made from; a picture that is too large
            for memory is read as it is needed.
        size: height and width of the answer.
        shown: the whole picture, if it was asked for; smaller than the answer if that is so large.
        orientation: that the file's EXIF data says; 1 is upright.
    """

    scaled: Num[Tensor, "N h w"] | LargePicture
    size: tuple[int, int]
    shown: Image.Image | None
    orientation: int


def read_to_see(
    path: Path,
    *,
    size: int | None,
    fit: bool = True,
    turn: bool = True,
    show: bool = True,
    read_as: ReadAs = ReadAs(),
    lazily: bool = False,
) -> SeenPicture:
    """Read a picture, scaled for the network.

    Args:
        path: of the file.
        size: the shorter side that the network sees; the picture's own if None.
        fit: whether to scale it to that; else it is at least as large.
        turn: whether a picture is turned upright as its EXIF data says.
        show: whether the whole picture is wanted too.
        read_as: the bands that the network takes, and those of TIFF files.
        lazily: whether one that is large may be read as it is needed.

    Raises:
        HarmonizeError: the file cannot be read.
    """
    channels = read_as.of(path)
    if channels:
        file = BandedFile.open(path, channels, read_as.names)
        return _see_bands(file, read_as.names, size=size, fit=fit, show=show, lazily=lazily)
    least = math.inf if size is None else size
    read = read_reduced(path, least=least, exif="ignore", scaled=True)
    whole = None
    if show:
        whole = read.image if read.factor == 1 else read_picture(path, exif="ignore")
    stored = read.orientation if turn else 1
    width, height = upright_size(read.size, stored)
    pixels = _tensor(np.array(upright(read.image, stored)), read_as)
    return SeenPicture(
        _fitted(pixels, (height, width), size) if fit else pixels,
        (height, width),
        None if whole is None else upright(whole, stored),
        stored,
    )


def _see_bands(
    file: BandedFile,
    names: Sequence[str],
    *,
    size: int | None,
    fit: bool,
    show: bool,
    lazily: bool,
) -> SeenPicture:
    """Read a TIFF picture by its bands, scaled for the network."""
    least = math.inf if size is None else size
    refuse_scaled(file.size, least, file.path)
    (width, height), shown = file.size, None
    if lazily and width * height > LARGE:
        if show:
            small = file.read(file.whole, -(-max(file.size) // _LONGEST_SHOWN))
            shown = Image.fromarray(as_colors(small, names))
        return SeenPicture(LargePicture(file), (height, width), shown, 1)
    pixels = file.read(file.whole, choose_factor(file.size, least))
    if show:
        whole = pixels if pixels.shape[:2] == (height, width) else file.read(file.whole)
        shown = Image.fromarray(as_colors(whole, names))
    scaled = torch.from_numpy(pixels).permute(2, 0, 1)
    return SeenPicture(
        _fitted(scaled, (height, width), size) if fit else scaled, (height, width), shown, 1
    )


def _tensor(pixels: UInt8[ndarray, "h w 3"], read_as: ReadAs) -> Num[Tensor, "N h w"]:
    banded = pixels if read_as.names == RGB else bands_of_colors(pixels, read_as.names)
    return torch.from_numpy(banded).permute(2, 0, 1)


def see(
    picture: Image.Image, *, size: int | None, fit: bool = True, read_as: ReadAs = ReadAs()
) -> SeenPicture:
    """Scale a picture that is in memory for the network; its EXIF orientation is undone.

    Args:
        picture: in any mode; transparent pixels keep their colour.
        size: the shorter side that the network sees; the picture's own if None.
        fit: whether to scale it to that.
        read_as: the bands that the network takes.
    """
    shown = upright(picture, orientation(picture)).convert("RGB")
    pixels = _tensor(np.array(shown), read_as)
    width, height = shown.size
    refuse_scaled(shown.size, math.inf if size is None else size, "the picture")
    scaled = _fitted(pixels, (height, width), size) if fit else pixels
    return SeenPicture(scaled, (height, width), shown, 1)


def _fitted(
    pixels: Num[Tensor, "N h w"], full: tuple[int, int], size: int | None
) -> Num[Tensor, "N h2 w2"]:
    """Scale a picture so that the shorter of its full sides becomes ``size``."""
    scaled = full if size is None else shorter_side(*full, size)
    return resize(pixels, scaled)
