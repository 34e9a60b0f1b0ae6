"""Opening picture files: every failure names the file, and what is no single picture is refused."""

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageFile, UnidentifiedImageError

from harmonize.errors import HarmonizeError
from harmonize.pictures.formats import LABELS, PICTURES, START, find_format, refuse_format
from harmonize.pictures.limits import refuse_huge, refuse_several
from harmonize.pictures.tiff import tiff_header
from harmonize.pictures.whole import (
    is_cut,
    mark_last_pixel,
    refuse_cut,
    refuse_damaged_png,
    warn_cut,
)
from harmonize.stores.file_table import Opened
from harmonize.stores.plain_files import open_plain

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


@dataclass(frozen=True)
class OpenedPicture:
    """A picture file that is open.

    Attributes:
        picture: not decoded yet.
        path: of the file.
        file: the same file.
        is_label: whether its numbers mean something.
    """

    picture: ImageFile.ImageFile
    path: Path
    file: Opened
    is_label: bool

    def decode(self) -> None:
        """Decode the picture; of a photograph whose data end early one warning says so.

        Raises:
            HarmonizeError: a label whose data end early.
        """
        mark = mark_last_pixel(self.picture)
        self.picture.load()
        if is_cut(self.picture, self.file, mark):
            (refuse_cut if self.is_label else warn_cut)(self.path)


@contextlib.contextmanager
def opened(
    path: Path, *, tiff: bool | None = None, is_label: bool = False
) -> Iterator[OpenedPicture]:
    """Open a picture file; whatever goes wrong meanwhile becomes one line that names the file.

    Args:
        path: the file.
        tiff: whether it is a TIFF file, where that has been looked up.
        is_label: a file with numbers for its pixels, which no damage may change.

    Raises:
        HarmonizeError: no picture of a format that is opened, too large a one by its header, or
            several in one file.
    """
    if tiff:
        tiff_header(path)
    try:
        with open_plain(path) as file:
            kind = _kind(file, path, is_label=is_label)
            if kind == "TIFF" and not tiff:
                tiff_header(path)
            file.seek(0)
            with Image.open(file, formats=[kind]) as picture:
                refuse_huge(picture.size, path)
                if picture.format in _FRAMES and _number(picture) > 1:
                    refuse_several(_number(picture), path)
                if kind == "PNG" and is_label:
                    refuse_damaged_png(file, path)
                yield OpenedPicture(picture, path, file, is_label)
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except HarmonizeError:
        raise
    except Exception as error:  # a damaged file can make decoders raise anything
        raise HarmonizeError(f"{path}: not a readable picture: {unreadable(error)}") from None


def unreadable(error: Exception) -> str:
    """Say in one line why a file cannot be decoded."""
    if isinstance(error, MemoryError):
        return "too big"
    if isinstance(error, UnidentifiedImageError):
        return "its header is damaged"
    told = isinstance(error, OSError | ValueError | SyntaxError | NotImplementedError | EOFError)
    return (str(error).partition("\n")[0] if told else "") or "damaged"


def _kind(file: Opened, path: Path, *, is_label: bool) -> str:
    """Return Pillow's name of the format of a file, which must be one that is opened."""
    start = file.read(START)
    kind = find_format(start, path)
    if kind is None or kind not in (LABELS if is_label else PICTURES):
        refuse_format(start, path, found=kind, labels=is_label)
    assert kind is not None
    return kind


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
    except Exception:  # whatever a damaged tag makes of it
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
