"""A cached picture: one file with its pixels and class numbers as they lie in memory.

A file's name is a hash of all that its content depends on, so that a file is never out of date:
what has changed has another name, also where it kept its size and time. It is written aside and
renamed, so that any number of processes and runs may write and read the same folder. Its content
has a checksum, by which each process that uses it finds out once whether it is as it was written.
"""

import contextlib
import hashlib
import mmap
import os
import secrets
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import PIL
from jaxtyping import Integer
from numpy import ndarray

from harmonize.data.dataset import SegmentationDataset
from harmonize.data.pixels import Pixels
from harmonize.errors import HarmonizeError, printable
from harmonize.stores.stored_path import StoredPath
from harmonize.system.once import warn_once

# Letters of shapes: h x w pixels of a picture as training takes it, N of them.

SUFFIX = ".pixels"
PART = ".part"
_HEADER = struct.Struct("<8sIIIII36x")
"""Magic, height, width, bytes of a class number, checksum of the pixels, checksum of all these."""
_MAGIC = b"pixels-4"
_BLOCK = 512
"""Numbers of 64 bits that are added up for the checksum of the pixels."""
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

        It is empty where nothing tells whether a file has changed, as of some web servers.

        Raises:
            BadSampleError: one of its files is gone.
        """
        parts: list[object] = [self._common, factor]
        for path in self._dataset.paths(number):
            with self._dataset.naming(number):
                status = _status(path)
            if isinstance(path, StoredPath) and not _is_stamped(path):
                return ""
            relative = path.relative_to(self._dataset.root)
            times = status.st_mtime_ns, status.st_ctime_ns  # the second one cannot be set back
            parts.append((str(relative), status.st_size, *times, status.st_ino))
        return hashlib.blake2b(
            repr(parts).encode(errors="surrogateescape"), digest_size=16
        ).hexdigest()


def _is_stamped(path: StoredPath) -> bool:
    """Say whether something tells that a file has changed; warn once of a store that does not."""
    facts = path.store.facts(path.inside)
    if facts is None or facts.stamp:
        return True
    warn_once(
        f"warning: {path.address}: gives neither the time nor a checksum of its files, so their "
        "pictures are not kept in the cache; copy the set here, or ask for ETag or Last-Modified"
    )
    return False


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
    content = np.ascontiguousarray(pixels.picture).tobytes() + classes.tobytes()
    fields = _MAGIC, height, width, classes.itemsize, _content_checksum(content, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.stem}-{secrets.token_hex(4)}{PART}")
    try:
        with aside.open("xb") as file:
            file.write(_HEADER.pack(*fields, _checksum(fields)))
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def read_entry(path: Path, *, num_classes: int | None = None) -> Pixels | None:
    """Map a picture's file into memory; None if it is not there or not whole.

    Args:
        path: the file.
        num_classes: of its data set, to go through the content as well: one that is not as it was
            written is removed, and one line on stderr says so.

    Raises:
        HarmonizeError: it is as it was written, but holds other class numbers.
    """
    try:
        with path.open("rb", buffering=0) as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            used = os.fstat(file.fileno()).st_mtime
    except (OSError, ValueError):  # ValueError: it is empty
        return None
    if len(mapped) < _HEADER.size:
        return None
    *fields, checksum = _HEADER.unpack_from(mapped)
    magic, height, width, itemsize, content_checksum = fields
    count = height * width
    whole = len(mapped) == _HEADER.size + count * (3 + itemsize)
    if magic != _MAGIC or checksum != _checksum(tuple(fields)) or not whole:
        return None
    if num_classes is not None and _content_checksum(mapped, _HEADER.size) != content_checksum:
        _remove_damaged(path)
        return None
    if time.time() - used > _TOUCHED:
        with contextlib.suppress(OSError):  # a folder that may only be read
            os.utime(path)
    picture = np.frombuffer(mapped, np.uint8, 3 * count, _HEADER.size)
    dtype = np.dtype(np.uint8 if itemsize == 1 else np.int16)
    classes = np.frombuffer(mapped, dtype, count, _HEADER.size + 3 * count)
    if num_classes is not None and count:
        _refuse_others(classes, num_classes, path)
    return Pixels(picture.reshape(height, width, 3), classes.reshape(height, width))


def _remove_damaged(path: Path) -> None:
    """Remove a file, so that it is made anew by the next run."""
    with contextlib.suppress(OSError):  # a folder that may only be read
        path.unlink()
    print(
        printable(f"warning: {path}: is damaged, and removed; its picture is read from its file"),
        file=sys.stderr,
    )


def _refuse_others(classes: Integer[ndarray, " N"], num_classes: int, path: Path) -> None:
    low, high = int(classes.min()), int(classes.max())
    if low < 0 or high >= num_classes:
        wrong = low if low < 0 else high
        raise HarmonizeError(
            f"{path}: holds the class number {wrong}, but its data set has the classes 0 to "
            f"{num_classes - 1}; remove the cache's folder, or name another one with "
            "data.cache_folder=FOLDER"
        )


def _dtype(num_classes: int) -> np.dtype[np.integer]:
    return np.dtype(np.uint8 if num_classes <= 256 else np.int16)


def _checksum(fields: tuple[object, ...]) -> int:
    return zlib.crc32(repr(fields).encode())


def _content_checksum(content: bytes | mmap.mmap, start: int) -> int:
    """Return a checksum of what follows a place: of the sums of its blocks, and of the rest.

    Ten times as fast as one of every byte, and no less likely to notice what disks do.
    """
    number = (len(content) - start) // (8 * _BLOCK)
    blocks = np.frombuffer(content, np.uint64, number * _BLOCK, start).reshape(number, _BLOCK)
    rest = start + blocks.nbytes
    return zlib.crc32(content[rest:], zlib.crc32(blocks.sum(1).tobytes()))
