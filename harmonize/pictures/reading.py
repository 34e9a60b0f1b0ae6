"""Reading picture files as RGB, whole or smaller, turned as their EXIF orientation says."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageFile

from harmonize.errors import HarmonizeError
from harmonize.pictures.arrays import is_array, read_array
from harmonize.pictures.deep_png import is_deep, read_deep, to_eight_bits
from harmonize.pictures.limits import refuse_scaled
from harmonize.pictures.opening import (
    OpenedPicture,
    opened,
    orientation,
    refuse_rescaled,
    upright,
    upright_size,
)
from harmonize.pictures.quick_png import decode_quickly
from harmonize.pictures.tiff import is_tiff, read_tiff, tiff_header
from harmonize.stores.ranged import heads_first

Exif = Literal["apply", "ignore"]
"""Whether a picture is turned as its EXIF orientation says; unless given, such are refused."""

_FACTORS = (8, 4, 2)
"""By which pictures are reduced: those that JPEG decoders know."""


@dataclass(frozen=True)
class Picture:
    """A picture file as RGB with 8 bits per channel.

    Attributes:
        image: ``ceil(size / factor)`` pixels.
        size: the file's own width and height.
        factor: how many times smaller than the file the image is, along each side.
        orientation: by which the file's EXIF data says that it is to be turned; 1 is upright.
    """

    image: Image.Image
    size: tuple[int, int]
    factor: int
    orientation: int


def choose_factor(size: tuple[int, int], least: float) -> int:
    """Return the largest of 1, 2, 4, 8 that leaves the shorter side ``least`` pixels."""
    return next((factor for factor in _FACTORS if min(size) >= factor * least), 1)


def reduced_size(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """Return the width and height of a picture whose blocks of pixels have become one each."""
    return -(-size[0] // factor), -(-size[1] // factor)


def open_image(path: Path, *, exact: bool = False) -> Image.Image:
    """Open and decode a picture file.

    With ``exact``, a file whose stored numbers decoding would change is refused.

    Raises:
        HarmonizeError: naming the file.
    """
    with opened(path) as one:
        picture = one.picture
        if exact:
            refuse_rescaled(picture, path)
        one.decode()
        if exact:
            refuse_turned(picture, path)
    return picture


def read_picture(path: Path, *, exif: Exif | None = None) -> Image.Image:
    """Read a picture as RGB with 8 bits per channel; see ``read_reduced``."""
    return read_reduced(path, least=math.inf, exif=exif).image


def read_reduced(
    path: Path, *, least: float, exif: Exif | None = None, scaled: bool = False
) -> Picture:
    """Read a picture as small as leaves its shorter side at least ``least`` pixels.

    JPEGs are decoded at that scale; of others each pixel is the mean of a block. Colours become RGB
    without a profile, transparency is dropped. With ``scaled``, one is refused that would be huge
    once all of it is scaled so that its shorter side is ``least``.

    Raises:
        HarmonizeError: naming the file, exactly if reading all of it would.
    """
    tiff = is_tiff(path)
    if tiff:
        header = tiff_header(path)
        if scaled:
            refuse_scaled(header.size, least, path)
        if not header.by_pillow:
            return _reduced(_read_odd(path), least)
    with opened(path, tiff=tiff) as one:
        picture = one.picture
        deep = _refuse_depth(picture, path)
        size = picture.size
        if scaled:
            refuse_scaled(size, least, path)
        factor = choose_factor(size, least)
        if factor > 1 and orientation(picture) == 1:  # blocks are those of the upright picture
            picture.draft(None, (size[0] // factor, size[1] // factor))
        decoded = _decoded(one, deep=deep)
        _refuse_mode(decoded, path)
        found = orientation(picture)
        turn = _turn(found, path, exif)
        image = upright(_to_rgb(decoded), turn)
    size = upright_size(size, turn)
    if factor == 1:
        size = image.size
    elif image.size == size:
        image = image.reduce(factor)
    assert image.size == reduced_size(size, factor)
    return Picture(image, size, factor, found)


def header_size(path: Path) -> tuple[int, int]:
    """Return the width and height that a picture file says are stored, without decoding it.

    Raises:
        HarmonizeError: naming the file.
    """
    if is_array(path):
        return read_array(path).shape[::-1]
    with heads_first():
        if is_tiff(path):
            return tiff_header(path).size
        with opened(path, tiff=False) as one:
            return one.picture.size


def picture_size(path: Path, *, exif: Exif | None = None) -> tuple[int, int]:
    """Return a picture's width and height, having made sure that ``read_picture`` can read it.

    JPEGs are decoded at an eighth of their size, which goes through the whole file all the same.
    """
    tiff = is_tiff(path)
    if tiff and not tiff_header(path).by_pillow:
        return _read_odd(path).size
    with opened(path, tiff=tiff) as one:
        picture = one.picture
        deep = _refuse_depth(picture, path)
        _refuse_mode(picture, path)
        width, height = picture.size
        picture.draft("RGB", (max(1, width // 8), max(1, height // 8)))
        _decoded(one, deep=deep)
        turn = _turn(orientation(picture), path, exif)
    return upright_size((width, height), turn)


def refuse_turned(picture: Image.Image, path: Path) -> None:
    """Refuse a label with an EXIF orientation, which says that its pixels lie elsewhere."""
    if orientation(picture) != 1:
        raise HarmonizeError(
            f"{path}: its EXIF orientation is {orientation(picture)}, by which labels are not "
            "turned; save it upright, without the tag"
        )


def sides_swap(path: Path) -> bool:
    """Say whether applying its EXIF orientation would swap a picture's width and height."""
    if is_tiff(path):
        return False
    with opened(path) as one:
        return upright_size((1, 2), orientation(one.picture)) == (2, 1)


