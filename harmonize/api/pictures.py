"""Pictures as they are given in Python: files, Pillow images and arrays."""

from pathlib import Path

import numpy as np
from numpy import ndarray
from PIL import Image

from harmonize.decoding.views import Views
from harmonize.errors import HarmonizeError
from harmonize.inference.read_as import ReadAs
from harmonize.inference.read_pictures import SeenPicture, read_to_see, see

Picture = str | Path | Image.Image | ndarray


def see_picture(picture: Picture, views: Views, read_as: ReadAs) -> SeenPicture:
    """Read a picture, or take its pixels, scaled for the network."""
    if isinstance(picture, str | Path):
        return read_to_see(Path(picture), size=views.read_at, fit=views.is_one, read_as=read_as)
    if isinstance(picture, Image.Image):
        return see(picture, size=views.read_at, fit=views.is_one, read_as=read_as)
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3):
        raise HarmonizeError(
            f"the picture: expected pixels (H, W, 3) of type uint8 in 0..255, got {picture.dtype} "
            f"of shape {picture.shape}; scale and convert it"
        )
    if picture.ndim == 3 and picture.shape[2] not in (1, 3, 4):
        raise HarmonizeError(
            f"the picture: expected (H, W, 3), got the shape {picture.shape}; channels come last"
        )
    return see(
        Image.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture),
        size=views.read_at,
        fit=views.is_one,
        read_as=read_as,
    )
