"""Picture files: what is refused, and that finding out is the same as reading."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize.errors import HarmonizeError
from harmonize.pictures.reading import (
    choose_factor,
    header_size,
    open_image,
    picture_size,
    read_picture,
    read_reduced,
)

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


@pytest.mark.parametrize(
    ("size", "least", "factor"),
    [
        ((4000, 3000), 288, 8),
        ((4000, 3000), 512, 4),
        ((80, 99), 10, 8),
        ((79, 99), 10, 4),
        ((40, 40), 20.0, 2),
        ((40, 40), 20.1, 1),
        ((5, 4), 1, 4),
        ((1, 1), 1, 1),
        ((64, 64), math.inf, 1),
    ],
)
def test_the_factor_is_the_largest_that_leaves_enough(
    size: tuple[int, int], least: float, factor: int
) -> None:
    assert choose_factor(size, least) == choose_factor((size[1], size[0]), least) == factor


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "P"), ("PPM", "L")],
)
@pytest.mark.parametrize("size", [(32, 16), (33, 17), (47, 31), (16, 39)])
@pytest.mark.parametrize("least", [2, 4, 8, 16])
def test_a_reduced_picture_has_a_pixel_for_each_block(
    tmp_path: Path, kind: str, mode: str, size: tuple[int, int], least: int
) -> None:
    smooth = Image.fromarray(NOISE[:4, :4]).resize(size, Image.Resampling.BICUBIC)
    path = tmp_path / "a"
    path.write_bytes(encoded(kind, np.asarray(smooth), mode=mode))
    found, whole = read_reduced(path, least=least), read_picture(path)
    assert found.factor == max(factor for factor in (1, 2, 4, 8) if factor * least <= min(size))
    assert (found.image.mode, found.size) == ("RGB", size)
    expected = whole.reduce(found.factor)
    assert found.image.size == expected.size
    inside = np.s_[: size[1] // found.factor, : size[0] // found.factor]  # the whole blocks
    difference = np.asarray(found.image, int)[inside] - np.asarray(expected, int)[inside]
    assert abs(difference).mean() <= (0 if kind != "JPEG" else 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_picture_that_is_not_reduced_is_the_file_to_the_last_bit(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(encoded(kind))
    found = read_reduced(path, least=16)
    assert (found.factor, found.size) == (1, (50, 30))
    with Image.open(path) as plain:
        np.testing.assert_array_equal(np.asarray(found.image), np.asarray(plain.convert("RGB")))


def test_reading_reduced_refuses_what_reading_refuses(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    for content in (b"text", encoded("JPEG")[:-200], encoded("PNG")[:-200]):
        path.write_bytes(content)
        with pytest.raises(HarmonizeError) as reduced:
            read_reduced(path, least=3)
        assert str(reduced.value) == refusal(path, only_size=False)
    Image.fromarray(np.full((40, 60), 1000, np.uint16)).save(path)
    with pytest.raises(HarmonizeError, match="a picture of mode I;16"):
        read_reduced(path, least=3)


def test_the_header_gives_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded("PNG")[:100])
    assert header_size(path) == (50, 30)
    path.write_bytes(b"text")
    with pytest.raises(HarmonizeError, match="not a readable picture"):
        header_size(path)
