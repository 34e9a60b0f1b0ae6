"""TIFF pictures of any bands: windows of every kind of file, scaled, reduced, and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from harmonize import HarmonizeError
from harmonize.config.channels import Channel
from harmonize.pictures import tiff_numbers
from harmonize.pictures.banded import BandedFile, as_colors, bands_of_colors
from harmonize.pictures.tiff_numbers import Window
from raster_files import bands, write

NAMES = ("a", "b", "c", "d", "e")
WHOLE = tuple(Channel(name, number + 1, (0, 255)) for number, name in enumerate(NAMES))
WINDOWS = (
    Window(0, 0, 50, 70),
    Window(7, 5, 33, 69),
    Window(49, 69, 50, 70),
    Window(16, 0, 32, 32),
)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "uint32", "float32", "float64"])
@pytest.mark.parametrize(
    "how",
    [
        {"rowsperstrip": 50},
        {"rowsperstrip": 3, "compression": "zlib", "predictor": True},
        {"tile": (16, 32), "compression": "zlib"},
        {"tile": (16, 16), "planarconfig": "separate"},
        {"rowsperstrip": 7, "planarconfig": "separate", "compression": "zlib"},
        {"tile": (32, 16), "bigtiff": True, "byteorder": ">"},
    ],
    ids=["strip", "strips", "tiles", "planar-tiles", "planar-strips", "big"],
)
def test_windows_are_what_tifffile_reads(tmp_path: Path, kind: str, how: dict[str, Any]) -> None:
    values = bands(kind=kind)
    if kind.startswith("float"):  # which tifffile writes by another package alone
        how = {key: value for key, value in how.items() if key != "predictor"}
    write(tmp_path / "a.tif", values, **how)
    whole = tifffile.imread(tmp_path / "a.tif")
    whole = whole if how.get("planarconfig") else np.moveaxis(whole, -1, 0)
    assert np.array_equal(whole, values)
    file = BandedFile.open(tmp_path / "a.tif", WHOLE, ("d", "a", "d"))
    for window in WINDOWS:
        rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
        expected = np.moveaxis(values[[3, 0, 3], rows, columns], 0, -1).astype(np.float32)
        assert np.array_equal(file.read(window), expected)


def test_a_window_reads_the_tiles_that_it_lies_in_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.tif", bands(), tile=(16, 32))
    read: list[int] = []
    stored = tiff_numbers._stored
    monkeypatch.setattr(
        tiff_numbers, "_stored", lambda page, place: (read.append(place), stored(page, place))[1]
    )
    BandedFile.open(tmp_path / "a.tif", WHOLE, NAMES).read(Window(17, 33, 32, 64))
    assert read == [4]  # the second of three in the second of four rows


def test_bands_are_scaled_by_their_range_and_by_their_type(tmp_path: Path) -> None:
    values = np.zeros((2, 3, 4), np.uint16)
    values[0, 0, 1], values[1, 0, :2] = 65535, (500, 2500)
    write(tmp_path / "a.tif", values)
    channels = (Channel("one", 1), Channel("two", 2, (500, 1500)))
    file = BandedFile.open(tmp_path / "a.tif", channels, ("two", "gone", "one"))
    levels = file.read(file.whole)
    assert levels[0, :2, 0].tolist() == [0, 510]
    assert np.isnan(levels[..., 1]).all()
    assert levels[0, :2, 2].tolist() == [0, 255]


@pytest.mark.parametrize(
    ("kind", "none"), [("uint16", 7), ("int16", -9999), ("float32", -9999.0), ("float32", "nan")]
)
def test_what_has_no_data_is_missing(tmp_path: Path, kind: str, none: Any) -> None:
    values = bands(kind=kind)
    values[1, 3, 4] = none
    values[2] = np.where(values[2] == none, 8, values[2])
    write(tmp_path / "a.tif", values, no_data=none)
    file = BandedFile.open(tmp_path / "a.tif", WHOLE, ("b", "c"))
    levels = file.read(file.whole)
    assert np.isnan(levels[3, 4, 0])
    assert not np.isnan(levels[..., 1]).any()


def test_infinite_numbers_are_missing(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", np.array([[1, np.inf, -np.inf]], np.float32))
    file = BandedFile.open(tmp_path / "a.tif", WHOLE[:1], ("a",))
    assert np.isnan(file.read(file.whole)).ravel().tolist() == [False, True, True]


def test_a_reduced_pixel_is_the_mean_of_what_is_known_of_its_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = bands(kind="float32")
    values[0, :4, :4] = np.nan
    values[0, 4, 0] = np.nan
    write(tmp_path / "a.tif", values, tile=(16, 16))
    monkeypatch.setattr("harmonize.pictures.banded._STRIPE", 100)
    file = BandedFile.open(tmp_path / "a.tif", WHOLE, ("a", "c"))
    found = file.read(file.whole, 4)
    assert found.shape == (13, 18, 2)
    assert np.isnan(found[0, 0, 0])
    for band, place in ((0, 0), (2, 1)):
        for row, column in ((1, 0), (3, 4), (12, 17), (12, 2)):
            block = values[band, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert found[row, column, place] == pytest.approx(np.nanmean(block))
    part = file.read(Window(8, 16, 30, 70), 4)
    assert np.allclose(part[:5], found[2:7, 4:], rtol=1e-6)


def test_a_colour_picture_has_red_green_and_blue() -> None:
    colors = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    found = bands_of_colors(colors, ("blue", "nir", "red"))
    assert np.array_equal(found[..., [0, 2]], colors[..., [2, 0]])
    assert np.isnan(found[..., 1]).all()


def test_bands_are_shown_as_colours_if_they_are_such() -> None:
    assert as_colors(np.full((2, 2, 3), 9, np.uint8), ("x",))[0, 0].tolist() == [9, 9, 9]
    ramp = np.linspace(0, 1000, 200, dtype=np.float32).reshape(10, 20)
    none = np.full_like(ramp, np.nan)
    shown = as_colors(np.dstack([ramp, none, -ramp, ramp]), ("blue", "nir", "red", "green"))
    assert shown[0, 0].tolist() == [255, 0, 0]
    assert shown[-1, -1].tolist() == [0, 255, 255]
    assert as_colors(np.dstack([none, ramp]), ("red", "nir"))[-1, -1].tolist() == [255, 255, 255]
    assert not as_colors(none[..., None], ("red",)).any()


def one_line(path: Path, channels: tuple[Channel, ...] = WHOLE) -> str:
    with pytest.raises(HarmonizeError) as caught:
        BandedFile.open(path, channels, NAMES).read(Window(0, 0, 10, 10))
    (line,) = caught.value.problems
    return line.removeprefix(f"{path}: ")


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    assert one_line(path) == (
        "no such file; `channels` of the mapping names the bands of TIFF pictures"
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    assert one_line(path).startswith("is no TIFF file; `channels` of the mapping")
    write(path, bands(number=4))
    assert one_line(path) == "has 4 bands, but `channels` says that e is band 5"
    write(path, bands(kind="float32"))
    assert one_line(path, (Channel("a", 1),)) == (
        "its numbers are of type float32; give the band a a range in `channels` of the mapping: "
        "what becomes 0 and what becomes 1, such as range: [0, 1]"
    )
    write(path, bands(kind="complex64"))
    assert one_line(path).startswith("numbers of a kind that is not read (SampleFormat 6, 64 bits)")
    write(path, bands(), extratags=[(274, "H", 1, 6, True)])
    assert one_line(path) == (
        "its orientation is 6; save it upright: `gdal_translate a.tif upright.tif`"
    )
    tifffile.imwrite(
        path, bands(kind="uint8")[0], photometric="palette", colormap=np.zeros((3, 256), np.uint16)
    )
    assert one_line(path, WHOLE[:1]) == (
        "its colours are stored as a palette, not in bands; save it as RGB"
    )


def test_a_file_cut_short_is_refused_where_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, bands(), tile=(16, 32))
    path.write_bytes(path.read_bytes()[:-500])
    file = BandedFile.open(path, WHOLE, NAMES)
    assert file.read(Window(0, 0, 10, 10)).shape == (10, 10, 5)
    with pytest.raises(HarmonizeError, match="image file is truncated"):
        file.read(Window(40, 60, 50, 70))


def test_one_huge_strip_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.tif", bands(), rowsperstrip=50)
    monkeypatch.setattr("harmonize.pictures.tiff_numbers.MOST_PIXELS", 3000)
    assert one_line(tmp_path / "a.tif") == (
        "is stored in strips or tiles of 70 x 50 pixels, more than the 0 million that are read at "
        "once; save it in small tiles: `gdal_translate -co TILED=YES a.tif tiled.tif`"
    )


def test_a_file_beyond_all_windows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.tif", bands())
    monkeypatch.setattr("harmonize.pictures.tiff.MOST_OF_WINDOWS", 3000)
    assert "says that it has 70 x 50 pixels" in one_line(tmp_path / "a.tif")
