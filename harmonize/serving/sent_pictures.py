"""Pictures that are received: decoded by the reader of files, in threads of their own."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from harmonize.errors import HarmonizeError
from harmonize.inference.predict_options import Wording
from harmonize.inference.read_pictures import SeenPicture, read_to_see
from harmonize.pictures.formats import OtherFormatError
from harmonize.pictures.limits import TooManyPixelsError, refuse_huge
from harmonize.pictures.reading import header_size
from harmonize.serving.refusals import Refusal
from harmonize.system.once import warnings_collected

_CALLED = "the picture"
"""What errors call it."""


@dataclass(frozen=True)
class Received:
    """A picture, scaled for the network.

    Attributes:
        seen: it.
        warnings: what there is to say of it.
    """

    seen: SeenPicture
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """Reads pictures by files of their own in a folder, each there while it is read.

    Attributes:
        folder: that nothing else uses.
        most_pixels: of a picture.
        turn: whether pictures are turned upright as their EXIF data says.
    """

    folder: Path
    most_pixels: int
    turn: bool = True

    def read(self, body: bytearray, wording: Wording) -> Received:
        """Read a picture, and empty its bytes.

        Raises:
            Refusal: it is no picture, a damaged one or too large.
        """
        path = self.folder / f"picture-{threading.get_ident()}"
        with _refused(path), warnings_collected() as warnings:
            try:
                path.write_bytes(body)
                body.clear()
                refuse_huge(header_size(path), path, self.most_pixels)
                views = wording.views
                seen = read_to_see(
                    path,
                    size=views.read_at,
                    fit=views.is_one,
                    turn=self.turn,
                    show=False,
                    read_as=wording.read_as,
                )
            finally:
                path.unlink(missing_ok=True)
            return Received(seen, tuple(_named(text, path) for text in warnings))
        raise AssertionError("it is read or refused")


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Refuse a request for whatever goes wrong with its picture."""
    try:
        yield
    except TooManyPixelsError as error:
        raise Refusal(413, _named(error.problems[0], path)) from None
    except OtherFormatError as error:
        raise Refusal(415, _named(error.problems[0], path)) from None
    except HarmonizeError as error:
        raise Refusal(400, _named(error.problems[0], path)) from None
    except MemoryError:
        raise out_of_memory() from None
    except OSError as error:  # the folder is full, or gone
        raise Refusal(503, f"the service cannot keep a picture: {error.strerror}") from None
    except Exception as error:  # whatever a decoder makes of a damaged file
        if is_out_of_memory(error):
            raise out_of_memory() from None
        raise Refusal(400, f"{_CALLED}: cannot be read: {type(error).__name__}") from None


def out_of_memory() -> Refusal:
    """Return what is said where memory is lacking."""
    return Refusal(503, "out of memory; send a smaller picture, or try again", {"retry-after": "5"})


def is_out_of_memory(error: Exception) -> bool:
    """Say whether PyTorch or Python lacks memory."""
    lacks = "can't allocate memory" in str(error)
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or lacks


def _named(line: str, path: Path) -> str:
    """Return a line that names a file, without its folder and its name."""
    line = line.removeprefix("warning: ").replace(f" {str(path)!r}", "")
    return line.replace(str(path), _CALLED).replace(path.name, "FILE")
