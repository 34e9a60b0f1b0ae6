"""A GeoTIFF with a damaged tile, which shows only where the tile is read: named, or skipped."""

import json
from pathlib import Path

import pytest
import tifffile
import torch
from safetensors.torch import load_file

from harmonize import HarmonizeError
from harmonize.data.training_samples import samples_alone
from harmonize.labels.sources import load_sources
from harmonize.pipeline.evaluate_run import evaluate_run
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from raster_files import scenes_config, write_scenes

SKIP = ("data.on_bad_sample=skip", "train.steps=8", "evaluate.size=full", "data.size=16")
FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def damage(path: Path, tile: int) -> None:
    """Overwrite what one tile's compressed bytes begin with."""
    with tifffile.TiffFile(path) as file:
        start = file.pages[0].dataoffsets[tile]
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * 8)


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    """Pictures in tiles of 32 x 16 pixels; the last tile of one is damaged, as one of a label."""
    folder = write_scenes(tmp_path, number=4, compression="zlib")
    damage(folder / "scenes/s1.tif", -1)
    return folder


def listed(run: Path) -> list[tuple[str, str]]:
    lines = map(json.loads, (run / "bad_samples.jsonl").read_text().splitlines())
    return sorted((line["split"], line["picture"]) for line in lines)


@FORKS
def test_a_run_that_skips_passes_it_over_and_depends_on_no_process(scenes: Path) -> None:
    run = train(scenes_config(scenes, scenes / "run", *SKIP), name="x")
    assert listed(run) == [("train", "s1.tif"), ("val", "s1.tif")]
    config = scenes_config(scenes, scenes / "other", *SKIP, "data.workers=2")
    other = train(config, name="x")
    one, two = (load_file(checkpoints.newest(each) or Path()) for each in (run, other))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert listed(other) == listed(run)


def test_crops_beside_the_damage_are_trained_on(scenes: Path) -> None:
    small = ("augment.scale=[0.9, 1]", "data.size=16")
    config = scenes_config(scenes, scenes / "run", *SKIP, *small)
    samples = samples_alone(config, load_sources(config))
    own = [samples.find(position) for position in range(60)]
    wanted = [position for position in range(60) if samples.order[position].picture == 1]
    good = [position for position in wanted if not own[position].skipped]
    assert 0 < len(good) < len(wanted)
    assert all(own[position].draw.picture == 1 for position in good)
    for position in set(wanted) - set(good):
        [bad] = own[position].skipped
        assert bad.picture == "s1.tif"
        assert own[position].draw.seed == samples.order[position].seed
        assert samples[position].pictures.shape[-1] == 16


def test_a_run_that_stops_names_file_and_set(scenes: Path) -> None:
    told = r"s1\.tif: .*; a sample of scenes, train: mend it, or go on without such by data\.on_bad"
    with pytest.raises(HarmonizeError, match=told):
        train(scenes_config(scenes, scenes / "run", *SKIP[1:]), name="x")


@pytest.mark.parametrize("file", ["s1.tif", "s2_ids.tif"])
def test_scoring_in_strips_skips_it_and_counts_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    folder = write_scenes(tmp_path, number=4, compression="zlib")
    run = train(scenes_config(folder, folder / "run", *SKIP), name="x")
    name = file[:2]
    rest = [f'"s{number}"' for number in range(4) if f"s{number}" != name]
    glob = tmp_path / "rest.txt"
    glob.write_text("\n".join(one.strip('"') for one in rest))
    damage(folder / "scenes" / file, -1)
    monkeypatch.setattr("harmonize.data.dataset.LARGE", 10)
    evaluate_run(run, json_file=tmp_path / "skipped.json")
    mapping = folder / "scenes.yaml"
    mapping.write_text(
        mapping.read_text().replace('val: {glob: "{id}_ids.tif"}', f"val: {{list: {glob}}}")
    )
    monkeypatch.setattr("harmonize.data.dataset.LARGE", 1 << 24)
    evaluate_run(run, json_file=tmp_path / "rest.json")
    one, other = (
        json.loads((tmp_path / f"{which}.json").read_text())["datasets"]["scenes"]
        for which in ("skipped", "rest")
    )
    assert list(one.pop("skipped")) == [f"{name}.tif"]
    assert one["pictures"] == 3
    assert one == {key: other[key] for key in one}
