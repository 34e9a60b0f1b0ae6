"""TIFF labels: ids, colours and masks, and what is refused."""

from pathlib import Path

import numpy as np
import pytest

from label_files import make_reader, refused
from tiff_files import COLOR_MAP, COUNTS, DEFLATE, LZW, ROWS, Kind, write_tiff

ID = np.arange(20 * 35).reshape(20, 35).astype(np.uint8) % 7


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("kind", "void"), [("i2", -1), ("i2", -9999), ("i4", -(1 << 31)), ("u4", (1 << 32) - 1)]
)
def test_every_id_can_be_void(tmp_path: Path, kind: str, void: int, order: str) -> None:
    values = np.array([[0, 5, void], [void, 0, 0]]).astype(kind)
    write_tiff(tmp_path / "a.png", values, Kind(order, LZW))
    told = refused(make_reader("ids", "{a: 0, b: 5}"), tmp_path)
    assert told == (
        f"{tmp_path}/a.png: ids that no class of tiny stands for: {void} (2 pixels); "
        "add them to `classes`, with the meaning `ignore` if they are void"
    )
    reader = make_reader("ids", f"{{a: 0, b: 5, void: {void}}}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 1, 2], [2, 0, 0]])


def test_ids_from_2_to_the_31_are_told_apart(tmp_path: Path) -> None:
    values = np.array([[1 << 31, (1 << 31) + 1, (1 << 32) - 1, 0]], dtype=np.uint32)
    write_tiff(tmp_path / "a.png", values, Kind())
    reader = make_reader("ids", "{a: 2147483648, b: 2147483649, c: 4294967295, d: 0}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 1, 2, 3]])


def test_numbers_of_64_bits_do_not_wrap_to_negative_ids(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.png", np.array([[0, (1 << 64) - 1]], dtype=np.uint64), Kind())
    told = refused(make_reader("ids", "{a: 0, void: -1}"), tmp_path)
    assert "stands for: 9223372036854775807 (1 pixel)" in told


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_whole_numbers_in_floats_are_ids(tmp_path: Path, kind: str) -> None:
    write_tiff(tmp_path / "a.png", np.array([[0, 5, -999]]).astype(kind), Kind())
    reader = make_reader("ids", "{a: 0, b: 5, void: -999}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 1, 2]])


def test_fractions_need_a_formula_that_makes_ids_of_them(tmp_path: Path) -> None:
    values = (np.array([[0, 1, 2, 255]]) / 255).astype(np.float32)
    write_tiff(tmp_path / "a.png", values, Kind())
    classes = "{a: 0, b: 1, c: 2, d: 255}"
    assert refused(make_reader("ids", classes), tmp_path) == (
        f"{tmp_path}/a.png: holds numbers that are not whole, such as 0.00392157 (2 pixels); say "
        "in the mapping how ids are made of them: `value: V*255`"
    )
    by_factor = make_reader("ids", classes, "value: V*255")
    np.testing.assert_array_equal(by_factor.read(tmp_path, "a.png"), [[0, 1, 2, 3]])
    cut = make_reader("ids", classes, "value: V//1")
    np.testing.assert_array_equal(cut.read(tmp_path, "a.png"), [[0, 0, 0, 1]])
    assert "such as 0.392157 (2 pixels)" in refused(
        make_reader("ids", classes, "value: V*100"), tmp_path
    )


def test_what_is_no_number_is_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.png", np.array([[0, np.nan, np.inf]], np.float32), Kind())
    for more in ("", "value: V*255"):
        assert refused(make_reader("ids", "{a: 0}", more), tmp_path) == (
            f"{tmp_path}/a.png: holds no number (NaN or infinity) in 2 pixels; write an id of its "
            "own there (`gdalwarp -ot Int32 -srcnodata nan -dstnodata -9999 IN OUT`), and give it "
            "a class with the meaning `ignore`"
        )


def test_no_data_far_beyond_ids_is_refused_with_what_helps(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.png", np.array([[0, -3.4e38]], np.float32), Kind())
    told = refused(make_reader("ids", "{a: 0}"), tmp_path)
    assert "holds -3.4e+38, which is no id, in 1 pixel; write an id of its own there (`g" in told
    assert "-srcnodata -3.39999995e+38 -dstnodata" in told


@pytest.mark.parametrize(
    ("values", "value"),
    [
        ([0, 1 / 3, 2 / 3, 1], "V*3"),
        ([0, 0.5], "V*2"),
        ([0.99999, 2.00001], "V*1"),
        ([0.1234567, 0.7654321, 2.9], "V//1"),
    ],
)
def test_the_formula_that_is_proposed_for_fractions_reads_them(
    tmp_path: Path, values: list[float], value: str
) -> None:
    write_tiff(tmp_path / "a.png", np.array([values]), Kind())
    classes = "{a: 0, b: 1, c: 2, d: 3}"
    assert f"`value: {value}`" in refused(make_reader("ids", classes), tmp_path)
    found = make_reader("ids", classes, f"value: {value}").read(tmp_path, "a.png")
    factor = float(value[2:]) if "*" in value else 1.0
    np.testing.assert_array_equal(
        found,
        np.array([values]) * factor // 1 if "//" in value else np.rint(np.array([values]) * factor),
    )


def test_a_formula_is_proposed_for_numbers_beyond_ids_that_reads_them(tmp_path: Path) -> None:
    least = -(1 << 63)
    write_tiff(tmp_path / "a.png", np.array([[0, 1, least]]), Kind())
    told = refused(make_reader("ids", "{a: 0, b: 1}"), tmp_path)
    rest = least % 1000
    assert told.endswith(
        f"ids reach from -2147483648 to 4294967295; say `value: V%1000`, which makes {rest} of the "
        "others, and add them to `classes`, with the meaning `ignore` if they are void"
    )
    reader = make_reader("ids", f"{{a: 0, b: 1, void: {rest}}}", "value: V%1000")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 1, 2]])


@pytest.mark.parametrize("photometric", [1, 2])
def test_channels_have_the_names_of_colours(tmp_path: Path, photometric: int) -> None:
    values = np.array([[(0, 1, 2), (1, 300, 65535)]], dtype=np.uint16)
    write_tiff(tmp_path / "a.png", values, Kind(photometric=photometric))
    reader = make_reader("ids", "{a: 2, b: 95835}", "value: B + G*101")
    assert "stands for: 103 (1 pixel)" in refused(reader, tmp_path)
    reader = make_reader("ids", "{a: 2, b: 65535}", "value: B")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[0, 1]])


