"""The benchmark of scoring."""

from pathlib import Path

import pytest
from benchmarks import column, run_benchmark


def test_scoring_is_measured_against_forward_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_benchmark(monkeypatch, tmp_path, "evaluate", "--label-size", "48")
    assert column(report, "leaves") == [11, 20]
    assert all(ms > 0 for ms in column(report, "forward ms"))
    assert all(share > 0 for share in column(report, "scoring, % of forward"))
