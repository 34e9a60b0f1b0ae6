"""The benchmark of the loader."""

from pathlib import Path

import pytest

from benchmarks import column, run_benchmark
from harmonize.config.strict_yaml import dump
from tiny import tiny_values, write_project


def test_the_loader_is_measured_for_every_number_of_sets_and_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_benchmark(monkeypatch, tmp_path, "data")
    assert column(report, "data sets") == 4 * [1] + 4 * [2]
    assert column(report, "what")[:4] == [
        "decode pictures, Pillow",
        "read pictures and labels",
        "loader, 0 workers",
        "loader, 1 workers",
    ]
    assert all(speed > 0 for speed in column(report, "pictures/s"))


def test_the_data_sets_of_a_config_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = write_project(tmp_path)
    (project / "run.yaml").write_text(dump(tiny_values(project, "run")))
    arguments = ["--config", str(project / "run.yaml"), "--workers", "0"]
    report = run_benchmark(monkeypatch, tmp_path, "data", *arguments)
    assert column(report, "data sets") == [2, 2, 2]
