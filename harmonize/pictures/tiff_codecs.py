"""The compressions of TIFF files: strips and tiles as bytes.

Pillow's libtiff knows those that are in use, but not what the bytes mean in files of many kinds: it
gets the strips and tiles in a file of our own, whose numbers are plain bytes.
"""

import io
import lzma
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from harmonize.errors import HarmonizeError

if TYPE_CHECKING:
    import tifffile

# Letters of shapes: h x w pixels of a strip or tile, C channels, b bytes of a row.

_CCITT = (2, 3, 4)
_JPEG = 7
_BYTES = (5, 32773, 50000)
"""Compressions of bytes, whatever these mean, that Pillow undoes: LZW, PackBits, Zstandard."""
_DEFLATE = (8, 32946)
_LZMA = 34925
_T4_OPTIONS, _JPEG_TABLES, _SUBSAMPLING = 292, 347, 530


@dataclass(frozen=True)
class Packed:
    """Strips or tiles of one size, as they are stored."""

    parts: list[bytes]
    rows: int
    columns: int
    channels: int


def unpack(
    page: "tifffile.TiffPage", packed: Packed, path: Path
) -> Sequence[UInt8[ndarray, "h b"] | UInt8[ndarray, "h w C"]]:
    """Return the bytes of each row of strips or tiles, of fax and JPEG the numbers.

    Raises:
        HarmonizeError: a compression that is not read.
        Exception: of any kind, where they are damaged.
    """
    code = int(page.compression)
    if code in _CCITT:
        options = {_T4_OPTIONS: page.tags.valueof(_T4_OPTIONS, 0)} if code == 3 else {}
        return _through_pillow(packed, code, bits=1, tags=options)
    if code == _JPEG and page.bitspersample == 8:
        return _through_pillow(packed, code, bits=8, tags=_jpeg_tags(page, packed.channels))
    width = -(-packed.columns * packed.channels * page.bitspersample // 8)
    if code in _BYTES:
        rows = Packed(packed.parts, packed.rows, width, 1)
        return [part[..., 0] for part in _through_pillow(rows, code, bits=8, tags={})]
    size = packed.rows * width
    if code in _DEFLATE:
        found = [zlib.decompressobj().decompress(part, size + 1) for part in packed.parts]
    elif code == _LZMA:
        found = [lzma.LZMADecompressor().decompress(part, size + 1) for part in packed.parts]
    elif code == 1:
        found = packed.parts
    else:
        name = getattr(page.compression, "name", code)
        raise HarmonizeError(
            f"{path}: its compression {name} is not read; save it with another: "
            f"`gdal_translate -co COMPRESS=DEFLATE {path.name} label.tif`"
        )
    if any(len(part) < size for part in found):
        raise ValueError("image file is truncated")
    return [np.frombuffer(part, np.uint8, size).reshape(packed.rows, width) for part in found]


def _jpeg_tags(page: "tifffile.TiffPage", channels: int) -> dict[int, object]:
    """Return what else is to be known for JPEG, by the numbers of tags."""
    tags: dict[int, object] = {}
    if page.jpegtables is not None:
        tags[_JPEG_TABLES] = page.jpegtables
    if channels == 3 and page.photometric == 6:
        tags[_SUBSAMPLING] = page.tags.valueof(_SUBSAMPLING, (2, 2))
    return tags


def _through_pillow(
    packed: Packed, compression: int, *, bits: int, tags: dict[int, object]
) -> list[UInt8[ndarray, "h w C"]]:
    """Let Pillow decode strips or tiles, one below the other."""
    file = io.BytesIO(_file_of_strips(packed, compression, bits, tags))
    with Image.open(file, formats=["TIFF"]) as picture:
        found = np.asarray(picture).astype(np.uint8)
    shape = (len(packed.parts), packed.rows, packed.columns, packed.channels)
    return list(found.reshape(shape))


def _file_of_strips(packed: Packed, compression: int, bits: int, tags: dict[int, object]) -> bytes:
    """Return a TIFF file with strips or tiles as its strips."""
    channels, number = packed.channels, len(packed.parts)
    meaning = 6 if _SUBSAMPLING in tags else {1: 1, 3: 2, 4: 5}[channels]
    starts = np.cumsum([8, *map(len, packed.parts)])
    entries: dict[int, object] = {
        256: packed.columns,
        257: packed.rows * number,
        258: (bits,) * channels,
        259: compression,
        262: meaning,
        273: starts[:-1].tolist(),
        277: channels,
        278: packed.rows,
        279: [len(part) for part in packed.parts],
        **tags,
    }
    directory = b"".join(packed.parts)
    place = len(directory) + 8
    listed, further = struct.pack("<H", len(entries)), b""
    after = place + 2 + 12 * len(entries) + 4
    for tag, value in sorted(entries.items()):
        kind, count, content = _field(tag, value)
        if len(content) > 4:
            content, further = struct.pack("<I", after + len(further)), further + content
        listed += struct.pack("<HHI", tag, kind, count) + content.ljust(4, b"\0")
    return struct.pack("<2sHI", b"II", 42, place) + directory + listed + bytes(4) + further


def _field(tag: int, value: object) -> tuple[int, int, bytes]:
    """Return the type, number and bytes of a tag's values."""
    if isinstance(value, bytes):
        return 7, len(value), value
    values = list(value) if isinstance(value, list | tuple) else [value]
    if tag in (258, _SUBSAMPLING, 259, 262, 277):
        return 3, len(values), struct.pack(f"<{len(values)}H", *values)
    return 4, len(values), struct.pack(f"<{len(values)}I", *values)
