"""Label files of every kind, read back to exact class numbers, and the files that are refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harmonize.errors import HarmonizeError
from harmonize.pictures.reading import open_image
from label_files import (
    CHANNELS,
    COLOUR,
    COLOUR_ALPHA,
    GREY,
    GREY_ALPHA,
    PALETTE,
    make_reader,
    refused,
    write_png,
)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("width", [1, 7, 16, 33])
def test_palette_pictures_are_read_by_index_whatever_their_colours(
    tmp_path: Path, bits: int, width: int
) -> None:
    ids = np.random.default_rng(bits).integers(2**bits, size=(9, width))
    ids.flat[:2] = 2**bits - 1, 0
    write_png(tmp_path / "a.png", ids, bits=bits, kind=PALETTE)
    # The class of id i is class number 2 ** bits - 1 - i.
    names = ", ".join(f"c{number}: {number}" for number in reversed(range(2**bits)))
    classes = make_reader("ids", f"{{{names}}}").read(tmp_path, "a.png")
    assert classes.dtype == np.int16
    np.testing.assert_array_equal(classes, 2**bits - 1 - ids)


@pytest.mark.parametrize("bits", [1, 8])
def test_grey_pictures_hold_their_ids(tmp_path: Path, bits: int) -> None:
    ids = np.random.default_rng(0).integers(2, size=(5, 11))
    write_png(tmp_path / "a.png", ids, bits=bits)
    classes = make_reader("ids", "{one: 1, zero: 0}").read(tmp_path, "a.png")
    np.testing.assert_array_equal(classes, 1 - ids)


def test_several_ids_can_stand_for_one_class(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.array([[0, 3, 255], [200, 0, 3]]), bits=8)
    reader = make_reader("ids", "{thing: [3, 200], stuff: 0, void: 255}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[1, 0, 2], [0, 1, 0]])


@pytest.mark.parametrize("form", ["png", "pgm", "tif"])
def test_sixteen_bit_ids_are_exact(tmp_path: Path, form: str) -> None:
    ids = np.array([[0, 1, 256], [258, 513, 65535]], dtype=np.uint16)
    if form == "png":
        write_png(tmp_path / "a.png", ids, bits=16)
    else:
        Image.fromarray(ids).save(tmp_path / "a.png", format={"pgm": "PPM", "tif": "TIFF"}[form])
    reader = make_reader("ids", "{f: 65535, e: 513, d: 258, c: 256, b: 1, a: 0}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[5, 4, 3], [2, 1, 0]])


@pytest.mark.parametrize(("bits", "top"), [(2, 3), (4, 15)])
def test_grey_ids_that_decoding_would_scale_are_refused(
    tmp_path: Path, bits: int, top: int
) -> None:
    # Pillow scales grey of 2 and 4 bits to 0..255, which would turn the highest id into 255.
    write_png(tmp_path / "a.png", np.array([[0, top]]), bits=bits)
    message = refused(make_reader("ids", f"{{a: 0, b: {top}, void: 255}}"), tmp_path)
    assert message.startswith(f"{tmp_path}/a.png: decoding would rescale its pixels to 8 bits; ")


@pytest.mark.parametrize("top", [3, 1000])
def test_a_pgm_whose_greatest_value_decoding_would_scale_is_refused(
    tmp_path: Path, top: int
) -> None:
    size = 1 if top < 256 else 2
    body = b"".join(value.to_bytes(size, "big") for value in (0, top))
    (tmp_path / "a.png").write_bytes(b"P5 2 1 %d\n" % top + body)
    message = refused(make_reader("ids", "{a: 0, b: 3, c: 1000, void: [255, 65535]}"), tmp_path)
    assert "rescale" in message


@pytest.mark.parametrize(
    ("kind", "mode"), [(COLOUR, "RGB"), (COLOUR_ALPHA, "RGBA"), (GREY_ALPHA, "LA")]
)
def test_ids_in_several_channels_are_refused(tmp_path: Path, kind: int, mode: str) -> None:
    values = np.zeros((2, 2, CHANNELS[kind]), dtype=int)
    write_png(tmp_path / "a.png", values, bits=8, kind=kind)
    assert refused(make_reader("ids", "{a: 0}"), tmp_path) == (
        f"{tmp_path}/a.png: expected ids in one channel, got mode {mode}; "
        "colours need `encoding: rgb`, ids made of several channels a formula in `value`"
    )


def test_a_formula_divides_sixteen_bit_values(tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 511], [512, 26 * 256 + 3, 65280, 65535]])
    write_png(tmp_path / "a.png", values, bits=16)
    reader = make_reader("ids", "{a: 0, b: 1, c: [2, 26], d: 255}", "value: V//256")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 0, 1, 1], [2, 2, 3, 3]])


@pytest.mark.parametrize("kind", [COLOUR, COLOUR_ALPHA])
def test_a_formula_joins_channels_to_ids_above_65535(tmp_path: Path, kind: int) -> None:
    ids = np.array([[0, 1, 256], [65536, 16777215, 65793]])
    parts = np.stack([ids % 256, ids // 256 % 256, ids // 65536, ids * 0], -1)
    write_png(tmp_path / "a.png", parts[..., : CHANNELS[kind]], bits=8, kind=kind)
    reader = make_reader(
        "ids",
        "{f: 65793, e: 16777215, d: 65536, c: 256, b: 1, a: 0}",
        "value: R + 256*G + 65536*B",
    )
    classes = reader.read(tmp_path, "a.png")
    assert classes.dtype == np.int16
    np.testing.assert_array_equal(classes, [[5, 4, 3], [2, 1, 0]])


def test_unmapped_ids_of_a_formula_are_named(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.array([[(0, 0, 0), (7, 0, 1)]]), bits=8, kind=COLOUR)
    message = refused(
        make_reader("ids", "{a: 0, b: 70000}", "value: R + 256*G + 65536*B"), tmp_path
    )
    assert "ids that no class of tiny stands for: 65543 (1 pixel);" in message
    message = refused(make_reader("ids", "{a: 0, b: 7}", "value: R - G - B*2"), tmp_path)
    assert "stands for: 5 (1 pixel);" in message


@pytest.mark.parametrize(
    ("kind", "formula", "channels"),
    [
        (GREY, "R + 256*G", "V"),
        (PALETTE, "R", "V"),
        (COLOUR, "V", "R, G, B"),
        (COLOUR, "R + A", "R, G, B"),
        (COLOUR_ALPHA, "A + V", "R, G, B, A"),
        (GREY_ALPHA, "V", "LA"),
    ],
)
def test_a_formula_of_a_channel_that_is_missing_is_refused(
    tmp_path: Path, kind: int, formula: str, channels: str
) -> None:
    values = np.zeros((2, 2, CHANNELS[kind]), dtype=int)
    write_png(tmp_path / "a.png", values, bits=8, kind=kind)
    assert refused(make_reader("ids", "{a: 0}", f"value: {formula}"), tmp_path) == (
        f"{tmp_path}/a.png: has the channels {channels}, but `value` is {formula!r}"
    )


def test_unmapped_ids_are_named_with_their_numbers_of_pixels(tmp_path: Path) -> None:
    # 4 lies between mapped ids, 9 and 200 beyond them.
    write_png(tmp_path / "a.png", np.array([[0, 4, 9, 9], [7, 200, 200, 200]]), bits=8)
    assert refused(make_reader("ids", "{a: 0, b: 7}"), tmp_path) == (
        f"{tmp_path}/a.png: ids that no class of tiny stands for: "
        "4 (1 pixel), 9 (2 pixels), 200 (3 pixels); "
        "add them to `classes`, with the meaning `ignore` if they are void"
    )


def test_an_unmapped_id_between_mapped_ones_is_found(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.array([[0, 4, 7]]), bits=8)
    assert "stands for: 4 (1 pixel);" in refused(make_reader("ids", "{a: 0, b: 7}"), tmp_path)


def test_at_most_five_unmapped_ids_are_named(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.arange(10)[None], bits=8)
    message = refused(make_reader("ids", "{a: 0}"), tmp_path)
    assert "5 (1 pixel);" in message
    assert "6 (" not in message


def test_negative_ids_do_not_count_from_the_end(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, -1, 5]], dtype=np.int32)).save(tmp_path / "a.tif")
    message = refused(make_reader("ids", "{a: 0, b: 5}"), tmp_path, "a.tif")
    assert "stands for: -1 (1 pixel);" in message


COLOURS = "{hair: [255, 0, 0], skin: ['#00ff00', [1, 2, 3]], background: [0, 0, 255]}"

PAINTED = np.array([[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (1, 2, 3)]], dtype=np.uint8)


@pytest.mark.parametrize("form", ["PNG", "PPM", "BMP", "TIFF"])
def test_colours_are_read_exactly(tmp_path: Path, form: str) -> None:
    Image.fromarray(PAINTED).save(tmp_path / "a.png", format=form)
    classes = make_reader("rgb", COLOURS).read(tmp_path, "a.png")
    assert classes.dtype == np.int16
    np.testing.assert_array_equal(classes, [[0, 1], [2, 1]])


def test_colours_with_alpha_are_read_without_it(tmp_path: Path) -> None:
    alpha = np.array([[0, 1], [128, 255]], dtype=np.uint8)
    Image.fromarray(np.dstack([PAINTED, alpha])).save(tmp_path / "a.png")
    classes = make_reader("rgb", COLOURS).read(tmp_path, "a.png")
    np.testing.assert_array_equal(classes, [[0, 1], [2, 1]])


ALPHA_CLASSES = "{glass: [9, 9, 9, 128], wall: ['#090909ff', [1, 2, 3, 255]], void: [0, 0, 0, 0]}"


def test_colours_of_four_parts_are_told_apart_by_alpha(tmp_path: Path) -> None:
    pixels = np.array([[(9, 9, 9, 255), (9, 9, 9, 128)], [(0, 0, 0, 0), (1, 2, 3, 255)]])
    Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "a.png")
    classes = make_reader("rgb", ALPHA_CLASSES).read(tmp_path, "a.png")
    np.testing.assert_array_equal(classes, [[1, 0], [2, 1]])


def test_a_picture_without_alpha_is_opaque(tmp_path: Path) -> None:
    Image.fromarray(np.array([[(9, 9, 9), (1, 2, 3)]], dtype=np.uint8)).save(tmp_path / "a.png")
    classes = make_reader("rgb", ALPHA_CLASSES).read(tmp_path, "a.png")
    np.testing.assert_array_equal(classes, [[1, 1]])


def test_unmapped_colours_of_four_parts_are_named_with_alpha(tmp_path: Path) -> None:
    pixels = np.array([[(9, 9, 9, 255), (9, 9, 9, 127)]], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    message = refused(make_reader("rgb", ALPHA_CLASSES), tmp_path)
    assert "stands for: #0909097f (1 pixel);" in message


def test_colours_within_the_tolerance_go_to_the_nearest_class(tmp_path: Path) -> None:
    # Of red and 20 less, a pixel in between is the nearer's; parts count one by one, not together.
    pixels = [[(255, 0, 0), (247, 8, 8), (235, 0, 0), (240, 0, 0), (246, 0, 0), (227, 8, 0)]]
    Image.fromarray(np.array(pixels, dtype=np.uint8)).save(tmp_path / "a.png")
    reader = make_reader("rgb", "{red: [255, 0, 0], dark: [235, 0, 0]}", "tolerance: 10")
    classes = reader.read(tmp_path, "a.png")
    assert classes.dtype == np.int16
    np.testing.assert_array_equal(classes, [[0, 0, 1, 1, 0, 1]])


def test_colours_beyond_the_tolerance_are_named_and_those_within_are_not(tmp_path: Path) -> None:
    pixels = [[(250, 0, 0), (0, 0, 0), (0, 0, 6), (0, 0, 6), (255, 255, 255), (249, 5, 5)]]
    Image.fromarray(np.array(pixels, dtype=np.uint8)).save(tmp_path / "a.png")
    reader = make_reader("rgb", "{red: [255, 0, 0], black: [0, 0, 0]}", "tolerance: 5")
    assert "stands for: #000006 (2 pixels), #f90505 (1 pixel), #ffffff (1 pixel);" in refused(
        reader, tmp_path
    )


def test_tolerance_holds_for_alpha_too(tmp_path: Path) -> None:
    pixels = np.array([[(9, 9, 9, 130), (8, 10, 9, 253), (1, 1, 1, 2)]], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    classes = make_reader("rgb", ALPHA_CLASSES, "tolerance: 2").read(tmp_path, "a.png")
    np.testing.assert_array_equal(classes, [[0, 1, 2]])


@given(data=st.data())
def test_tolerance_agrees_with_brute_force(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("colours")
    part = st.sampled_from([0, 1, 4, 5, 9, 250, 255])
    color = st.tuples(part, part, part)
    known = data.draw(st.lists(color, min_size=1, max_size=4, unique=True), label="classes")
    pixels = data.draw(st.lists(color, min_size=1, max_size=6), label="pixels")
    tolerance = data.draw(st.integers(0, 6), label="tolerance")
    Image.fromarray(np.array([pixels], dtype=np.uint8)).save(folder / "a.png")
    names = ", ".join(f"c{number}: {list(one)}" for number, one in enumerate(known))
    reader = make_reader("rgb", f"{{{names}}}", f"tolerance: {tolerance}")
    distance = np.abs(np.array(pixels)[:, None] - np.array(known)[None]).max(2)
    if (distance.min(1) > tolerance).any():
        assert "colours that no class" in refused(reader, folder)
        return
    (chosen,) = reader.read(folder, "a.png").tolist()
    assert [row[number] for row, number in zip(distance, chosen, strict=True)] == (
        distance.min(1).tolist()
    )


def test_colours_are_looked_up_in_a_palette(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 2))
    picture.putdata([2, 0, 1, 3])
    picture.putpalette([0, 255, 0, 0, 0, 255, 255, 0, 0, 1, 2, 3])
    picture.save(tmp_path / "a.png")
    classes = make_reader("rgb", COLOURS).read(tmp_path, "a.png")
    np.testing.assert_array_equal(classes, [[0, 1], [2, 1]])


@pytest.mark.parametrize("stray", [(0, 0, 0), (0, 255, 1), (254, 0, 0), (255, 255, 255)])
def test_unmapped_colours_are_named_with_their_numbers_of_pixels(
    tmp_path: Path, stray: tuple[int, int, int]
) -> None:
    picture = np.concatenate([PAINTED, np.full((3, 2, 3), stray, dtype=np.uint8)])
    Image.fromarray(picture).save(tmp_path / "a.png")
    assert refused(make_reader("rgb", COLOURS), tmp_path) == (
        f"{tmp_path}/a.png: colours that no class of tiny stands for: "
        f"#{bytes(stray).hex()} (6 pixels); "
        "add them to `classes`, with the meaning `ignore` if they are void"
    )


def test_a_grey_picture_has_no_colours(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), dtype=np.uint8)).save(tmp_path / "a.png")
    message = refused(make_reader("rgb", "{a: [0, 0, 0]}"), tmp_path)
    assert message == f"{tmp_path}/a.png: expected a colour picture, got mode L"


@pytest.mark.parametrize("content", [b"", b"not a picture at all", b"\x89PNG\r\n\x1a\n"])
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    message = refused(make_reader("ids", "{a: 0}"), tmp_path)
    assert message.startswith(f"{tmp_path}/a.png: not a readable picture: ")


def test_a_folder_in_place_of_a_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    message = refused(make_reader("ids", "{a: 0}"), tmp_path)
    assert message.startswith(f"{tmp_path}/a.png: not a readable picture: ")


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_picture_cut_short_anywhere_is_refused_not_filled_with_grey(
    tmp_path: Path, form: str
) -> None:
    path = tmp_path / "picture"
    noise = np.random.default_rng(0).integers(256, size=(24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, format=form)
    whole = path.read_bytes()
    trailer = 16 if form == "PNG" else 0  # a checksum and the end mark hold no pixels
    for length in range(0, len(whole) - trailer, 7):
        path.write_bytes(whole[:length])
        with pytest.raises(HarmonizeError, match=f"^{path}: not a readable picture: "):
            open_image(path)
    path.write_bytes(whole)
    assert open_image(path).size == (24, 24)
