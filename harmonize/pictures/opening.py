"""Opening picture files: every failure names the file, and what is no single picture is refused."""

import contextlib
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFile

from harmonize.errors import HarmonizeError
from harmonize.pictures.limits import refuse_huge, refuse_several
from harmonize.pictures.tiff import is_tiff, tiff_header

# Pillow's own limit warns of pictures that are real, in lines of its own; ours is checked instead.
Image.MAX_IMAGE_PIXELS = None

_ORIENTATION = 0x0112
_FRAMES = ("GIF", "PNG", "WEBP", "AVIF")
"""Formats of which further pictures are further moments; phones add small ones to a JPEG."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What shows a picture upright, by its EXIF orientation; 1 lies as it is stored."""


@contextlib.contextmanager
def opened(path: Path, *, tiff: bool | None = None) -> Iterator[ImageFile.ImageFile]:
    """Open a picture file; whatever Pillow raises meanwhile becomes one line that names the file.

    Args:
        path: the file.
        tiff: whether it is a TIFF file, where that has been looked up.

    Raises:
        HarmonizeError: no picture, too large a one by its header, or several in one file.
    """
    if is_tiff(path) if tiff is None else tiff:
        tiff_header(path)
    try:
        with Image.open(path) as picture:
            refuse_huge(picture.size, path)
            if picture.format in _FRAMES and _number(picture) > 1:
                refuse_several(_number(picture), path)
            yield picture
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        NotImplementedError,
        EOFError,
        MemoryError,
    ) as error:
        if isinstance(error, HarmonizeError):
            raise
        raise HarmonizeError(f"{path}: not a readable picture: {str(error) or 'too big'}") from None


def orientation(picture: Image.Image) -> int:
    """Return a picture's EXIF orientation, 2 to 8, or 1 if it is upright; TIFF turns itself.

    A tag that cannot be read says nothing.
    """
    if picture.format == "TIFF":
        return 1
    try:
        with warnings.catch_warnings(action="ignore"):
            # That of PNG files would decode them.
            found = Image.Image.getexif(picture).get(_ORIENTATION)
    except (OSError, ValueError, SyntaxError, KeyError, TypeError, EOFError, struct.error):
        return 1
    return found if found in _TURNS else 1


def upright(picture: Image.Image, orientation: int) -> Image.Image:
    """Return a picture as its EXIF orientation says that it is to be seen."""
    return picture.transpose(_TURNS[orientation]) if orientation in _TURNS else picture


def upright_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the width and height of a picture that is turned upright."""
    return (size[1], size[0]) if orientation in (5, 6, 7, 8) else size


def refuse_rescaled(picture: ImageFile.ImageFile, path: Path) -> None:
    """Refuse a file whose stored numbers decoding would change."""
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


def _number(picture: ImageFile.ImageFile) -> int:
    return int(getattr(picture, "n_frames", 1))
