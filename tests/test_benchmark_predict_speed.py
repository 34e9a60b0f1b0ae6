"""The benchmark of predicting."""

from pathlib import Path

import pytest

from benchmarks import column, run_benchmark
from harmonize.config.strict_yaml import dump
from tiny import tiny_values, write_project


def test_predict_is_measured_against_a_bare_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_benchmark(monkeypatch, tmp_path, "predict")
    assert column(report, "loop") == ["bare loop", "predict"]
    assert all(speed > 0 for speed in column(report, "pictures/s"))
    assert column(report, "x bare loop")[0] == 1
    assert report["options"]["size"] == 32


def test_the_network_of_a_config_answers_pictures_of_noise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path)
    (project / "run.yaml").write_text(dump(tiny_values(project, project / "run")))
    config = str(project / "run.yaml")
    report = run_benchmark(
        monkeypatch, tmp_path, "predict", "evaluate.size=full", "--config", config
    )
    assert report["options"]["leaves"] == 3
    assert report["options"]["size"] == "full"
    assert not (project / "run").exists()
