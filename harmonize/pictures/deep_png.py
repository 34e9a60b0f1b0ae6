"""Colours of 16 bits in PNG files, exactly as they are stored."""

import numpy as np
from jaxtyping import UInt8, UInt16
from numpy import ndarray
from PIL import Image, ImageFile

from harmonize.pictures.opening import OpenedPicture

# Letters of shapes: H x W pixels, C channels.

_SECOND_BYTE = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""By how Pillow keeps the first byte of each two, how it keeps the second."""


def is_deep(picture: ImageFile.ImageFile) -> bool:
    """Say whether a picture that is not decoded yet is a PNG with colours of 16 bits."""
    return picture.format == "PNG" and bool(picture.tile) and _kept(picture) in _SECOND_BYTE


def read_deep(opened: OpenedPicture) -> UInt16[ndarray, "H W C"]:
    """Decode such a picture.

    Pillow keeps one byte of each two, which are the high one first: so it decodes the file twice.
    """
    opened.decode()
    opened.file.seek(0)
    with Image.open(opened.file, formats=["PNG"]) as again:
        tile = again.tile[0]
        again.tile = [tile._replace(args=_SECOND_BYTE[_kept(again)])]
        low = np.asarray(again)
    return np.asarray(opened.picture).astype(np.uint16) << 8 | low


def to_eight_bits(deep: UInt16[ndarray, "H W C"]) -> UInt8[ndarray, "H W C"]:
    """Return the nearest colours of 8 bits; 65535 becomes 255."""
    return ((deep.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _kept(picture: ImageFile.ImageFile) -> str:
    stored = picture.tile[0].args
    return str(stored[0] if isinstance(stored, tuple) else stored)
