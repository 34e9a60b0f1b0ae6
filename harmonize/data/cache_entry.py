"""A cached picture: one file with its pixels and class numbers as they lie in memory.

A file's name is a hash of all that its content depends on, so that a file is never out of date:
what has changed has another name. It is written aside and renamed, so that any number of processes
and runs may write and read the same folder.
"""

import contextlib
import hashlib
import mmap
import os
import secrets
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import PIL

from harmonize.data.dataset import Pixels, SegmentationDataset
from harmonize.errors import HarmonizeError

# Letters of shapes: h x w pixels of a picture as training takes it.

SUFFIX = ".pixels"
PART = ".part"
_HEADER = struct.Struct("<8sIIII40x")
"""Magic, height, width, bytes of a class number, checksum of these."""
_MAGIC = b"pixels-2"
_TOUCHED = 3600
"""Seconds after which a file that is used is marked as used again."""


class EntryNames:
    """Names the cached pictures of a data set."""

    def __init__(self, dataset: SegmentationDataset) -> None:
        spec = dataset.spec
        labels = spec.encoding.fingerprint(tuple(spec.classes.values()))
        decoding = labels, spec.resize_picture, spec.exif
        self._dataset = dataset
        self._common = repr((_MAGIC, PIL.__version__, str(dataset.root.resolve()), decoding))

    def name(self, number: int, factor: int) -> str:
        """Return the name of a picture that is reduced by a factor.

        Raises:
            BadSampleError: one of its files is gone.
        """
        parts: list[object] = [self._common, factor]
        for path in self._dataset.paths(number):
            with self._dataset.naming(number):
                status = _status(path)
            relative = path.relative_to(self._dataset.root)
            parts.append((str(relative), status.st_size, status.st_mtime_ns))
        return hashlib.blake2b(
            repr(parts).encode(errors="surrogateescape"), digest_size=16
        ).hexdigest()


def _status(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise HarmonizeError(f"{path}: {(error.strerror or 'gone').lower()}") from None


def entry_path(folder: Path, name: str) -> Path:
    """Return where in a cache's folder the file of a name lies."""
    return folder / name[:2] / f"{name}{SUFFIX}"


def entry_bytes(size: tuple[int, int], num_classes: int) -> int:
    """Return the bytes of the file of a picture of this width and height."""
    return _HEADER.size + size[0] * size[1] * (3 + _dtype(num_classes).itemsize)


def write_entry(path: Path, pixels: Pixels, num_classes: int) -> None:
    """Write a picture's file, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    height, width = pixels.classes.shape
    classes = pixels.classes.astype(_dtype(num_classes))
    fields = _MAGIC, height, width, classes.itemsize
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.stem}-{secrets.token_hex(4)}{PART}")
    try:
        with aside.open("xb") as file:
            file.write(_HEADER.pack(*fields, _checksum(fields)))
            file.write(np.ascontiguousarray(pixels.picture).data)
            file.write(np.ascontiguousarray(classes).data)
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def read_entry(path: Path) -> Pixels | None:
    """Map a picture's file into memory; None if it is not there or not whole."""
    try:
        with path.open("rb", buffering=0) as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            used = os.fstat(file.fileno()).st_mtime
    except (OSError, ValueError):  # ValueError: it is empty
        return None
    if len(mapped) < _HEADER.size:
        return None
    *fields, checksum = _HEADER.unpack_from(mapped)
    magic, height, width, itemsize = fields
    count = height * width
    whole = len(mapped) == _HEADER.size + count * (3 + itemsize)
    if magic != _MAGIC or checksum != _checksum(tuple(fields)) or not whole:
        return None
    if time.time() - used > _TOUCHED:
        with contextlib.suppress(OSError):  # a folder that may only be read
            os.utime(path)
    picture = np.frombuffer(mapped, np.uint8, 3 * count, _HEADER.size)
    dtype = np.dtype(np.uint8 if itemsize == 1 else np.int16)
    classes = np.frombuffer(mapped, dtype, count, _HEADER.size + 3 * count)
    return Pixels(picture.reshape(height, width, 3), classes.reshape(height, width))


def _dtype(num_classes: int) -> np.dtype[np.integer]:
    return np.dtype(np.uint8 if num_classes <= 256 else np.int16)


def _checksum(fields: tuple[object, ...]) -> int:
    return zlib.crc32(repr(fields).encode())
