"""Pictures of named bands in training and scoring: windows say what the whole picture says."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harmonize import DatasetSpec, HarmonizeError
from harmonize.config.augment_config import AugmentConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.pixels import Pixels
from harmonize.data.samples import MixedSamples
from harmonize.data.training_samples import samples_alone
from harmonize.data.transforms import augment, draw_augmentation
from harmonize.data.windows import RowsOfLabel, WindowedPixels
from harmonize.evaluation.evaluate import evaluate
from harmonize.labels.sources import load_sources
from harmonize.models.build import build_model
from harmonize.pictures.tiff_numbers import Window
from harmonize.pipeline.preflight import check_run
from harmonize.runs.precision import start_accelerator
from raster_files import bands, labels, scenes_config, write, write_scenes
from tiny import write_project

NAMES = ("red", "nir", "height", "gone")


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    return write_scenes(tmp_path)


def opened(scenes: Path) -> SegmentationDataset:
    spec = DatasetSpec.from_file(scenes / "scenes.yaml")
    return SegmentationDataset(spec, "train", root=scenes / "scenes", bands=NAMES)


def test_bands_go_by_their_names_and_labels_may_have_no_data(scenes: Path) -> None:
    picture, classes = vars(opened(scenes)[0]).values()
    values = bands()
    expected = labels() * 900.0 + 50
    assert picture.shape == (4, 50, 70)
    assert np.allclose(picture[0], expected.astype("uint16") * (255 / 2000), rtol=1e-6)
    assert np.allclose(picture[1], values[3] * (255 / 2000), rtol=1e-6)
    assert np.allclose(picture[2], (values[4] + 100.0) * (255 / 2100), rtol=1e-6)
    assert picture[3].isnan().all()
    assert classes[0].unique().tolist() == [3]
    assert classes[10].unique().tolist() == [0, 1, 2]


@pytest.mark.parametrize("least", [1000, 20, 7])
@pytest.mark.parametrize(
    "how",
    [
        AugmentConfig(scale=(0.2, 0.8), flip=0.5, color=0.3),
        AugmentConfig(scale=(0.2, 1.4)),
        AugmentConfig(scale=(0.2, 0.8), rotate=60, perspective=0.3, blur=1.0, noise=5, cutout=2),
    ],
    ids=["crops", "beyond", "warped"],
)
def test_a_window_gives_the_sample_that_the_whole_picture_gives(
    scenes: Path, least: float, how: AugmentConfig
) -> None:
    pixels = opened(scenes).pixels(1, least=least)
    assert isinstance(pixels, WindowedPixels)
    whole = Pixels(pixels.picture, pixels.classes)
    assert pixels.shape == whole.shape == whole.picture.shape[:2]
    codes, mirror = np.array([0, 1, 2, 3], np.uint8), np.array([0, 2, 1, 3], np.uint8)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        choices = draw_augmentation(rng, how, height=whole.shape[0], width=whole.shape[1])
        part = pixels.cut(choices, 16)
        made = [
            augment(one.picture, one.classes, choice, size=16, codes=codes, mirror=mirror, void=3)
            for one, choice in ((whole, choices), (part.pixels, part.inside(choices)))
        ]
        assert torch.equal(made[0][1], made[1][1])
        assert torch.allclose(made[0][0], made[1][0], atol=0.02, equal_nan=True)
        assert made[1][0][3].isnan().all()


def test_rows_of_a_label_are_those_of_the_whole(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonize.data.dataset.LARGE", 10)
    monkeypatch.setattr("harmonize.data.windows.WindowedLabel.rows_together", lambda _: 7)
    dataset = opened(scenes)
    found = dataset.large(0)
    assert found is not None
    rows = RowsOfLabel(found[1])
    for first, last in ((0, 2), (2, 9), (9, 10), (10, 31), (25, 50)):
        assert torch.equal(rows.rows(first, last), dataset[0].classes[first:last])


def test_training_samples_are_those_of_the_run_and_padded_with_what_is_missing(
    scenes: Path, tmp_path: Path
) -> None:
    config = scenes_config(scenes, tmp_path / "run", "data.size=24", "datasets.0.size=16")
    samples = samples_alone(config, load_sources(config))
    assert isinstance(samples, MixedSamples)
    batch = samples[0]
    assert batch.pictures.shape == (1, 3, 24, 24)
    assert batch.pictures[..., 16:, :].isnan().all()
    assert not batch.pictures[..., :16, :16].isnan().any()
    again = samples_alone(config, load_sources(config))[0]
    assert torch.equal(batch.pictures.nan_to_num(), again.pictures.nan_to_num())


def scores(scenes: Path, *overrides: str) -> dict:
    config = scenes_config(scenes, scenes / "run", *overrides)
    sources = check_run(config)
    torch.manual_seed(3)
    network = build_model(len(sources.ontology.leaves), config.model).eval()
    spec = sources.specs[0]
    dataset = SegmentationDataset(spec, "val", root=scenes / "scenes", bands=config.model.bands)
    found = evaluate(
        network,
        dataset,
        sources.ontology,
        accelerator=start_accelerator("float32", cpu=True),
        size=config.answer_size,
        scales=config.evaluate.scales,
        flip=config.evaluate.flip,
        boundary=config.evaluate.boundary,
    )
    return {"confusion": found.confusion.tolist(), "sample": len(found.sample)}


@pytest.mark.parametrize(
    "how",
    [["evaluate.size=full"], ["evaluate.size=20"], ["evaluate.size=full", "evaluate.flip=true"]],
    ids=["full", "scaled", "mirrored"],
)
def test_scores_of_large_pictures_are_those_of_whole_ones(
    scenes: Path, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    whole = scores(scenes, *how)
    monkeypatch.setattr("harmonize.data.dataset.LARGE", 10)
    assert scores(scenes, *how) == whole
    assert np.sum(whole["confusion"]) == 40 * 70 + 47 * 67 + 53 * 64


def test_the_edges_of_large_pictures_are_not_scored(
    scenes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonize.data.dataset.LARGE", 10)
    message = "evaluate.boundary: s0.tif has 70 x 50 pixels, too many for the scores near edges"
    with pytest.raises(HarmonizeError, match=message):
        scores(scenes, "evaluate.boundary=true")


def problems(folder: Path, *overrides: str) -> list[str]:
    with pytest.raises(HarmonizeError) as caught:
        check_run(scenes_config(folder, folder / "run", *overrides))
    return list(caught.value.problems)


def test_bands_that_a_set_lacks_are_told_once(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    write_project(project)
    config = scenes_config(scenes, tmp_path / "run", "model.channels=[green, nir]")
    entry = dataclasses.replace(config.datasets[0], spec=str(project / "fine.yaml"))
    mixed = dataclasses.replace(config, datasets=(config.datasets[0], entry))
    check_run(mixed)
    check_run(mixed)
    assert capsys.readouterr().err.splitlines() == [
        "note: scenes has no band green; zeros stand for it after normalisation",
        "note: fine has no band nir; zeros stand for it after normalisation",
    ]
    batch = samples_alone(mixed, load_sources(mixed))
    seen = {int(batch[n].datasets): batch[n].pictures for n in range(12)}
    assert [seen[0][0, n].isnan().all().item() for n in (0, 1)] == [True, False]
    assert [seen[1][0, n].isnan().all().item() for n in (0, 1)] == [False, True]


def test_missing_bands_are_zero_after_normalisation(scenes: Path, tmp_path: Path) -> None:
    config = scenes_config(scenes, tmp_path / "run", "model.channels=[blue, nir, red]")
    network = build_model(3, config.model)
    assert network.mean.flatten().tolist() == pytest.approx([0.406, 0.449, 0.485], abs=1e-3)
    assert network.std.flatten().tolist() == pytest.approx([0.225, 0.2263, 0.229], abs=1e-3)
    picture = torch.full((1, 3, 2, 2), 255.0)
    picture[:, 1] = torch.nan
    normal = network.normalize(picture)
    assert not normal[:, 1].any()
    assert normal[0, 0, 0, 0].item() == pytest.approx((1 - 0.406) / 0.225, rel=1e-5)


def test_what_is_wrong_with_bands_is_said_before_training(scenes: Path) -> None:
    assert problems(scenes, "model.channels=[red, nri]") == [
        "model.channels: no data set that is trained on has a band 'nri'; did you mean nir?"
    ]
    assert problems(scenes, "model.channels=[green, blue]")[-1].endswith(
        "scenes has none of the bands green, blue of model.channels, but nir, red, height"
    )
    assert problems(scenes, "augment.gamma=2", "augment.grey=0.5") == [
        "augment.gamma: changes colours of 8 bits, and the bands of scenes are none; give the set "
        "augment: {gamma: 1}",
        "augment.grey: changes colours of 8 bits, and the bands of scenes are none; give the set "
        "augment: {grey: 0}",
    ]


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ("[red, red]", "the band 'red' is named twice; remove one"),
        ("[Red]", "a band's name is made of small letters, digits, _ and -, got 'Red'"),
        ("[]", "a picture has at least one band; name it"),
    ],
)
def test_names_of_bands_in_a_config(scenes: Path, bands: str, message: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        scenes_config(scenes, scenes / "run", f"model.channels={bands}")
    assert list(caught.value.problems) == [f"command line: model.channels: {message}"]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("channels.0.range", [5, 5], "`range` gives the number that becomes 0, then the larger"),
        ("channels.0.name", "red", "the band 'red' is named twice; remove one"),
        ("channels.0.band", 0, "expected a number at least 1"),
        ("channels", [], "names no band; remove the key"),
        ("exif", "apply", "TIFF pictures of which `channels` names the bands are read as they are"),
        ("resize_picture", True, "TIFF pictures of which `channels` names the bands are read"),
    ],
)
def test_what_is_wrong_with_channels_of_a_mapping(
    scenes: Path, key: str, value: object, message: str
) -> None:
    override: dict[str, Any] = {key: value}
    if key.startswith("channels."):
        _, place, name = key.split(".")
        channels = [{"name": "nir", "band": 4}, {"name": "red", "band": 1}]
        channels[int(place)][name] = value
        override = {"channels": channels}
    with pytest.raises(HarmonizeError, match=message):
        DatasetSpec.from_file(scenes / "scenes.yaml", override)


def test_a_picture_that_does_not_fit_its_label_is_named(scenes: Path) -> None:
    write(scenes / "scenes/s0_ids.tif", labels(50, 69), tile=(16, 16))
    message = (
        "s0.tif: 70 x 50 pixels, but its label s0_ids.tif has 69 x 50; save both in one size; a "
    )
    with pytest.raises(HarmonizeError, match=message):
        opened(scenes)[0]


def test_an_unknown_value_is_named_where_its_window_is_read(scenes: Path) -> None:
    ids = labels()
    ids[49, 0] = 9
    write(scenes / "scenes/s0_ids.tif", ids, tile=(16, 16))
    pixels = opened(scenes).pixels(0, least=1000)
    assert isinstance(pixels, WindowedPixels)
    assert pixels.label.read(Window(0, 0, 48, 70)).max() == 3
    with pytest.raises(HarmonizeError, match=r"ids that no class of scenes stands for: 9 \(1 pix"):
        pixels.label.read(Window(40, 0, 50, 70))


def test_a_run_is_trained_and_scored(scenes: Path, tmp_path: Path) -> None:
    from harmonize.pipeline.train import train

    config = scenes_config(
        scenes, tmp_path / "run", "train.report=true", "data.workers=2", "data.cache=disk"
    )
    train(config, name="scenes")
    found = json.loads((tmp_path / "run/evaluation.json").read_text())
    assert found["datasets"]["scenes"]["pixel_accuracy"] is not None
    assert (tmp_path / "run/report.html").exists()
