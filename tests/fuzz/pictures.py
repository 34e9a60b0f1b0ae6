"""Picture files with damaged headers, sizes, palettes and pixels, and what reads them."""

import contextlib
import functools
import io
import math
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from harmonize.config.strict_yaml import load_text
from harmonize.data.labels import LabelReader
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pictures.reading import header_size, picture_size, read_picture

_SAVED: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("L", "png", {}),
    ("P", "png", {"bits": 2}),
    ("P", "png", {"transparency": b"\x00\x80\xff"}),
    ("1", "png", {}),
    ("I;16", "png", {}),
    ("LA", "png", {}),
    ("RGB", "png", {}),
    ("RGBA", "png", {}),
    ("RGB", "jpeg", {}),
    ("RGB", "jpeg", {"progressive": True}),
    ("L", "jpeg", {}),
    ("CMYK", "jpeg", {}),
    ("RGB", "ppm", {}),
    ("L", "ppm", {}),
    ("1", "ppm", {}),
    ("RGB", "bmp", {}),
    ("P", "bmp", {}),
    ("P", "gif", {}),
    ("L", "gif", {"interlace": 1}),
    ("L", "tiff", {}),
    ("I;16", "tiff", {}),
    ("F", "tiff", {}),
    ("RGB", "tiff", {"compression": "tiff_lzw"}),
    ("P", "tiff", {"compression": "packbits"}),
    ("1", "tiff", {"compression": "group4"}),
    ("RGB", "tiff", {"compression": "jpeg"}),
    ("RGB", "webp", {}),
    ("RGBA", "webp", {"lossless": True}),
    ("P", "tga", {}),
    ("RGB", "ico", {}),
)
"""Mode, format and options of each whole file."""
_NUMBERS = (0, 1, 2, 3, 4, 7, 8, 16, 24, 32, 127, 255, 256, 4096, 60000, 65535)
_NUMBERS += (65536, 1 << 20, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_MOST_PIXELS = 8_000_000
"""Of a picture that is read as labels too."""
_MAPPING = """
name: fuzzed
picture: "{{id}}"
label: {label}
encoding: {encoding}
splits: {{train: {{list: all.txt}}}}
classes: {classes}
meaning: {{}}
{more}
"""
READERS = {
    "ids": ("'{id}'", "{a: 0, b: 1, c: [2, 300]}", ""),
    "ids ": ("'{id}'", "{a: 0, b: 70000}", "value: R + 256*G"),
    "ids  ": ("'{id}'", "{a: 0, b: 1}", "value: V//2"),
    "rgb": ("'{id}'", "{a: '#000000', b: '#ffffff'}", "tolerance: 40"),
    "masks": ("'{id}{class}'", "{a: file, b: ~}", ""),
    "soft_masks": ("'{id}{class}'", "{a: 0}", ""),
}
"""For each encoding the label, the classes and further keys of a mapping."""


def fuzz_picture(rng: Random) -> list[Callable[[], None]]:
    """Draw a mutated picture file; return what reads it as a picture and as each kind of label."""
    Path("file").write_bytes(_mutated(rng, rng.choice(_files())))
    Path("file0").write_bytes(Path("file").read_bytes())

    def read_as_picture() -> None:
        with contextlib.suppress(HarmonizeError):
            size = picture_size(Path("file"))
            assert read_picture(Path("file")).size == size

    def read_as_label(reader: LabelReader, label: str) -> None:
        with contextlib.suppress(HarmonizeError):
            if math.prod(header_size(Path("file"))) > _MOST_PIXELS:
                return  # takes its time, as it should
            classes = reader.read(Path(), label)
            assert classes.ndim == 2
            assert classes.min() >= 0

    labels = [functools.partial(read_as_label, reader, label) for reader, label in _readers()]
    return [read_as_picture, *labels]


@functools.cache
def _files() -> list[bytes]:
    """Return a small file of each format and mode."""
    base = Image.fromarray((np.arange(24 * 17 * 3) % 251).astype(np.uint8).reshape(17, 24, 3))
    files: list[bytes] = []
    for mode, kind, options in _SAVED:
        picture = base.convert("L").convert(mode) if mode == "I;16" else base.convert(mode)
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)  # type: ignore[arg-type]
        files.append(buffer.getvalue())
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("jpeg", "png", "webp"):
        buffer = io.BytesIO()
        base.save(buffer, kind, exif=exif)
        files.append(buffer.getvalue())
    return files


@functools.cache
def _readers() -> list[tuple[LabelReader, str]]:
    readers: list[tuple[LabelReader, str]] = []
    for encoding, (label, classes, more) in READERS.items():
        text = _MAPPING.format(encoding=encoding.strip(), label=label, classes=classes, more=more)
        spec = DatasetSpec.from_document(load_text(text, encoding))
        name = {"masks": "{class}", "soft_masks": "file{class}"}.get(encoding, "file")
        readers.append((LabelReader(spec), name))
    return readers


def _mutated(rng: Random, data: bytes) -> bytes:
    """Damage a file in one to five places; a PNG's checksums are mended afterwards, mostly."""
    is_png = data.startswith(b"\x89PNG")
    for _ in range(rng.randint(1, 5)):
        data = rng.choice(_CHANGES)(rng, data)
    return _with_checksums(data) if is_png and rng.randint(0, 5) else data


def _place(rng: Random, data: bytes) -> int:
    """Choose a place, mostly in the header."""
    last = max(0, len(data) - 1)
    return rng.randint(0, min(last, 64) if rng.randint(0, 3) else last)


def _number(rng: Random, data: bytes) -> bytes:
    """Overwrite one, two or four bytes by a number that is rarely expected."""
    place, number = _place(rng, data), rng.choice(_NUMBERS)
    width = rng.choice(("B", "<H", ">H", "<I", ">I"))
    size = struct.calcsize(width)
    written = struct.pack(width, number & ((1 << 8 * size) - 1))
    return data[:place] + written + data[place + size :]


def _bit(rng: Random, data: bytes) -> bytes:
    place = _place(rng, data)
    flipped = bytes([(data[place] if data else 0) ^ 1 << rng.randint(0, 7)])
    return data[:place] + flipped + data[place + 1 :]


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _remove(rng: Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + data[place + rng.randint(1, 40) :]


def _repeat(rng: Random, data: bytes) -> bytes:
    place = _place(rng, data)
    return data[:place] + data[place : place + rng.randint(1, 40)] * 2 + data[place:]


def _splice(rng: Random, data: bytes) -> bytes:
    """Continue with the rest of another format's file."""
    other = rng.choice(_files())
    return data[: _place(rng, data)] + other[_place(rng, other) :]


def _chunks(rng: Random, data: bytes) -> bytes:
    """Exchange the names of a PNG's or a RIFF's chunks."""
    names = (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"IEND", b"eXIf", b"acTL", b"fcTL", b"fdAT")
    names += (b"iTXt", b"zTXt", b"iCCP", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF")
    return data.replace(rng.choice(names), rng.choice(names), rng.choice((1, -1)))


def _png_header(rng: Random, data: bytes) -> bytes:
    """Write a PNG's width, height, bit depth, colour type and interlacing anew."""
    if not data.startswith(b"\x89PNG") or len(data) < 33:
        return _number(rng, data)
    width, height = (rng.choice((1, 17, 24, 25, 3000, 13000, 60000, 0)) for _ in range(2))
    depth, colour = rng.choice((1, 2, 4, 8, 16, 3)), rng.choice((0, 2, 3, 4, 6, 1))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, rng.randint(0, 2))
    return data[:16] + header + data[29:]


_CHANGES = (_number, _number, _number, _bit, _bit, _cut, _remove, _repeat, _splice)
_CHANGES += (_chunks, _png_header)


def _with_checksums(data: bytes) -> bytes:
    """Write the checksum of every chunk of a PNG anew, so that readers look further."""
    mended, place = bytearray(data), 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(data):
            break
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(mended)
