"""A set in each format on one tree: read, trained on by one process and by two, predicted."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import scenarios
from arithmetic import ORDER_OF_SUMS
from every_format import FORMATS, write_every_format
from group import run_group
from harmonize.cli import main
from harmonize.data.dataset import SegmentationDataset
from harmonize.labels.dataset_spec import DatasetSpec
from run_files import largest_difference, weights


def test_every_format_is_read_pixel_by_pixel(tmp_path: Path) -> None:
    found = write_every_format(tmp_path)
    for name, parts in found.items():
        spec = DatasetSpec.from_file(tmp_path / f"{name}.yaml")
        for split in spec.splits:
            dataset = SegmentationDataset(spec, split, root=spec.folder({}))
            for number in range(len(dataset)):
                own = parts[Path(dataset.files.picture(number)).stem]
                assert (dataset.label(number) == own).all(), name


@pytest.mark.slow
def test_two_processes_train_on_every_format_as_one(tmp_path: Path) -> None:
    write_every_format(tmp_path)
    [alone] = run_group(1, scenarios.train_on_every_format, tmp_path)
    two = run_group(2, scenarios.train_on_every_format, tmp_path)
    assert [ended.status for ended in (alone, *two)] == [0, 0, 0], (alone, two)
    one, other = (weights(tmp_path / f"run-{n}", 6) for n in (1, 2))
    model = [{k: v for k, v in each.items() if k.startswith("model/")} for each in (one, other)]
    assert largest_difference(*model) < ORDER_OF_SUMS
    first, second = (
        json.loads((tmp_path / f"run-{n}" / "evaluation.json").read_text())["datasets"]
        for n in (1, 2)
    )
    assert set(first) == set(second) == {*FORMATS, "zip", "parquet"}
    for name, scores in first.items():
        assert scores["pictures"] == second[name]["pictures"] > 0
        assert abs(scores["pixel_accuracy"] - second[name]["pixel_accuracy"]) < 0.01
    for n in (1, 2):
        pictures = [str(tmp_path / "coco/img/val0.png"), str(tmp_path / "geotiff/img/val1.tif")]
        words = ["predict", str(tmp_path / f"run-{n}"), *pictures, "-o", str(tmp_path / f"out{n}")]
        assert main([*words, "--no-overlay"]) in (0, None)
    answers = [sorted((tmp_path / f"out{n}").rglob("val*.png")) for n in (1, 2)]
    assert len(answers[0]) == len(answers[1]) == 2
    for one_, other_ in zip(*answers, strict=True):
        same = np.asarray(Image.open(one_)) == np.asarray(Image.open(other_))
        assert same.mean() > 0.99
