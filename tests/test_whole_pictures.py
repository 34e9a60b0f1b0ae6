"""Pictures whose data end early: labels are refused, of photographs a warning says so."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.pictures import whole
from harmonize.pictures.reading import picture_size, read_picture
from harmonize.pictures.stored import read_stored
from label_files import COLOUR, GREY, PALETTE, write_png
from warned import warn_anew

RNG = np.random.default_rng(5)
IDS = RNG.integers(1, 9, (30, 40)).astype(np.uint8)
PHOTO = RNG.integers(0, 255, (60, 80, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def _warn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    warn_anew(monkeypatch)


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return the names and bodies of a PNG's parts."""
    return [(name, bytes(body)) for name, body, _ in whole._chunks(content)]


def png(parts: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def fewer_rows(content: bytes, kept_rows: int, rows: int) -> bytes:
    """Leave out a PNG's last rows, and end its compressed data properly all the same."""
    parts = chunks(content)
    data = zlib.decompress(b"".join(body for name, body in parts if name == b"IDAT"))
    kept = zlib.compress(data[: kept_rows * len(data) // rows])
    rest = [part for part in parts if part[0] not in (b"IDAT", b"IEND")]
    return png([*rest, (b"IDAT", kept), (b"IEND", b"")])


def told(path: Path) -> str:
    with pytest.raises(HarmonizeError) as caught:
        read_stored(path)
    return str(caught.value)


@pytest.mark.parametrize("kept", [1, 12, 29])
@pytest.mark.parametrize(
    ("bits", "kind"),
    [(1, GREY), (8, GREY), (16, GREY), (4, PALETTE), (8, PALETTE), (8, COLOUR), (16, COLOUR)],
)
def test_a_png_with_fewer_rows_is_refused_as_a_label(
    tmp_path: Path, bits: int, kind: int, kept: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    values = RNG.integers(0, 2**bits, (30, 40, 3) if kind == COLOUR else (30, 40))
    write_png(path, values, bits=bits, kind=kind)
    read_stored(path, exact=False)
    assert not capsys.readouterr().err
    path.write_bytes(fewer_rows(path.read_bytes(), kept, 30))
    with pytest.raises(HarmonizeError, match="its data end before its last pixel"):
        read_stored(path, exact=False)
    if kind == COLOUR:
        read_picture(path)
        assert capsys.readouterr().err == (
            f"warning: {path}: its data end before its last pixel, and the rest is black or grey; "
            "take it from where it is whole\n"
        )
        picture_size(path)
        assert not capsys.readouterr().err  # once is enough


@pytest.mark.parametrize("value", [0, whole._MARK, 255])
def test_rows_of_one_value_are_no_missing_rows(
    tmp_path: Path, value: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.png"
    write_png(path, np.full((30, 40), value), bits=8)
    assert (read_stored(path).values == value).all()
    read_picture(path)
    assert not capsys.readouterr().err


def test_a_png_that_is_interlaced_is_reckoned_by_its_passes() -> None:
    """By hand: of 5 x 3 pixels of a byte, the passes have 1, 1, 0 (no rows), 2, 3, 4, 5 pixels."""
    header = struct.pack(">IIBBBBB", 5, 3, 8, 0, 0, 0, 1)
    rows = [2, 2, 0, 2, 2 + 2, 2 + 0, 6]
    # Pass 3 starts at row 4; pass 4 has columns 2; pass 5 has row 2, columns 0, 2, 4;
    # pass 6 has rows 0 and 2, columns 1 and 3; pass 7 has row 1.
    assert whole._needed(memoryview(header)) == 2 + 2 + 0 + 2 + 4 + 2 * 3 + 6
    assert sum(rows[:4]) == 6


@pytest.mark.parametrize("place", [-30, -20])
def test_a_label_whose_checksum_does_not_fit_is_refused(tmp_path: Path, place: int) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(IDS).save(path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert told(path) == (
        f"{path}: not a readable picture: the checksum of its part b'IDAT' does not fit; take it "
        "from where it is whole"
    )


def test_a_label_without_an_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(IDS).save(path)
    path.write_bytes(path.read_bytes()[:-12])
    assert told(path).startswith(f"{path}: not a readable picture: image file is truncated")


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {}), ("WEBP", {"lossless": True})])
def test_a_tail_of_zeros_is_noticed(
    tmp_path: Path, kind: str, options: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.BytesIO()
    Image.fromarray(PHOTO).save(stream, kind, **options)  # type: ignore[arg-type]
    content = stream.getvalue()
    cut = 6 * len(content) // 10
    path = tmp_path / "a"
    path.write_bytes(content[:cut] + bytes(len(content) - cut))
    assert "its data end before its last pixel" in told(path)
    read_picture(path)
    assert "its data end before its last pixel" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_zeros_behind_a_pictures_end_are_none_of_its_data(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.BytesIO()
    Image.fromarray(PHOTO).save(stream, kind)
    path = tmp_path / "a"
    path.write_bytes(stream.getvalue() + bytes(4096))
    read_picture(path)
    read_stored(path)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_uncompressed_tiff_pictures_are_turned_and_not_scrambled(
    tmp_path: Path, orientation: int, mode: str
) -> None:
    pixels = PHOTO if mode == "RGB" else PHOTO[..., 0]
    path = tmp_path / "a.tif"
    Image.fromarray(pixels).save(path, tiffinfo={274: orientation})
    seen = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: pixels[::-1].swapaxes(0, 1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: pixels[:, ::-1].swapaxes(0, 1),
    }[orientation]
    assert (read_stored(path).values == seen).all()
    found = np.asarray(read_picture(path))
    assert (found == (seen if mode == "RGB" else seen[..., None])).all()


@pytest.mark.parametrize("ending", ["jp2", "j2k"])
def test_a_jpeg_2000_label_that_ends_early_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.kron(IDS, np.ones((9, 9), np.uint8))).save(path)
    content = path.read_bytes()
    assert read_stored(path).values.shape == (270, 360)
    path.write_bytes(content + b"\0\0\0\x09free\0" * (ending == "jp2"))
    if ending == "j2k":
        assert whole._ends_as_jpeg2000(content)
    for length in (len(content) - 1, len(content) - 2, len(content) // 2):
        assert not whole._ends_as_jpeg2000(content[:length])
        path.write_bytes(content[:length])
        assert told(path).startswith(f"{path}: not a readable picture: ")


def test_a_tiff_label_whose_tags_are_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(PHOTO).save(path, compression="tiff_lzw")
    content = path.read_bytes()
    path.write_bytes(content[:-4])  # the bits of each channel, which are the last of the file
    assert told(path) == (
        f"{path}: not a readable picture: image file is truncated: its tag 258 is lost"
    )
