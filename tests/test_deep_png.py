"""PNG files with colours of 16 bits."""

from pathlib import Path

import numpy as np
import pytest

from harmonize import HarmonizeError
from harmonize.pictures.reading import header_size, picture_size, read_picture, read_reduced
from harmonize.pictures.stored import read_stored
from label_files import CHANNELS, COLOUR, COLOUR_ALPHA, GREY_ALPHA, make_reader, refused, write_png

KINDS = [COLOUR, COLOUR_ALPHA]
FILTERS = range(5)


def noise(kind: int, seed: int = 0) -> np.ndarray:
    """Return numbers of which neither byte follows from the other."""
    shape = 7, 9, CHANNELS[kind]
    return np.random.default_rng(seed).integers(0, 1 << 16, shape)


@pytest.mark.parametrize("filtering", FILTERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_bit_of_a_channel_is_read(tmp_path: Path, kind: int, filtering: int) -> None:
    values = noise(kind)
    values[0, 0], values[0, 1], values[1, 0] = 0, 65535, 255
    write_png(tmp_path / "a.png", values, bits=16, kind=kind, filtering=filtering)
    stored = read_stored(tmp_path / "a.png")
    assert stored.values.dtype == np.uint16
    np.testing.assert_array_equal(stored.values, values)
    assert header_size(tmp_path / "a.png") == (9, 7)


@pytest.mark.parametrize("kind", KINDS)
def test_formulas_take_all_sixteen_bits(tmp_path: Path, kind: int) -> None:
    values = np.zeros((1, 3, CHANNELS[kind]), int)
    values[0, :, 0], values[0, :, 1], values[0, :, -1] = [256, 257, 65535], [0, 1, 2], [7, 8, 9]
    write_png(tmp_path / "a.png", values, bits=16, kind=kind)
    reader = make_reader("ids", "{a: 256, b: 65793, c: 196607}", "value: R + 65536*G")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 1, 2]])
    last = make_reader("ids", "{a: [7, 8], c: 9}", f"value: {'A' if kind == COLOUR_ALPHA else 'B'}")
    np.testing.assert_array_equal(last.read(tmp_path, "a.png"), [[0, 0, 1]])


@pytest.mark.parametrize("kind", KINDS)
def test_colours_of_eight_bits_are_found_in_sixteen(tmp_path: Path, kind: int) -> None:
    colors = np.array([[(9, 8, 7, 255), (255, 0, 128, 255), (1, 1, 1, 64)]])
    write_png(tmp_path / "a.png", colors[..., : CHANNELS[kind]] * 257, bits=16, kind=kind)
    reader = make_reader("rgb", "{a: [9, 8, 7], b: '#ff0080', c: [1, 1, 1]}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 1, 2]])
    if kind == COLOUR_ALPHA:
        reader = make_reader("rgb", "{a: [9, 8, 7, 255], b: '#ff0080ff', c: [1, 1, 1, 64]}")
        np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 1, 2]])


@pytest.mark.parametrize("kind", KINDS)
def test_other_colours_of_sixteen_bits_are_refused_with_what_to_write(
    tmp_path: Path, kind: int
) -> None:
    values = np.full((2, 2, CHANNELS[kind]), 9 * 257)
    values[1, 0, 1] += 1
    write_png(tmp_path / "a.png", values, bits=16, kind=kind)
    assert refused(make_reader("rgb", "{a: [9, 9, 9]}"), tmp_path) == (
        f"{tmp_path}/a.png: its colours have 16 bits and are no colours of 8 bits times 257, such "
        f"as {values[1, 0].tolist()}; use `encoding: ids` with a formula, such as "
        "`value: R//256 + 256*(G//256) + 65536*(B//256)`"
    )
    formula = "value: R//256 + 256*(G//256) + 65536*(B//256)"
    reader = make_reader("ids", f"{{a: {9 + 256 * 9 + 65536 * 9}}}", formula)
    assert (reader.read(tmp_path, "a.png") == 0).all()


def test_ids_in_channels_of_sixteen_bits_need_a_formula(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", noise(COLOUR), bits=16, kind=COLOUR)
    assert "got mode RGB; colours need `encoding: rgb`" in refused(
        make_reader("ids", "{a: 0}"), tmp_path
    )


def test_grey_with_alpha_of_sixteen_bits_is_refused(tmp_path: Path) -> None:
    values = np.zeros((2, 2, 2), int)
    write_png(tmp_path / "a.png", values, bits=16, kind=GREY_ALPHA)
    assert "decoding would rescale its pixels" in refused(
        make_reader("ids", "{a: 0}", "value: V"), tmp_path
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_becomes_the_nearest_colours_of_eight_bits(tmp_path: Path, kind: int) -> None:
    values = noise(kind)
    values[0, 0], values[0, 1], values[0, 2] = 128, 129, 65535
    write_png(tmp_path / "a.png", values, bits=16, kind=kind)
    expected = np.floor(values[..., :3] / 257 + 0.5)
    assert picture_size(tmp_path / "a.png") == (9, 7)
    image = read_picture(tmp_path / "a.png")
    assert image.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(image), expected)
    assert np.asarray(image)[0, :3, 0].tolist() == [0, 1, 255]
    reduced = read_reduced(tmp_path / "a.png", least=3)
    assert (reduced.factor, reduced.size, reduced.image.size) == (2, (9, 7), (5, 4))
    np.testing.assert_array_equal(np.asarray(reduced.image), np.asarray(image.reduce(2)))


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_png(path, noise(COLOUR), bits=16, kind=COLOUR)
    path.write_bytes(path.read_bytes()[:-60])
    for read in (read_picture, picture_size, read_stored):
        with pytest.raises(HarmonizeError, match=f"^{path}: not a readable picture: "):
            read(path)
