"""PNGs decoded by kornia-rs: the same colours as Pillow's, and Pillow for what it leaves out."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize.pictures import quick_png
from harmonize.pictures.opening import opened
from harmonize.pictures.quick_png import decode_quickly
from harmonize.pictures.reading import read_picture


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Return random colours."""
    shape = (height, width, channels)[: 3 if channels > 1 else 2]
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def as_png(image: Image.Image, **options: object) -> bytes:
    """Return a PNG file."""
    data = io.BytesIO()
    image.save(data, "png", **options)
    return data.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def quickly(data: bytes, folder: Path) -> Image.Image | None:
    """Return a file's picture, if it is decoded quickly."""
    path = folder / "picture.png"
    path.write_bytes(data)
    with opened(path) as one:
        return decode_quickly(one)


@pytest.mark.parametrize("size", [(1, 1), (17, 30), (64, 3)])
@pytest.mark.parametrize("level", [0, 9])
def test_colours_are_those_that_pillow_reads(
    size: tuple[int, int], level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = noise(*size)
    found = quickly(as_png(Image.fromarray(picture), compress_level=level), tmp_path)
    assert found is not None
    assert np.array_equal(np.asarray(found), picture)
    by_kornia = read_picture(tmp_path / "picture.png")
    monkeypatch.setattr(quick_png, "_decoder", lambda: None)
    by_pillow = read_picture(tmp_path / "picture.png")
    assert np.array_equal(np.asarray(by_kornia), np.asarray(by_pillow))
    assert by_kornia.mode == by_pillow.mode == "RGB"


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_other_colours_are_left_to_pillow(mode: str, tmp_path: Path) -> None:
    data = as_png(Image.fromarray(noise(9, 8)).convert(mode))
    assert quickly(data, tmp_path) is None
    assert read_picture(tmp_path / "picture.png").size == (8, 9)


def test_an_orientation_before_and_after_the_colours_turns_a_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = exif.tobytes().removeprefix(b"Exif\0\0")
    plain = as_png(Image.fromarray(noise(9, 8)))
    start = plain.index(b"IDAT") - 4
    for place, by_pillow in ((start, False), (len(plain) - 12, True)):
        data = plain[:place] + chunk(b"eXIf", stored) + plain[place:]
        assert (quickly(data, tmp_path) is None) == by_pillow
        assert read_picture(tmp_path / "picture.png", exif="apply").size == (9, 8)


def test_what_is_damaged_or_cut_is_left_to_pillow(tmp_path: Path) -> None:
    data = as_png(Image.fromarray(noise(40, 30)))
    damaged = bytearray(data)
    damaged[data.index(b"IDAT") + 500] ^= 255
    for bad in (data[:1500], data[:-12], bytes(damaged)):
        assert quickly(bad, tmp_path) is None


def test_pillow_reads_on_after_a_look_that_came_to_nothing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 1
    plain = as_png(Image.fromarray(noise(40, 30)))
    late = chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "late.png").write_bytes(plain[:-12] + late + plain[-12:])
    assert np.array_equal(np.asarray(read_picture(tmp_path / "late.png")), noise(40, 30))
