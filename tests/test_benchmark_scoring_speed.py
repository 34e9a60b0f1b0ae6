"""The benchmark of scoring."""

from pathlib import Path

import pytest

from benchmarks import column, run_benchmark


def test_scoring_is_measured_against_forward_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_benchmark(monkeypatch, tmp_path, "evaluate", "--label-size", "48")
    assert column(report, "leaves") == [11] * 3 + [20] * 3
    assert column(report, "scored") == ["leaves", "groups", "all"] * 2
    assert column(report, "label") == [48] * 6
    assert all(ms > 0 for ms in column(report, "forward ms"))
    assert all(share > 0 for share in column(report, "scoring, % of forward"))


def test_labels_are_as_large_as_the_pictures_and_twice_as_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_benchmark(monkeypatch, tmp_path, "evaluate", "--leaves", "20")
    assert column(report, "label") == [32, 64] * 3
