"""TIFF files of every kind, written byte by byte: no library decides how they are stored."""

import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
OFFSETS, ORIENTATION, SAMPLES, ROWS, COUNTS, PLANAR = 273, 274, 277, 278, 279, 284
PREDICTOR, COLOR_MAP, TILE_WIDTH, TILE_LENGTH, TILE_OFFSETS, TILE_COUNTS = (
    317,
    320,
    322,
    323,
    324,
    325,
)
EXTRA, FORMAT, SUBFILE, NO_DATA = 338, 339, 254, 42113

DEFLATE, LZW, PACK_BITS, ZSTD, LZMA = 8, 5, 32773, 50000, 34925


def lzw(data: bytes) -> bytes:
    return by_pillow(data, "tiff_lzw")


def by_pillow(data: bytes, compression: str) -> bytes:
    """Return bytes compressed as the one strip of a file that Pillow writes."""
    stream = io.BytesIO()
    image = Image.fromarray(np.frombuffer(data, np.uint8)[None])
    image.save(stream, "TIFF", compression=compression, tiffinfo={ROWS: 1})
    with Image.open(stream) as again:
        tags = again.tag_v2  # type: ignore[attr-defined]
        (start,), (count,) = tags[OFFSETS], tags[COUNTS]
    return stream.getvalue()[start : start + count]


COMPRESS: dict[int, Callable[[bytes], bytes]] = {
    1: lambda data: data,
    DEFLATE: zlib.compress,
    32946: zlib.compress,
    LZW: lzw,
    PACK_BITS: lambda data: by_pillow(data, "packbits"),
    ZSTD: lambda data: by_pillow(data, "zstd"),
    LZMA: lambda data: by_pillow(data, "lzma"),
}


@dataclass(frozen=True)
class Kind:
    """How the numbers of a file are stored."""

    order: str = "<"
    compression: int = 1
    bits: int | None = None
    tile: tuple[int, int] | None = None
    rows: int | None = None
    separate: bool = False
    predictor: int = 1
    big: bool = False
    reversed_bits: bool = False
    photometric: int = 1
    without: tuple[int, ...] = ()
    tags: Mapping[int, Sequence[int] | str] = field(default_factory=dict)


def write_tiff(path: Path, values: np.ndarray, kind: Kind, *more: tuple[np.ndarray, Kind]) -> None:
    """Write numbers as a TIFF file, and further pages after them."""
    head = struct.pack(
        f"{kind.order}2sH", b"II" if kind.order == "<" else b"MM", 43 if kind.big else 42
    )
    file = bytearray(head + (struct.pack(f"{kind.order}HHQ", 8, 0, 0) if kind.big else bytes(4)))
    link, form = (8, "Q") if kind.big else (4, "I")
    for numbers, one in ((values, kind), *more):
        start, link_after = _add_page(file, numbers, one, big=kind.big, order=kind.order)
        struct.pack_into(kind.order + form, file, link, start)
        link = link_after
    path.write_bytes(file)


def _add_page(
    file: bytearray, values: np.ndarray, kind: Kind, *, big: bool, order: str
) -> tuple[int, int]:
    """Add a page; return where its directory starts, and where it links to the next."""
    height, width = values.shape[:2]
    planes = values.reshape(height, width, -1)
    samples = planes.shape[2]
    parts = [planes[..., n : n + 1] for n in range(samples)] if kind.separate else [planes]
    rows, columns = kind.tile or (kind.rows or height, width)
    offsets: list[int] = []
    counts: list[int] = []
    for part in parts:
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                block = part[top : top + rows, left : left + columns]
                if kind.tile:
                    gaps = rows - block.shape[0], columns - block.shape[1]
                    block = np.pad(block, [(0, gaps[0]), (0, gaps[1]), (0, 0)])
                here = len(offsets) not in kind.without
                data = _stored(block, kind, order) if here else b""
                offsets.append(len(file) if here else 0)
                counts.append(len(data))
                file += data + bytes(len(data) % 2)
    letter = {"u": 1, "b": 1, "i": 2, "f": 3}[values.dtype.kind]
    tags: dict[int, Sequence[int] | str] = {
        WIDTH: [width],
        LENGTH: [height],
        BITS: [kind.bits or values.itemsize * 8] * samples,
        COMPRESSION: [kind.compression],
        PHOTOMETRIC: [kind.photometric],
        TILE_OFFSETS if kind.tile else OFFSETS: offsets,
        SAMPLES: [samples],
        TILE_COUNTS if kind.tile else COUNTS: counts,
        PLANAR: [2 if kind.separate else 1],
        PREDICTOR: [kind.predictor],
        FILL_ORDER: [2 if kind.reversed_bits else 1],
        FORMAT: [letter] * samples,
    }
    tags |= {TILE_WIDTH: [columns], TILE_LENGTH: [rows]} if kind.tile else {ROWS: [rows]}
    tags |= kind.tags
    return _add_directory(file, tags, big=big, order=order)


def _add_directory(
    file: bytearray, tags: Mapping[int, Sequence[int] | str], *, big: bool, order: str
) -> tuple[int, int]:
    inline, form = (8, "Q") if big else (4, "I")
    entries = b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, str):
            letter, content = 2, value.encode() + b"\0"
            count = len(content)
        else:
            large = tag in (OFFSETS, TILE_OFFSETS, COUNTS, TILE_COUNTS)
            letter, count = (4, len(value)) if large else (3, len(value))
            content = struct.pack(f"{order}{count}{'I' if large else 'H'}", *value)
        if len(content) > inline:
            place, content = len(file), content + bytes(len(content) % 2)
            file += content
            content = struct.pack(order + form, place)
        entries += struct.pack(f"{order}HH{form}", tag, letter, count) + content.ljust(
            inline, b"\0"
        )
    start = len(file)
    file += struct.pack(order + ("Q" if big else "H"), len(tags)) + entries
    link = len(file)
    file += bytes(inline)
    return start, link


def _stored(block: np.ndarray, kind: Kind, order: str) -> bytes:
    rows, columns, samples = block.shape
    if kind.predictor == 2:
        whole = block.view(f"u{block.itemsize}")
        block = np.diff(whole, axis=1, prepend=np.zeros_like(whole[:, :1])).view(block.dtype)
    if kind.predictor == 3:
        turned = block.astype(block.dtype.newbyteorder(">")).reshape(rows, columns * samples, 1)
        parts = turned.view(np.uint8).transpose(0, 2, 1).reshape(rows, -1, samples)
        data = np.diff(parts, axis=1, prepend=np.zeros_like(parts[:, :1])).tobytes()
    elif kind.bits is not None and kind.bits not in (8, 16, 32, 64):
        places = np.arange(kind.bits - 1, -1, -1)
        ones = (block.astype(np.int64)[..., None] >> places & 1).astype(np.uint8)
        data = np.packbits(ones.reshape(rows, -1), axis=1).tobytes()
    else:
        data = block.astype(f"{order}{block.dtype.kind}{block.itemsize}").tobytes()
    data = COMPRESS[kind.compression](data)
    return bytes(int(f"{b:08b}"[::-1], 2) for b in data) if kind.reversed_bits else data
