"""TIFF files as pictures: by Pillow where it reads them right, else by the stored numbers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.pictures.reading import header_size, picture_size, read_picture, read_reduced
from harmonize.pictures.tiff import tiff_header
from tiff_files import COLOR_MAP, DEFLATE, LZW, ORIENTATION, SUBFILE, Kind, write_tiff

NOISE = np.random.default_rng(0).integers(0, 256, (20, 35, 3), dtype=np.uint8)
MASK = (NOISE[..., 0] > 99, Kind(bits=1, photometric=4, tags={SUBFILE: [4]}))


def check(path: Path, expected: np.ndarray) -> None:
    """Assert that a file shows these colours, whole and reduced."""
    size = expected.shape[1], expected.shape[0]
    assert header_size(path) == picture_size(path) == size
    image = read_picture(path)
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), expected)
    reduced = read_reduced(path, least=10)
    assert (reduced.factor, reduced.size, reduced.orientation) == (2, size, 1)
    np.testing.assert_array_equal(
        np.asarray(reduced.image), np.asarray(Image.fromarray(expected).reduce(2))
    )


@pytest.mark.parametrize("separate", [False, True])
def test_a_picture_with_an_internal_mask_is_read(tmp_path: Path, separate: bool) -> None:
    given = Kind(compression=LZW, rows=6, photometric=2, separate=separate)
    write_tiff(tmp_path / "a.tif", NOISE, given, MASK)
    assert tiff_header(tmp_path / "a.tif").by_pillow
    check(tmp_path / "a.tif", NOISE)


@pytest.mark.parametrize("compression", [1, DEFLATE, LZW])
def test_what_a_sparse_picture_leaves_out_is_black(tmp_path: Path, compression: int) -> None:
    given = Kind(compression=compression, tile=(16, 16), photometric=2, without=(0, 4))
    write_tiff(tmp_path / "a.tif", NOISE, given)
    expected = NOISE.copy()
    expected[:16, :16] = expected[16:, 16:32] = 0
    check(tmp_path / "a.tif", expected)


def test_a_sparse_palette_has_its_first_colour_there(tmp_path: Path) -> None:
    colors = np.random.default_rng(1).integers(0, 256, (256, 3))
    tags = {COLOR_MAP: (colors.T.ravel() * 257).tolist()}
    given = Kind(tile=(16, 16), photometric=3, without=(1,), tags=tags)
    write_tiff(tmp_path / "a.tif", NOISE[..., 0], given)
    seen = NOISE[..., 0].copy()
    seen[:16, 16:32] = 0
    check(tmp_path / "a.tif", colors[seen].astype(np.uint8))


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("without", [(), (1,)])
def test_grey_is_seen_as_the_file_says(
    tmp_path: Path, photometric: int, without: tuple[int, ...]
) -> None:
    given = Kind(tile=(16, 16), photometric=photometric, without=without)
    write_tiff(tmp_path / "a.tif", NOISE[..., 0], given)
    stored = NOISE[..., 0].copy()
    if without:
        stored[:16, 16:32] = 0
    seen = stored if photometric else 255 - stored
    check(tmp_path / "a.tif", np.dstack([seen] * 3))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_without_mixing_up_its_pixels(
    tmp_path: Path, channels: int, orientation: int
) -> None:
    # Pillow maps uncompressed files of 1 and 4 channels into memory, with the sides exchanged.
    values = np.dstack([NOISE, NOISE[..., :1] | 1])[..., :channels]
    given = Kind(photometric=2 if channels > 1 else 1, tags={ORIENTATION: [orientation]})
    if channels == 4:
        given = Kind(photometric=2, tags={ORIENTATION: [orientation], 338: [2]})
    write_tiff(tmp_path / "a.tif", values if channels > 1 else values[..., 0], given)
    turns = [NOISE, NOISE[:, ::-1], NOISE[::-1, ::-1], NOISE[::-1]]
    turns += [turned.swapaxes(0, 1) for turned in (turns[0], turns[3], turns[2], turns[1])]
    expected = turns[orientation - 1]
    check(tmp_path / "a.tif", np.dstack([expected[..., :1]] * 3) if channels == 1 else expected)


@pytest.mark.parametrize("channels", [3, 4])
def test_channels_that_are_not_declared_as_colours_are_red_green_and_blue(
    tmp_path: Path, channels: int
) -> None:
    values = np.dstack([NOISE, NOISE[..., :1]])[..., :channels]
    write_tiff(tmp_path / "a.tif", values, Kind(separate=True))
    check(tmp_path / "a.tif", NOISE)


@pytest.mark.parametrize("order", "<>")
def test_big_files_of_either_byte_order_are_read(tmp_path: Path, order: str) -> None:
    write_tiff(tmp_path / "a.tif", NOISE, Kind(order, LZW, rows=7, big=True, photometric=2))
    check(tmp_path / "a.tif", NOISE)


@pytest.mark.parametrize(
    ("values", "kind", "mode"),
    [
        (NOISE.astype(np.uint16), Kind(without=(0,), photometric=2), "RGB with numbers of type ui"),
        (NOISE[..., 0].astype(np.int16), Kind(without=(0,)), "int16 with numbers of type int16"),
        (NOISE[..., :2], Kind(without=(0,)), "LA with numbers of type uint8"),
    ],
)
def test_other_numbers_are_refused(
    tmp_path: Path, values: np.ndarray, kind: Kind, mode: str
) -> None:
    path = tmp_path / "a.tif"
    write_tiff(path, values, kind)
    for read in (read_picture, picture_size):
        with pytest.raises(HarmonizeError) as caught:
            read(path)
        told = str(caught.value)
        assert told.startswith(f"{path}: a picture of mode {mode}")
        assert told.endswith("; save it as RGB with 8 bits per channel")