def _refuse_depth(picture: ImageFile.ImageFile, path: Path) -> bool:
    """Refuse numbers that decoding would change, and say whether the colours have 16 bits."""
    deep = is_deep(picture)
    if not deep:
        refuse_rescaled(picture, path)
    return deep


def _decoded(one: OpenedPicture, *, deep: bool) -> Image.Image:
    """Decode a picture; colours of 16 bits become the nearest of 8."""
    if deep:
        return Image.fromarray(to_eight_bits(read_deep(one)))
    quick = decode_quickly(one)
    if quick is not None:
        return quick
    one.decode()
    return one.picture


def _read_odd(path: Path) -> Image.Image:
    """Read a TIFF file that Pillow does not read right."""
    stored = read_tiff(path)
    if stored.mode not in ("L", "RGB", "RGBA", "P") or stored.values.dtype != np.uint8:
        raise HarmonizeError(
            f"{path}: a picture of mode {stored.mode} with numbers of type {stored.values.dtype}; "
            "save it as RGB with 8 bits per channel"
        )
    image = Image.fromarray(255 - stored.values if stored.white_is_zero else stored.values)
    if stored.mode == "P" and stored.palette is not None:
        image.putpalette(stored.palette.tobytes())
    return _to_rgb(image)


def _reduced(image: Image.Image, least: float) -> Picture:
    """Return an upright picture as small as leaves its shorter side ``least`` pixels."""
    factor = choose_factor(image.size, least)
    return Picture(image if factor == 1 else image.reduce(factor), image.size, factor, 1)


def _turn(found: int, path: Path, exif: Exif | None) -> int:
    """Return the orientation that a picture is turned by; 1 if it is not."""
    if found != 1 and exif is None:
        raise HarmonizeError(
            f"{path}: its EXIF orientation is {found}; say in the mapping `exif: apply` if labels "
            "show pictures upright, `exif: ignore` if they lie as the pixels are stored"
        )
    return found if exif == "apply" else 1


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "RGB":
        return picture
    if picture.mode == "P" and isinstance(picture.info.get("transparency"), bytes):
        picture = picture.convert("RGBA")  # what Pillow asks for, in a warning
    return picture.convert("RGB")


def _refuse_mode(picture: Image.Image, path: Path) -> None:
    if picture.mode.startswith(("I", "F")):
        raise HarmonizeError(
            f"{path}: a picture of mode {picture.mode}; save it with 8 bits per channel"
        )