@pytest.mark.parametrize("depth", [8, 16])
def test_colours_of_a_palette_and_its_ids(tmp_path: Path, depth: int) -> None:
    colors = np.zeros((256, 3), int)
    colors[:3] = [(255, 0, 0), (0, 255, 0), (1, 2, 3)]
    colors *= 257 if depth == 16 else 1  # some writers forget that palettes have 16 bits
    tags = {COLOR_MAP: colors.T.ravel().tolist()}
    write_tiff(tmp_path / "a.png", np.array([[2, 1, 0]], np.uint8), Kind(photometric=3, tags=tags))
    rgb = make_reader("rgb", "{a: [255, 0, 0], b: [0, 255, 0], c: [1, 2, 3]}")
    np.testing.assert_array_equal(rgb.read(tmp_path, "a.png"), [[2, 1, 0]])
    ids = make_reader("ids", "{a: 1, b: 2, c: 0}")
    np.testing.assert_array_equal(ids.read(tmp_path, "a.png"), [[1, 0, 2]])


@pytest.mark.parametrize("kind", ["u1", "u2"])
def test_colours_are_those_of_eight_bits(tmp_path: Path, kind: str) -> None:
    values = np.array([[(255, 0, 9), (1, 2, 3)]]) * (1 if kind == "u1" else 257)
    write_tiff(tmp_path / "a.png", values.astype(kind), Kind(photometric=2, separate=True))
    reader = make_reader("rgb", "{a: [1, 2, 3], b: [255, 0, 9]}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), [[1, 0]])


def test_a_palette_may_have_more_than_256_colours(tmp_path: Path) -> None:
    colors = np.zeros((1 << 16, 3), int)
    colors[[0, 256, 65535]] = [(1, 2, 3), (9, 8, 7), (255, 255, 255)]
    tags = {COLOR_MAP: (colors * 257).T.ravel().tolist()}
    values = np.array([[0, 256, 65535]], np.uint16)
    write_tiff(tmp_path / "a.png", values, Kind(photometric=3, tags=tags))
    rgb = make_reader("rgb", "{a: [1, 2, 3], b: [9, 8, 7], c: '#ffffff'}")
    np.testing.assert_array_equal(rgb.read(tmp_path, "a.png"), [[0, 1, 2]])


@pytest.mark.parametrize(
    ("values", "kind", "told"),
    [
        (ID, Kind(), "expected a colour picture, got mode L"),
        (ID.astype(np.int16), Kind(), "expected a colour picture, got mode int16"),
        (ID, Kind(bits=4), "expected a colour picture, got mode uint4"),
        (np.zeros((2, 2, 2), np.uint8), Kind(), "expected a colour picture, got mode LA"),
        (np.zeros((2, 2, 3), np.uint8), Kind(photometric=8), "expected a colour picture, got mod"),
        (np.zeros((2, 2, 2), np.uint8), Kind(photometric=3), "expected a colour picture, got mod"),
        (
            np.zeros((2, 2, 3), np.float32),
            Kind(photometric=2),
            "expected colours of 8 bits, got float32",
        ),
        (
            np.zeros((2, 2, 3), np.uint16) + np.uint16(300),
            Kind(photometric=2),
            "its colours have 16 bits and are no colours of 8 bits times 257, such as [300, 300, 3",
        ),
        (ID, Kind(photometric=3), "not a readable picture: its palette lacks colours"),
        (
            ID,
            Kind(photometric=3, tags={COLOR_MAP: [0] * 12}),
            "not a readable picture: its palette lacks colours",
        ),
    ],
)
def test_what_are_no_colours_is_refused(
    tmp_path: Path, values: np.ndarray, kind: Kind, told: str
) -> None:
    write_tiff(tmp_path / "a.png", values, kind)
    message = refused(make_reader("rgb", "{a: [0, 0, 0]}"), tmp_path)
    assert message.startswith(f"{tmp_path}/a.png: {told}")


def test_masks_are_the_stored_numbers(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a_x.png", ID[:2] // 6, Kind(bits=1, photometric=0))
    write_tiff(tmp_path / "a_y.png", (ID[:2] == 5).astype(np.int32) * 70000, Kind())
    reader = make_reader("masks", "{x: x, y: y, rest: ~}")
    expected = np.select([ID[:2] == 5, ID[:2] == 6], [1, 0], 2)
    np.testing.assert_array_equal(reader.read(tmp_path, "a_{class}.png"), expected)


def test_soft_masks_have_eight_bits(tmp_path: Path) -> None:
    for number in range(2):
        values = np.array([[9, 200]] if number else [[10, 100]], np.uint8)
        write_tiff(tmp_path / f"a_{number}.png", values, Kind(photometric=0))
    reader = make_reader("soft_masks", "{a: 0, b: 1}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a_{class}.png"), [[0, 1]])
    write_tiff(tmp_path / "a_1.png", np.array([[1, 2]], np.uint8), Kind(bits=4))
    told = refused(reader, tmp_path, "a_{class}.png")
    assert told == f"{tmp_path}/a_1.png: expected an 8-bit grey mask, got mode uint4"


COMPLEX = "numbers of a kind that is not read (SampleFormat 5, 32 bits); save whole numbers"
SAVE = "of 8, 16 or 32 bits: `gdal_translate -ot Int32 a.png label.tif`"


@pytest.mark.parametrize(
    ("values", "kind", "told"),
    [
        (ID.astype(np.uint32), Kind(tags={339: [5]}), f"{COMPLEX} {SAVE}"),
        (
            np.zeros((2, 2, 5), np.uint8),
            Kind(),
            "has 5 channels; save the one with the ids alone: `gdal_translate -b 1 a.png",
        ),
        (
            ID,
            Kind(tags={259: [34887]}),
            "its compression LERC is not read; save it with another: "
            "`gdal_translate -co COMPRESS=DEFLATE a.png label.tif`",
        ),
        (
            np.zeros((2, 2, 3), np.uint8),
            Kind(photometric=6),
            "its colours are stored as YCbCr; save it as RGB",
        ),
        (ID, Kind(tags={COUNTS: [20 * 35 + 9999]}), "not a readable picture: image file is trunc"),
        (ID, Kind(tags={COUNTS: [99]}), "not a readable picture: image file is truncated"),
        (ID, Kind(tags={32997: [2]}), "not a readable picture: no flat picture"),
        (ID, Kind(compression=DEFLATE, tags={317: [9]}), "not a readable picture: predictor 9"),
        (ID, Kind(tags={ROWS: [4]}), "not a readable picture: 1 strips or tiles"),
        (
            ID,
            Kind(tags={256: [60000], 257: [60000]}),
            "says that it has 60000 x 60000 pixels, more than the 268 million that are read;",
        ),
    ],
)
def test_what_is_not_read_is_refused_in_one_line(
    tmp_path: Path, values: np.ndarray, kind: Kind, told: str
) -> None:
    write_tiff(tmp_path / "a.png", values, kind)
    message = refused(make_reader("ids", "{a: 0}", "value: V"), tmp_path)
    assert message.startswith(f"{tmp_path}/a.png: {told}")
    assert "\n" not in message
