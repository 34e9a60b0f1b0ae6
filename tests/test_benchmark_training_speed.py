"""The benchmark of the training step."""

import json
from pathlib import Path

import pytest

from benchmarks import SCRIPT, column, run_benchmark
from group import run_script
from harmonize.config.strict_yaml import dump
from tiny import tiny_values, write_project

LOOPS = ["bare loop", "step, batches in memory", "step, with the loader"]


def test_the_step_is_measured_against_a_bare_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_benchmark(monkeypatch, tmp_path, "train")
    assert column(report, "loop") == LOOPS
    assert all(speed > 0 for speed in column(report, "pictures/s"))
    assert column(report, "x bare loop")[0] == 1
    *none, waiting = column(report, "% waiting for data")
    assert none == [None, None]
    assert 0 < waiting < 100
    assert report["options"]["precision"] in ("float32", "bf16")
    assert report["options"]["batch"] == 2


def test_the_run_of_a_config_is_measured_with_workers_and_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path)
    (project / "run.yaml").write_text(dump(tiny_values(project, project / "run")))
    changes = ["train.accumulate=2", "data.workers=1"]
    report = run_benchmark(
        monkeypatch, tmp_path, "train", *changes, "--config", str(project / "run.yaml")
    )
    assert column(report, "loop") == LOOPS
    assert report["options"]["accumulate"] == 2
    assert report["options"]["workers"] == 1
    assert not (project / "run").exists()


def test_pictures_of_any_size_are_measured_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["data.cache=disk", "--picture-size", "90x70", "--size", "16"]
    report = run_benchmark(monkeypatch, tmp_path, "train", *arguments)
    assert report["options"]["picture_size"] == [90, 70]
    assert report["options"]["cache"] == "disk"
    assert "8 of 8 pictures" in capsys.readouterr().err


def test_two_processes_share_a_step(tmp_path: Path) -> None:
    ended = run_script(SCRIPT, tmp_path, "train", "--quick", "--json", "report.json")
    assert [one.status for one in ended] == [0, 0], ended
    assert sum(one.stdout.count("one optimizer step") for one in ended) == 1
    assert json.loads((tmp_path / "report.json").read_text())["options"]["processes"] == 2
