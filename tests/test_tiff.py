"""TIFF labels: the numbers that are stored, whatever their kind."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.pictures.reading import header_size
from harmonize.pictures.stored import read_stored
from harmonize.pictures.tiff import read_tiff
from label_files import make_reader, refused
from tiff_files import (
    COLOR_MAP,
    COMPRESS,
    COUNTS,
    DEFLATE,
    LZMA,
    LZW,
    NO_DATA,
    ORIENTATION,
    PACK_BITS,
    ROWS,
    SUBFILE,
    ZSTD,
    Kind,
    write_tiff,
)

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]
ID = np.arange(20 * 35).reshape(20, 35).astype(np.uint8) % 7
MASK = (ID > 3, Kind(bits=1, photometric=4, tags={SUBFILE: [4]}))


def numbers(kind: str, channels: int = 1) -> np.ndarray:
    """Return numbers of which no byte is always the same, with the greatest and smallest."""
    shape = (20, 35, channels)[: 2 if channels == 1 else 3]
    random = np.random.default_rng(0)
    if kind[0] == "f":
        return (random.integers(-4000, 4000, shape) / 4).astype(kind)
    limits = np.iinfo(kind)
    found = random.integers(limits.min, limits.max, shape, dtype=kind, endpoint=True)
    found.flat[:2] = limits.min, limits.max
    return found


def check(path: Path, values: np.ndarray, kind: Kind) -> None:
    """Assert that a file of a kind holds what was written."""
    write_tiff(path, values, kind)
    found = read_tiff(path).values
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)
    assert header_size(path) == (values.shape[1], values.shape[0])


@pytest.mark.parametrize("compression", COMPRESS)
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_read_in_either_byte_order(
    tmp_path: Path, kind: str, order: str, compression: int
) -> None:
    check(tmp_path / "a.tif", numbers(kind), Kind(order, compression, rows=6))
    check(tmp_path / "a.tif", numbers(kind, 3), Kind(order, compression, tile=(16, 32)))


@pytest.mark.parametrize("compression", [DEFLATE, LZW, LZMA, ZSTD])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", TYPES)
def test_differences_are_summed(tmp_path: Path, kind: str, order: str, compression: int) -> None:
    predictors = [2, 3] if kind[0] == "f" else [2]
    for predictor in predictors:
        for channels in (1, 3):
            given = Kind(order, compression, rows=6, predictor=predictor)
            check(tmp_path / "a.tif", numbers(kind, channels), given)


@pytest.mark.parametrize("compression", [1, PACK_BITS])
def test_a_predictor_that_the_compression_does_not_have_says_nothing(
    tmp_path: Path, compression: int
) -> None:
    write_tiff(tmp_path / "a.tif", ID, Kind(compression=compression, tags={317: [2]}))
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif").values, ID)


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("big", [False, True])
def test_separate_channels_and_big_files(
    tmp_path: Path, tile: tuple[int, int] | None, channels: int, big: bool
) -> None:
    values = numbers("u2", channels)
    for order in "<>":
        given = Kind(order, DEFLATE, rows=6, tile=tile, separate=True, big=big, photometric=2)
        check(tmp_path / "a.tif", values, given)


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8, 10, 12, 14, 16])
def test_any_number_of_bits_is_read_as_stored_also_where_zero_means_white(
    tmp_path: Path, bits: int, photometric: int
) -> None:
    kind = np.uint8 if bits <= 8 else np.uint16
    values = np.random.default_rng(0).integers(0, 1 << bits, (9, 13)).astype(kind)
    for order in "<>":
        for tile in (None, (16, 16)):
            for reverse in (False, True):
                given = Kind(order, bits=bits, tile=tile, reversed_bits=reverse, rows=4)
                given = Kind(**{**given.__dict__, "photometric": photometric})
                check(tmp_path / "a.tif", values, given)


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_fax_has_ones_where_it_is_black(tmp_path: Path, compression: str, photometric: int) -> None:
    # Pillow stores the complement where 0 is white, so that the same picture is seen.
    seen = np.random.default_rng(0).integers(0, 2, (20, 35)).astype(bool)
    info = {262: photometric, ROWS: 6}
    Image.fromarray(seen).save(tmp_path / "a.tif", compression=compression, tiffinfo=info)
    expected = seen if photometric else ~seen
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif").values, expected)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_inside_is_decoded_as_pillow_does(tmp_path: Path, mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((70, 50)).convert(mode)
    picture.save(tmp_path / "a.tif", compression="jpeg", tiffinfo={ROWS: 16})
    stored = read_stored(tmp_path / "a.tif")
    assert stored.mode == mode
    with Image.open(tmp_path / "a.tif") as decoded:
        np.testing.assert_array_equal(stored.values, np.asarray(decoded))


@pytest.mark.parametrize(("channels", "photometric"), [(1, 0), (1, 1), (3, 2), (3, 6)])
@pytest.mark.parametrize("separate", [False, True])
def test_jpeg_tiles_are_put_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    photometric: int,
    separate: bool,
) -> None:
    if separate and photometric == 6:
        pytest.skip("such files are not written")
    shape = (16, 16) if channels == 1 or separate else (16, 16, 3)

    def tile(data: bytes) -> bytes:
        stream = io.BytesIO()
        keep_rgb = photometric == 2 and not separate
        picture = Image.fromarray(np.frombuffer(data, np.uint8).reshape(shape))
        picture.save(stream, "JPEG", quality=95, keep_rgb=keep_rgb)
        return stream.getvalue()

    monkeypatch.setitem(COMPRESS, 7, tile)
    smooth = np.linspace(0, 200, 20 * 35 * channels).astype(np.uint8).reshape(20, 35, channels)
    kind = Kind(compression=7, tile=(16, 16), photometric=photometric, separate=separate)
    write_tiff(tmp_path / "a.tif", np.squeeze(smooth), kind, MASK)
    stored = read_stored(tmp_path / "a.tif")
    assert stored.mode == ("L" if channels == 1 else "RGB")
    inside = stored.values[:16, :32].astype(int) - np.squeeze(smooth)[:16, :32]
    assert abs(inside).max() <= 8
    sparse = Kind(**{**kind.__dict__, "without": (0,)})
    write_tiff(tmp_path / "b.tif", np.squeeze(smooth), sparse)
    expected = stored.values.copy()
    expected.reshape(20, 35, channels)[:16, :16, : 1 if separate else None] = 0
    np.testing.assert_array_equal(read_stored(tmp_path / "b.tif").values, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_label_is_turned_as_the_file_says(tmp_path: Path, orientation: int) -> None:
    write_tiff(tmp_path / "a.tif", ID, Kind(tags={ORIENTATION: [orientation]}))
    turns = {
        1: ID,
        2: np.fliplr(ID),
        3: np.rot90(ID, 2),
        4: np.flipud(ID),
        5: ID.T,
        6: np.rot90(ID, -1),
        7: np.rot90(ID, 2).T,
        8: np.rot90(ID),
    }
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif").values, turns[orientation])
    assert header_size(tmp_path / "a.tif") == turns[orientation].shape[::-1]


SMALL = (ID[::2, ::2], Kind(tags={SUBFILE: [1]}))
SMALL_MASK = (ID[::2, ::2] > 3, Kind(bits=1, photometric=4, tags={SUBFILE: [5]}))


def test_overviews_and_an_internal_mask_are_passed_over(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.png", ID, Kind(tile=(16, 16)), MASK, SMALL, SMALL_MASK)
    reader = make_reader("ids", "{a: [0, 1, 2], b: [3, 4, 5], c: 6}")
    np.testing.assert_array_equal(reader.read(tmp_path, "a.png"), ID // 3)


def test_several_pictures_are_refused(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.png", ID, Kind(), SMALL, (ID, Kind()))
    told = f"{tmp_path}/a.png: holds 3 pictures; save the one that the label is of alone"
    assert refused(make_reader("ids", "{a: 0}"), tmp_path) == told
    with pytest.raises(HarmonizeError, match="holds 3 pictures"):
        header_size(tmp_path / "a.png")


@pytest.mark.parametrize("compression", [1, DEFLATE, LZW])
@pytest.mark.parametrize(("no_data", "there"), [(None, 0), ("255", 255), ("1000", 0)])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_what_a_sparse_file_leaves_out_has_its_no_data_value_or_0(
    tmp_path: Path, compression: int, no_data: str | None, there: int, tile: tuple[int, int] | None
) -> None:
    tags = {} if no_data is None else {NO_DATA: no_data}
    given = Kind(compression=compression, tile=tile, rows=16, without=(1,), tags=tags)
    write_tiff(tmp_path / "a.tif", ID, given)
    expected = ID.copy()
    if tile:
        expected[:16, 16:32] = there
    else:
        expected[16:] = there
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif").values, expected)


def test_a_file_that_leaves_out_everything_has_nothing_but_no_data(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", ID.astype(np.int16), Kind(without=(0,), tags={NO_DATA: "-9999"}))
    assert (read_tiff(tmp_path / "a.tif").values == -9999).all()


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
    assert "stands for: 9223372036854775807 (1 pixels)" in told


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
        "in the mapping how ids are made of them, such as `value: V*255` of 0 to 1, or "
        "`value: V//1` to cut the fractions off"
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
            "own there, and give it a class with the meaning `ignore`"
        )


@pytest.mark.parametrize("photometric", [1, 2])
def test_channels_have_the_names_of_colours(tmp_path: Path, photometric: int) -> None:
    values = np.array([[(0, 1, 2), (1, 300, 65535)]], dtype=np.uint16)
    write_tiff(tmp_path / "a.png", values, Kind(photometric=photometric))
    reader = make_reader("ids", "{a: 2, b: 95835}", "value: B + G*101")
    assert "stands for: 103 (1 pixels)" in refused(reader, tmp_path)
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


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "a.png"
    noise = np.random.default_rng(0).integers(0, 1 << 16, (20, 35)).astype(np.uint16)
    write_tiff(path, noise, Kind(compression=compression, rows=6))
    whole = path.read_bytes()
    end = 8  # the link to no further page, whose zeros are missed by nobody
    for length in range(4, len(whole) - end, 97):
        path.write_bytes(whole[:length])
        assert refused(make_reader("ids", "{a: 0}"), tmp_path).startswith(
            f"{path}: not a readable picture: "
        )


def test_a_strip_that_holds_too_little_is_refused(tmp_path: Path) -> None:
    for compression in (DEFLATE, LZMA, LZW, PACK_BITS, ZSTD):
        path = tmp_path / "a.png"
        write_tiff(path, ID[:10], Kind(compression=compression))
        data = path.read_bytes()
        short = struct.pack("<HHIHH", 257, 3, 1, 10, 0)
        assert data.count(short) == 1
        data = data.replace(short, struct.pack("<HHIHH", 257, 3, 1, 11, 0))
        data = data.replace(
            struct.pack("<HHIHH", ROWS, 3, 1, 10, 0), struct.pack("<HHIHH", ROWS, 3, 1, 11, 0)
        )
        path.write_bytes(data)
        assert "not a readable picture" in refused(make_reader("ids", "{a: 0}"), tmp_path)
