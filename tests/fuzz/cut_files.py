"""Files of which a part is missing: read as they were when whole, or refused."""

import contextlib
import functools
import io
import os
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from numpy import ndarray
from PIL import Image

from fuzz.targets import FuzzError
from harmonize.data.cache import DiskCache
from harmonize.data.cache_entry import entry_path, read_entry, write_entry
from harmonize.data.label_counts import _checksum, _read
from harmonize.data.pixels import Pixels
from harmonize.errors import HarmonizeError
from harmonize.pictures.arrays import ARRAYS
from harmonize.pictures.reading import header_size, picture_size, read_picture
from harmonize.pictures.stored import read_stored

_LABELS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("L", "png", {}),
    ("P", "png", {"bits": 4}),
    ("I;16", "png", {}),
    ("RGB", "png", {}),
    ("1", "png", {}),
    ("L", "bmp", {}),
    ("L", "gif", {}),
    ("L", "ppm", {}),
    ("L", "tiff", {}),
    ("L", "tiff", {"compression": "tiff_deflate"}),
    ("RGB", "tiff", {"compression": "tiff_lzw"}),
    ("RGB", "webp", {"lossless": True}),
    ("L", "jpeg", {}),
    ("RGB", "jpeg", {"progressive": True}),
    ("L", "jpeg2000", {}),
    ("L", "tga", {}),
)
"""Mode, format and options of each whole file."""
_CLASSES = 7
_NAME = "0f" * 16


def fuzz_cut_file(rng: Random) -> list[Callable[[], None]]:
    """Draw a label file that ends early or, where it has checksums, is damaged anywhere."""
    content, ending, values = rng.choice(_whole_files())
    path = Path(f"label{ending}")
    damaged = _damaged(rng, content) if ending == ".png" else content[: _place(rng, content)]
    path.write_bytes(damaged)

    def use_label() -> None:
        with contextlib.suppress(HarmonizeError):
            found = read_stored(path, exact=False).values
            if found.shape != values.shape or (found != values).any():
                raise FuzzError(f"a {ending} label that is damaged is read as another")

    def use_picture() -> None:
        for read in (header_size, picture_size, read_picture):
            with contextlib.suppress(HarmonizeError), contextlib.redirect_stderr(io.StringIO()):
                read(path)

    return [use_label] if ending in ARRAYS else [use_label, use_picture]


def fuzz_cache(rng: Random) -> list[Callable[[], None]]:
    """Draw a cache with an entry and counts that are damaged, or lie under another name."""
    folder = Path("cache")
    pixels = _pixels(rng.randrange(6))
    path = entry_path(folder, _NAME)
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    write_entry(path, pixels, _CLASSES)
    content = path.read_bytes()
    path.write_bytes(_damaged(rng, content))
    name = _NAME if rng.randrange(4) else rng.choice(("", "..", "/", "0" * 32, "\udcff", "a" * 300))
    return [lambda: _use_entry(folder, name, pixels), lambda: _use_counts(rng)]


def _use_entry(folder: Path, name: str, pixels: Pixels) -> None:
    cache = DiskCache(folder, [np.array([os.fsencode(name)])], [_CLASSES])
    with contextlib.suppress(HarmonizeError), contextlib.redirect_stderr(io.StringIO()):
        for _ in range(2):
            read_entry(entry_path(folder, name)) if name else None
            found = cache(0, 0)
            if found is None:
                continue
            same = np.array_equal(found.picture, pixels.picture)
            if not same or not np.array_equal(found.classes, pixels.classes):
                raise FuzzError("a damaged entry of the cache is used")


def _use_counts(rng: Random) -> None:
    counts = np.arange(5 * _CLASSES, dtype=np.int64).reshape(5, _CLASSES)
    content = counts.tobytes()
    path = Path("some.counts")
    path.write_bytes(_damaged(rng, content + _checksum(content)))
    found = _read(path, 5, _CLASSES)
    if found is not None and (found != counts).any():
        raise FuzzError("damaged counts are used")


def _damaged(rng: Random, content: bytes) -> bytes:
    """Cut a file, or overwrite, exchange or remove a part of it; nothing is also something."""
    place, length = _place(rng, content), rng.choice((1, 2, 8, 64, 512, 4096))
    end = min(place + length, len(content))
    other = _place(rng, content)
    return rng.choice(
        (
            content[:place],
            content[:place] + bytes(len(content) - place),
            content[:place] + bytes(end - place) + content[end:],
            content[:place] + rng.randbytes(end - place) + content[end:],
            content[:place] + content[end:],
            content[:place] + content[other : other + end - place] + content[end:],
            content[:place]
            + bytes([content[place] ^ 1 << rng.randrange(8)])
            + content[place + 1 :],
            content + rng.randbytes(length),
        )
    )


def _place(rng: Random, content: bytes) -> int:
    return rng.randrange(len(content))


@functools.cache
def _pixels(seed: int) -> Pixels:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 120, 2)
    picture = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return Pixels(picture, rng.integers(0, _CLASSES, (height, width)).astype(np.int16))


@functools.cache
def _whole_files() -> list[tuple[bytes, str, ndarray]]:
    """Return the bytes of label files, how their names end, and their values."""
    rng = np.random.default_rng(0)
    blocks = np.kron(rng.integers(0, 9, (8, 9)), np.ones((7, 8), dtype=int)).astype(np.uint8)
    files: list[tuple[bytes, str, ndarray]] = []
    for mode, kind, options in _LABELS:
        grey = Image.fromarray(blocks)
        label = (
            Image.fromarray(blocks.astype(np.uint16) * 99) if mode == "I;16" else grey.convert(mode)
        )
        stream = io.BytesIO()
        label.save(stream, kind, **options)  # type: ignore[arg-type]
        files.append((stream.getvalue(), f".{kind}", ndarray(0)))
    for name, save in ((".npy", np.save), (".npz", np.savez_compressed)):
        stream = io.BytesIO()
        save(stream, blocks)
        files.append((stream.getvalue(), name, ndarray(0)))
    return [(content, ending, _values(content, ending)) for content, ending, _ in files]


def _values(content: bytes, ending: str) -> ndarray:
    path = Path(f"whole{ending}")
    path.write_bytes(content)
    return read_stored(path, exact=False).values
