"""Picture files: what is refused, and that finding out is the same as reading."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize.data.pictures import open_image, picture_size, read_picture
from harmonize.errors import HarmonizeError

NOISE = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)


def encoded(
    kind: str, pixels: np.ndarray = NOISE, *, mode: str = "RGB", progressive: bool = False
) -> bytes:
    """Return a picture file's bytes."""
    stream = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(stream, format=kind, progressive=progressive)
    return stream.getvalue()


def refusal(path: Path, *, only_size: bool) -> str | None:
    """Return why a picture is refused, or None."""
    try:
        if only_size:
            picture_size(path)
        else:
            read_picture(path)
    except HarmonizeError as error:
        return str(error)
    return None


@pytest.mark.parametrize("width", [1, 7, 8, 9, 50])
@pytest.mark.parametrize("height", [1, 30])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_size_of_a_jpeg_is_its_own_however_small(
    tmp_path: Path, width: int, height: int, progressive: bool
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded("JPEG", NOISE[:height, :width], progressive=progressive))
    assert picture_size(path) == read_picture(path).size == (width, height)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("PNG", "RGB"), ("PNG", "P"), ("PNG", "1"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PPM", "RGB")],
)
def test_all_modes_have_a_size_and_become_rgb(tmp_path: Path, kind: str, mode: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(encoded(kind, mode=mode))
    assert picture_size(path) == (50, 30)
    assert read_picture(path).mode == "RGB"


@pytest.mark.parametrize(
    ("kind", "progressive"), [("PNG", False), ("JPEG", False), ("JPEG", True), ("PPM", False)]
)
def test_every_truncation_is_found_by_the_size_exactly_if_reading_finds_it(
    tmp_path: Path, kind: str, progressive: bool
) -> None:
    whole = encoded(kind, progressive=progressive)
    path = tmp_path / "a"
    refused = 0
    for length in [*range(0, len(whole), 29), len(whole) - 3]:
        path.write_bytes(whole[:length])
        by_size = refusal(path, only_size=True) is not None
        assert by_size == (refusal(path, only_size=False) is not None), length
        refused += by_size
    assert refused > 20


@pytest.mark.filterwarnings("ignore:Image size .* exceeds limit")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP"])
def test_damaged_bytes_are_refused_as_when_reading_and_never_a_defect(
    tmp_path: Path, kind: str
) -> None:
    rng = np.random.default_rng(1)
    path = tmp_path / "a"
    for _ in range(60):
        damaged = bytearray(encoded(kind))
        for place in rng.integers(0, min(200, len(damaged)), 3):
            damaged[place] = rng.integers(0, 256)
        path.write_bytes(damaged)
        assert (refusal(path, only_size=True) is None) == (refusal(path, only_size=False) is None)


@pytest.mark.parametrize("only_size", [False, True])
def test_what_is_wrong_names_the_file(tmp_path: Path, only_size: bool) -> None:
    path = tmp_path / "a.png"
    assert refusal(path, only_size=only_size) == f"{path}: no such file"
    path.write_bytes(b"text")
    assert refusal(path, only_size=only_size) == (
        f"{path}: not a readable picture: cannot identify image file {str(path)!r}"
    )
    path.write_bytes(encoded("JPEG")[:-200])
    told = refusal(path, only_size=only_size)
    assert told is not None
    assert told.startswith(f"{path}: not a readable picture: image file is truncated (")
    path.unlink()
    path.mkdir()
    told = refusal(path, only_size=only_size)
    assert told is not None
    assert told.startswith(f"{path}: not a readable picture: [Errno ")


@pytest.mark.parametrize("only_size", [False, True])
def test_pictures_with_more_than_8_bits_are_refused(tmp_path: Path, only_size: bool) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((4, 6), 1000, np.uint16)).save(path)
    assert refusal(path, only_size=only_size) == (
        f"{path}: a picture of mode I;16; save it with 8 bits per channel"
    )
    Image.fromarray(np.full((4, 6), 0.5, np.float32)).save(tmp_path / "a.tiff")
    told = refusal(tmp_path / "a.tiff", only_size=only_size)
    assert told == f"{tmp_path}/a.tiff: a picture of mode F; save it with 8 bits per channel"
    path.write_bytes(b"P5 2 2 15\n" + bytes([0, 5, 10, 15]))
    assert refusal(path, only_size=only_size) == (
        f"{path}: decoding would rescale its pixels to 8 bits; save it with 8 bits per channel, or "
        "ids as a palette or one 16-bit channel"
    )


def test_only_exact_reading_refuses_what_decoding_rescales(tmp_path: Path) -> None:
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 2 2 15\n" + bytes([0, 5, 10, 15]))
    assert np.asarray(open_image(path)).tolist() == [[0, 85], [170, 255]]
    with pytest.raises(HarmonizeError, match="decoding would rescale"):
        open_image(path, exact=True)
