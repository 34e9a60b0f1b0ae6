"""All fifteen sets of the universal tree at once: check, train, score, transfer and report."""

import json
from pathlib import Path

import numpy as np
import pytest
from accelerate.state import AcceleratorState

from dataset_files import shipped
from harmonize import cli
from harmonize.config.strict_yaml import dump
from harmonize.data.dataset import SegmentationDataset
from universal_sets import SCANNET20, SETS, TinySet, write_set, write_sets

REPO = Path(__file__).parents[1]
REPORT_BYTES = 3_000_000


@pytest.mark.parametrize("one", [*SETS, SCANNET20], ids=lambda one: one.mapping)
def test_every_class_is_read_from_a_set_in_its_official_folders(
    one: TinySet, tmp_path: Path
) -> None:
    write_set(one, tmp_path)
    spec = shipped(REPO, one.mapping, one.override)
    for split in one.splits:
        dataset = SegmentationDataset(spec, split, root=tmp_path)
        labels = [dataset[number].classes for number in range(len(dataset))]
        seen = {number for label in labels for number in np.unique(label.numpy()).tolist()}
        assert seen == set(range(len(spec.classes)))


@pytest.mark.slow
def test_all_sets_are_checked_trained_scored_and_reported_together(
    repo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, run = tmp_path / "all.yaml", tmp_path / "run"
    values = write_sets(tmp_path / "data") | {
        "model": {"name": "unet", "width": 4},
        "optim": {"name": "adamw", "lr": 0.01},
        "train": {"steps": 4, "precision": "float32", "log_every": 2, "report": True},
        "accept": {"unsupervised": "all"},
        "output": str(run),
    }
    config.write_text(dump(values))

    def command(*words: str) -> str:
        AcceleratorState._reset_state(reset_partial_state=True)
        assert cli.main(words) == 0
        return capsys.readouterr().out

    supervision = tmp_path / "supervision.html"
    checked = command("check", str(config), "--page", str(supervision))
    assert "problem" not in checked
    assert f"{config}: a config of ade20k, bdd100k, " in checked
    assert max(map(len, checked.partition("\n\n")[0].splitlines())) <= 170  # the table
    assert supervision.stat().st_size < REPORT_BYTES

    command("train", "--config", str(config))
    scores = json.loads((run / "evaluation.json").read_text())["datasets"]
    names = [shipped(repo, one.mapping).name for one in SETS]
    assert list(scores) == names
    for one, name in zip(SETS, names, strict=True):
        spec = shipped(repo, one.mapping, one.override)
        meant = {key for key, nodes in spec.meaning["universal"].items() if nodes}
        scored = scores[name]["iou"]
        assert len(scored) == len(meant) - (22 if name == "coco_stuff" else 0)
        assert 0 <= scores[name]["mean_iou"] <= 1

    pairs = tmp_path / "transfer.html"
    command("transfer", str(config), "-o", str(pairs))
    assert pairs.read_text().count("<details") == 16 * 15
    assert "the mix → ade20k: 150 of 150 classes" in pairs.read_text()
    assert pairs.stat().st_size < REPORT_BYTES

    page = run / "report.html"
    assert page.stat().st_size < REPORT_BYTES
    text = page.read_text()
    assert all(name in text for name in names)
