"""Pictures to be answered, read as evaluation reads them and turned upright."""

import math
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from harmonize.data.opening import ORIENTATION, TURNS
from harmonize.data.pictures import read_picture, read_reduced
from harmonize.data.transforms import shorter_side

# Letters of shapes: h x w pixels of the network.

_SIDEWAYS = (5, 6, 7, 8)


@dataclass(frozen=True)
class Seen:
    """A picture as the network and as people see it.

    Attributes:
        scaled: what the network sees.
        size: height and width of the answer.
        shown: the whole picture, if it was asked for.
        orientation: that the file's EXIF data says; 1 is upright.
    """

    scaled: UInt8[Tensor, "3 h w"]
    size: tuple[int, int]
    shown: Image.Image | None
    orientation: int


def read_to_see(path: Path, *, size: int | None, turn: bool = True, show: bool = True) -> Seen:
    """Read a picture, scaled for the network.

    Args:
        path: of the file.
        size: the shorter side that the network sees; the picture's own if None.
        turn: whether a picture is turned upright as its EXIF data says.
        show: whether the whole picture is wanted too.

    Raises:
        HarmonizeError: the file cannot be read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large is no surprise here
        read = read_reduced(path, least=math.inf if size is None else size, exif="ignore")
        whole = None
        if show:
            whole = read.image if read.factor == 1 else read_picture(path, exif="ignore")
    orientation = _orientation(read.image) if turn else 1
    width, height = read.size[::-1] if orientation in _SIDEWAYS else read.size
    pixels = torch.from_numpy(np.array(_upright(read.image, orientation))).permute(2, 0, 1)
    scaled = (height, width) if size is None else shorter_side(height, width, size)
    return Seen(
        F.resize(pixels, list(scaled), antialias=True),
        (height, width),
        None if whole is None else _upright(whole, orientation),
        orientation,
    )


def see(picture: Image.Image, *, size: int | None) -> Seen:
    """Scale a picture that is in memory for the network; its EXIF orientation is undone.

    Args:
        picture: in any mode; transparent pixels keep their colour.
        size: the shorter side that the network sees; the picture's own if None.
    """
    shown = _upright(picture, _orientation(picture)).convert("RGB")
    pixels = torch.from_numpy(np.array(shown)).permute(2, 0, 1)
    width, height = shown.size
    scaled = (height, width) if size is None else shorter_side(height, width, size)
    return Seen(F.resize(pixels, list(scaled), antialias=True), (height, width), shown, 1)


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation; 1 where there is none that makes sense."""
    try:
        found = picture.getexif().get(ORIENTATION, 1)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, struct.error):
        return 1
    return found if found in TURNS else 1


def _upright(picture: Image.Image, orientation: int) -> Image.Image:
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture
