"""Whether all pixels of a picture file are there: what decoders pass over."""

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageFile

from harmonize.errors import HarmonizeError
from harmonize.stores.file_table import Opened
from harmonize.system.once import warn_once

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By a PNG's colour type."""
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_PASSES += ((0, 1, 1, 2),)
"""First column and row, and steps between columns and rows, of an interlaced PNG's passes."""
_MARK = 173
"""What the last pixel is before it is decoded; few pictures end with it."""
_TAIL = 64
"""Zeros that no compressed picture ends with."""
_JPEG = ("JPEG", "MPO")
_COMPRESSED = ("PNG", "WEBP", "AVIF", *_JPEG)
_HEADER = struct.Struct(">IIBBBBB")


def mark_last_pixel(picture: ImageFile.ImageFile) -> object:
    """Write a mark where a PNG's last pixel will be decoded to, and return its value there.

    Pillow leaves rows as they are, black, where the compressed data end properly but early.
    """
    if picture.format != "PNG" or picture.info.get("interlace"):
        return None
    blank = Image.new(picture.mode, picture.size, None)
    bands = len(picture.getbands())
    blank.putpixel(_last(picture), _MARK if bands == 1 else (_MARK,) * bands)
    picture.im = blank.im
    return blank.getpixel(_last(picture))


def is_cut(picture: ImageFile.ImageFile, file: Opened, mark: object) -> bool:
    """Say whether a decoded picture's data end before its last pixel.

    Args:
        picture: the picture.
        file: that it was read from.
        mark: that ``mark_last_pixel`` returned before it was decoded.
    """
    if picture.format == "PNG" and (mark is None or picture.getpixel(_last(picture)) == mark):
        return _lacks_rows(_content(file))
    if picture.format == "JPEG2000":
        return not _ends_as_jpeg2000(_content(file))
    if picture.format in _COMPRESSED and _ends_in_zeros(file):
        return not _ends_before_zeros(_content(file), picture.format)
    return False


def refuse_damaged_png(file: Opened, path: Path) -> None:
    """Refuse a PNG whose checksums do not fit or that has no end, which Pillow may not notice."""
    content = _content(file)
    ends = False
    for name, body, checksum in _chunks(content):
        if zlib.crc32(body, zlib.crc32(name)) != checksum:
            raise HarmonizeError(
                f"{path}: not a readable picture: the checksum of its part {name!a} does not fit; "
                "take it from where it is whole"
            )
        ends = name == b"IEND"
    if not ends:
        raise HarmonizeError(
            f"{path}: not a readable picture: image file is truncated: it lacks its end; take it "
            "from where it is whole"
        )


def refuse_cut(path: Path) -> None:
    """Refuse a label whose pixels end early."""
    raise HarmonizeError(
        f"{path}: not a readable picture: image file is truncated: its data end before its last "
        "pixel; take it from where it is whole"
    )


def warn_cut(path: Path) -> None:
    """Warn once of a photograph whose pixels end early."""
    warn_once(
        f"warning: {path}: its data end before its last pixel, and the rest is black or grey; "
        "take it from where it is whole"
    )


def _last(picture: Image.Image) -> tuple[int, int]:
    return picture.size[0] - 1, picture.size[1] - 1


def _content(file: Opened) -> bytes:
    """Read a whole file, and go back to where it was."""
    place = file.tell()
    file.seek(0)
    content = file.read()
    file.seek(place)
    return content


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Yield the name, the body and the checksum of each whole part of a PNG up to its end."""
    view, place = memoryview(content), 8
    while place + 12 <= len(content):
        length = int.from_bytes(view[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(content):
            return
        name = bytes(view[place + 4 : place + 8])
        yield name, view[place + 8 : end], int.from_bytes(view[end : end + 4], "big")
        if name == b"IEND":
            return
        place = end + 4


def _lacks_rows(content: bytes) -> bool:
    """Say whether a PNG holds fewer bytes of pixels than it needs."""
    needed, unpack, found = 0, zlib.decompressobj(), 0
    for name, body, _ in _chunks(content):
        if name == b"IHDR":
            needed = _needed(body)
        elif name == b"IDAT":
            data = bytes(body)
            while data and not unpack.eof:  # little memory, whatever it holds
                found += len(unpack.decompress(data, 1 << 20))
                data = unpack.unconsumed_tail
    return found < needed


def _needed(header: memoryview) -> int:
    width, height, bits, kind, _, _, interlaced = _HEADER.unpack(header)
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits * _CHANNELS[kind] // 8))
    return total


def _ends_in_zeros(file: Opened) -> bool:
    length = file.seek(0, os.SEEK_END)
    file.seek(max(0, length - _TAIL))
    return not any(file.read(_TAIL))


def _ends_as_jpeg2000(content: bytes) -> bool:
    """Say whether the pixels of a JPEG 2000 file are there to their mark of the end."""
    end, place = len(content), content.find(b"jp2c")
    if place >= 4 and not content.startswith(b"\xff\x4f"):
        length = int.from_bytes(content[place - 4 : place], "big")
        if length == 1:  # it follows in 64 bits
            length = int.from_bytes(content[place + 4 : place + 12], "big")
        end = place - 4 + length if length else end
    return content[max(end - 2, 0) : end] == b"\xff\xd9" and end <= len(content)


def _ends_before_zeros(content: bytes, kind: str) -> bool:
    """Say whether zeros follow a picture's end, as some cameras write them."""
    if kind == "PNG":
        return any(name == b"IEND" for name, _, _ in _chunks(content))
    return kind in _JPEG and content.rstrip(b"\0").endswith(b"\xff\xd9")
