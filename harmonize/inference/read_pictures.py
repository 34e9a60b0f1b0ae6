"""Pictures to be answered, read as evaluation reads them and turned upright."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harmonize.data.transforms import shorter_side
from harmonize.pictures.opening import orientation, upright, upright_size
from harmonize.pictures.reading import read_picture, read_reduced

# Letters of shapes: h x w pixels of the network.


@dataclass(frozen=True)
class Seen:
    """A picture as the network and as people see it.

    Attributes:
        scaled: what the network sees, or what its views are made from.
        size: height and width of the answer.
        shown: the whole picture, if it was asked for.
        orientation: that the file's EXIF data says; 1 is upright.
    """

    scaled: UInt8[Tensor, "3 h w"]
    size: tuple[int, int]
    shown: Image.Image | None
    orientation: int


def read_to_see(
    path: Path, *, size: int | None, fit: bool = True, turn: bool = True, show: bool = True
) -> Seen:
    """Read a picture, scaled for the network.

    Args:
        path: of the file.
        size: the shorter side that the network sees; the picture's own if None.
        fit: whether to scale it to that; else it is at least as large.
        turn: whether a picture is turned upright as its EXIF data says.
        show: whether the whole picture is wanted too.

    Raises:
        HarmonizeError: the file cannot be read.
    """
    read = read_reduced(path, least=math.inf if size is None else size, exif="ignore")
    whole = None
    if show:
        whole = read.image if read.factor == 1 else read_picture(path, exif="ignore")
    stored = read.orientation if turn else 1
    width, height = upright_size(read.size, stored)
    pixels = torch.from_numpy(np.array(upright(read.image, stored))).permute(2, 0, 1)
    return Seen(
        _fitted(pixels, (height, width), size) if fit else pixels,
        (height, width),
        None if whole is None else upright(whole, stored),
        stored,
    )


def see(picture: Image.Image, *, size: int | None, fit: bool = True) -> Seen:
    """Scale a picture that is in memory for the network; its EXIF orientation is undone.

    Args:
        picture: in any mode; transparent pixels keep their colour.
        size: the shorter side that the network sees; the picture's own if None.
        fit: whether to scale it to that.
    """
    shown = upright(picture, orientation(picture)).convert("RGB")
    pixels = torch.from_numpy(np.array(shown)).permute(2, 0, 1)
    width, height = shown.size
    scaled = _fitted(pixels, (height, width), size) if fit else pixels
    return Seen(scaled, (height, width), shown, 1)


def _fitted(
    pixels: UInt8[Tensor, "3 h w"], full: tuple[int, int], size: int | None
) -> UInt8[Tensor, "3 h2 w2"]:
    """Scale a picture so that the shorter of its full sides becomes ``size``."""
    scaled = full if size is None else shorter_side(*full, size)
    return F.resize(pixels, list(scaled), antialias=True)
