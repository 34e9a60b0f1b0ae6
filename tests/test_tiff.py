"""TIFF files: the numbers that are stored, whatever their kind."""

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
    COMPRESS,
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


# No files of separate channels are of photometric interpretation 6.
TILES = [(*one, False) for one in ((1, 0), (1, 1), (3, 2), (3, 6))]
TILES += [(*one, True) for one in ((1, 0), (1, 1), (3, 2))]


@pytest.mark.parametrize(("channels", "photometric", "separate"), TILES)
def test_jpeg_tiles_are_put_together(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    photometric: int,
    separate: bool,
) -> None:
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
