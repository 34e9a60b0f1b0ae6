"""Picture files: decoded with Pillow, every failure naming the file."""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile

from harmonize.errors import HarmonizeError

_FACTORS = (8, 4, 2)
"""By which pictures are reduced: those that JPEG decoders know."""


@dataclass(frozen=True)
class Picture:
    """A picture file as RGB with 8 bits per channel.

    Attributes:
        image: ``ceil(size / factor)`` pixels.
        size: the file's own width and height.
        factor: how many times smaller than the file the image is, along each side.
    """

    image: Image.Image
    size: tuple[int, int]
    factor: int


def choose_factor(size: tuple[int, int], least: float) -> int:
    """Return the largest of 1, 2, 4, 8 that leaves the shorter side ``least`` pixels."""
    return next((factor for factor in _FACTORS if min(size) >= factor * least), 1)


def reduced_size(size: tuple[int, int], factor: int) -> tuple[int, int]:
    """Return the width and height of a picture whose blocks of pixels have become one each."""
    return -(-size[0] // factor), -(-size[1] // factor)


@contextlib.contextmanager
def _failures_named(path: Path) -> Iterator[None]:
    """Turn whatever Pillow raises into one line that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        NotImplementedError,
        MemoryError,
        Image.DecompressionBombError,
    ) as error:
        if isinstance(error, HarmonizeError):
            raise
        raise HarmonizeError(f"{path}: not a readable picture: {str(error) or 'too big'}") from None


def open_image(path: Path, *, exact: bool = False) -> Image.Image:
    """Open and decode a picture file.

    With ``exact``, a file whose stored numbers decoding would change is refused.

    Raises:
        HarmonizeError: naming the file.
    """
    with _failures_named(path), Image.open(path) as picture:
        if exact:
            _refuse_rescaled(picture, path)
        picture.load()
    return picture


def read_picture(path: Path) -> Image.Image:
    """Read a picture as RGB with 8 bits per channel; see ``open_image``."""
    return read_reduced(path, least=math.inf).image


def read_reduced(path: Path, *, least: float) -> Picture:
    """Read a picture as small as leaves its shorter side at least ``least`` pixels.

    JPEGs are decoded at that scale; of others each pixel is the mean of a block.

    Raises:
        HarmonizeError: naming the file, exactly if reading all of it would.
    """
    with _failures_named(path), Image.open(path) as picture:
        _refuse_rescaled(picture, path)
        size = picture.size
        factor = choose_factor(size, least)
        if factor > 1:
            picture.draft(None, (size[0] // factor, size[1] // factor))
        picture.load()
    _refuse_mode(picture, path)
    image = picture if picture.mode == "RGB" else picture.convert("RGB")
    if factor == 1:
        size = image.size
    elif image.size == size:
        image = image.reduce(factor)
    assert image.size == reduced_size(size, factor)
    return Picture(image, size, factor)


def header_size(path: Path) -> tuple[int, int]:
    """Return the width and height that a picture file says it has, without decoding it.

    Raises:
        HarmonizeError: naming the file.
    """
    with _failures_named(path), Image.open(path) as picture:
        return picture.size


def picture_size(path: Path) -> tuple[int, int]:
    """Return a picture's width and height, having made sure that ``read_picture`` can read it.

    JPEGs are decoded at an eighth of their size, which goes through the whole file all the same.
    """
    with _failures_named(path), Image.open(path) as picture:
        _refuse_rescaled(picture, path)
        _refuse_mode(picture, path)
        width, height = picture.size
        picture.draft("RGB", (max(1, width // 8), max(1, height // 8)))
        picture.load()
    return width, height


def _refuse_mode(picture: Image.Image, path: Path) -> None:
    if picture.mode.startswith(("I", "F")):
        raise HarmonizeError(
            f"{path}: a picture of mode {picture.mode}; save it with 8 bits per channel"
        )


def _refuse_rescaled(picture: ImageFile.ImageFile, path: Path) -> None:
    if _is_rescaled(picture):
        raise HarmonizeError(
            f"{path}: decoding would rescale its pixels to 8 bits; save it with 8 bits per "
            "channel, or ids as a palette or one 16-bit channel"
        )


def _is_rescaled(picture: ImageFile.ImageFile) -> bool:
    """Say whether decoding scales the stored numbers: grey below 8 bits, colours above."""
    for tile in picture.tile:
        stored = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if tile.codec_name.startswith("ppm"):
            return stored[-1] != (65535 if picture.mode == "I" else 255)
        if picture.mode not in ("P", "1") and not picture.mode.startswith("I"):
            return ";16" in str(stored[0]) or str(stored[0]).startswith("L;")
    return False
