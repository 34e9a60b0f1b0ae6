"""Answers for GeoTIFF files: they lie where their pictures lie, and are those of other files."""

import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from harmonize import HarmonizeError
from harmonize.api.run import Run
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.inference.predict_options import PredictOptions
from harmonize.inference.read_as import choose_channels
from harmonize.inference.write_answers import Output
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.pipeline.predict_run import predict_run
from harmonize.pipeline.train import train
from raster_files import bands, scenes_config, write, write_scenes

rasterio = pytest.importorskip("rasterio")
PLACE = {
    "crs": "EPSG:32633",
    "transform": (0.5, 0.1, 500000.25, -0.1, -0.5, 5200000.75),
}
CORNERS = ((0, 0), (0, 70), (50, 0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_scenes(tmp_path_factory.mktemp("scenes"))
    train(scenes_config(folder, folder / "run", "evaluate.size=full"), name="scenes")
    return folder / "run"


def write_geotiff(path: Path, values: np.ndarray, **how: Any) -> None:
    """Write bands (C, H, W) by rasterio."""
    count, height, width = values.shape
    place = {"crs": PLACE["crs"], "transform": rasterio.Affine(*PLACE["transform"])} | how
    place = {key: value for key, value in place.items() if value is not None}
    tags = place.pop("tags", {})
    points = place.pop("gcps", None)
    with (
        warnings.catch_warnings(action="ignore"),  # of files without a transform
        rasterio.open(
            path,
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=count,
            dtype=values.dtype,
            tiled=True,
            blockxsize=16,
            blockysize=16,
            **place,
        ) as file,
    ):
        file.update_tags(**tags)
        if points is not None:
            file.gcps = points
        file.write(values)


def answered(run: Path, folder: Path, picture: Path, **options: Any) -> Path:
    options = {"cpu": True} | options
    predict_run(run, [str(picture)], Output(folder / "out"), PredictOptions(**options))
    return folder / "out" / f"{picture.stem}.tif"


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_the_answer_lies_where_the_picture_lies(run: Path, tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", bands())
    write(tmp_path / "plain.tif", bands())
    with rasterio.open(answered(run, tmp_path, tmp_path / "a.tif")) as found:
        assert found.crs == rasterio.CRS.from_string(PLACE["crs"])
        assert tuple(found.transform)[:6] == PLACE["transform"]
        assert found.shape == (50, 70)
        assert found.colormap(1)[0][3] == 255
        ids = found.read(1)
    answered(run, tmp_path, tmp_path / "plain.tif")
    assert np.array_equal(ids, pixels(tmp_path / "out/plain.png"))
    assert not list((tmp_path / "out").glob("*.part"))
    assert not list((tmp_path / "out").glob("*.xml"))


@pytest.mark.parametrize(
    "how",
    [
        {"tags": {"AREA_OR_POINT": "Point"}},
        {"crs": None},
        {
            "crs": None,
            "transform": None,
            "gcps": (
                [
                    rasterio.control.GroundControlPoint(row, column, 10 + column, 50 - row, 0)
                    for row, column in CORNERS
                ],
                rasterio.CRS.from_epsg(4326),
            ),
        },
    ],
    ids=["points", "no crs", "gcps"],
)
def test_every_way_to_say_where_is_kept(run: Path, tmp_path: Path, how: dict[str, Any]) -> None:
    write_geotiff(tmp_path / "a.tif", bands(), **how)
    with (
        rasterio.open(tmp_path / "a.tif") as asked,
        rasterio.open(answered(run, tmp_path, tmp_path / "a.tif")) as found,
    ):
        assert found.transform == asked.transform
        assert found.crs == asked.crs
        assert found.tags().get("AREA_OR_POINT") == asked.tags().get("AREA_OR_POINT")
        for file in (asked, found):
            places = [(one.row, one.col, one.x, one.y, one.z) for one in file.gcps[0]]
            assert places == [(r, c, 10 + c, 50 - r, 0) for r, c in CORNERS[: len(places)]]
        assert len(found.gcps[0]) == len(asked.gcps[0]) == (3 if "gcps" in how else 0)
        assert found.gcps[1] == asked.gcps[1]


@pytest.mark.parametrize("size", ["full", 24])
@pytest.mark.parametrize("flip", [False, True])
def test_a_large_picture_is_answered_as_a_whole_one(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int | str, flip: bool
) -> None:
    write_geotiff(tmp_path / "a.tif", bands(300, 70))
    with rasterio.open(answered(run, tmp_path, tmp_path / "a.tif", size=size, flip=flip)) as file:
        whole = file.read(1)
    monkeypatch.setattr("harmonize.inference.read_pictures.LARGE", 10)
    (tmp_path / "more").mkdir()
    monkeypatch.setattr("harmonize.inference.read_pictures._LONGEST_SHOWN", 30)
    path = answered(run, tmp_path / "more", tmp_path / "a.tif", size=size, flip=flip)
    with rasterio.open(path) as file:
        assert np.array_equal(file.read(1), whole)
        assert tuple(file.transform)[:6] == PLACE["transform"]
    assert len(pixels(path.with_suffix(".overlay.jpg"))) > 30


def test_of_a_large_picture_nothing_is_kept_for_gradients(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_geotiff(tmp_path / "a.tif", bands(300, 70))
    monkeypatch.setattr("harmonize.inference.read_pictures.LARGE", 10)
    kept: list[bool] = []
    whole = TiledNetwork.logits

    def logits(network: TiledNetwork, picture: torch.Tensor) -> torch.Tensor:
        found = whole(network, picture)
        kept.append(found.requires_grad)
        return found

    monkeypatch.setattr(TiledNetwork, "logits", logits)
    answered(run, tmp_path, tmp_path / "a.tif", size="full")
    assert kept
    assert not any(kept)


def test_a_large_picture_that_lies_nowhere_is_answered_by_png(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.tif", bands())
    answered(run, tmp_path, tmp_path / "a.tif")
    whole = pixels(tmp_path / "out/a.png")
    monkeypatch.setattr("harmonize.inference.read_pictures.LARGE", 10)
    answered(run, tmp_path, tmp_path / "a.tif")
    assert np.array_equal(pixels(tmp_path / "out/a.png"), whole)


def test_an_answer_is_replaced_by_an_answer_alone(run: Path, tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", bands())
    path = answered(run, tmp_path, tmp_path / "a.tif")
    answered(run, tmp_path, tmp_path / "a.tif")
    write_geotiff(path, bands(number=1))
    with pytest.raises(HarmonizeError, match="exists already and is no answer of harmonize"):
        answered(run, tmp_path, tmp_path / "a.tif")


def test_a_missing_package_is_named(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_geotiff(tmp_path / "a.tif", bands())
    monkeypatch.setitem(sys.modules, "rasterio", None)
    with pytest.raises(HarmonizeError) as caught:
        answered(run, tmp_path, tmp_path / "a.tif")
    assert list(caught.value.problems) == [
        f"{tmp_path}/a.tif: the answer for such a TIFF file: needs rasterio, which is not "
        "installed; pip install 'harmonize-seg[geo]'"
    ]


def test_python_reads_bands_too(run: Path, tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", bands())
    answer = Run.open(run, cpu=True).predict(tmp_path / "a.tif")
    with rasterio.open(answered(run, tmp_path, tmp_path / "a.tif")) as file:
        ids = file.read(1)
    space = answer.space
    values = np.array([space.labels[number].value for number in range(space.num)])
    assert np.array_equal(values[answer.map], ids)
    assert answer.picture.size == (70, 50)


def test_sets_with_different_bands_need_a_name(run: Path) -> None:
    spec = DatasetSpec.from_file(run.parent / "scenes.yaml")
    other = DatasetSpec.from_file(
        run.parent / "scenes.yaml", {"name": "other", "channels": [{"name": "red", "band": 2}]}
    )
    assert choose_channels(["red"], [spec], None).channels == spec.channels
    assert choose_channels(["red"], [spec, other], "other").channels == other.channels
    with pytest.raises(HarmonizeError, match="say whose the TIFF pictures are like: --channels-of"):
        choose_channels(["red"], [spec, other], None)
    with pytest.raises(HarmonizeError, match="--channels-of others: no data set of the run"):
        choose_channels(["red"], [spec, other], "others")
