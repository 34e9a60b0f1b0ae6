"""The benchmark of a GPU: its parts, their time limits, and what is kept of a run that is cut."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import column, run_benchmark, start
from harmonize.tools.benchmark import gpu_figures, gpu_parts, gpu_speed
from harmonize.tools.benchmark.gpu_parts import (
    Measured,
    NotBuiltError,
    Part,
    PartError,
    Place,
)
from harmonize.tools.benchmark.measurements import ResultTable

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
_ALIKE = "train-resnet50-compiled"
"""Does at tiny sizes what train-lite0-compiled does."""
ROW = {"what": "speed", "figure": 2.0, "goal": "at least 1", "met": "yes"}


@no_gpu
@pytest.mark.parametrize("arguments", [(), ("--quick",), ("--device", "cpu")])
def test_without_a_gpu_one_line_names_the_dry_run(
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if arguments == ("--quick",):
        arguments = ("--quick", "--device", "cuda")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        start(monkeypatch, "gpu", *arguments)
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is no GPU that this torch can use" in line
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_part_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        start(monkeypatch, "gpu", "--quick", "--device", "cpu", "--parts", "tets")
    assert "--parts: no part 'tets'; did you mean tests?" in capsys.readouterr().err


def test_a_file_of_ones_own_is_not_replaced_by_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    path = str(tmp_path / "mine.json")
    with pytest.raises(SystemExit, match=r"^2$"):
        start(monkeypatch, "gpu", "--quick", "--device", "cpu", "--json", path)
    assert "mine.txt: is there already" in capsys.readouterr().err


def test_what_fails_is_told_and_passed_over_and_every_part_is_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    seen: list[list[str]] = []

    def fails(_: Place) -> Measured:
        raise PartError("status 1: out of memory")

    def lacks(_: Place) -> Measured:
        raise NotBuiltError("model.shard is not built")

    def works(_: Place) -> Measured:
        seen.append(column(json.loads(path.read_text()), "outcome"))
        return Measured([{**ROW}], [ResultTable("its own", [{"a": 1}])], ["a note"])

    parts = {"bad": fails, "new": lacks, "good": works}
    monkeypatch.setattr(gpu_speed, "PARTS", {name: Part(9, one) for name, one in parts.items()})
    with pytest.raises(SystemExit, match=r"^1$"):
        start(
            monkeypatch, "gpu", "--quick", "--device", "cpu", "--json", str(path), "--parts", *parts
        )
    assert seen == [["FAILED", "left out"]]
    report = json.loads(path.read_text())
    assert column(report, "outcome") == ["FAILED", "left out", "done"]
    assert column(report, "why") == ["status 1: out of memory", "model.shard is not built", None]
    assert report["tables"][1]["rows"] == [{"part": "good", **ROW}]
    assert report["tables"][2]["title"] == "good: its own"
    assert "good: a note" in report["notes"]
    tables = (tmp_path / "report.txt").read_text()
    assert "out of memory" in tables
    assert tables.strip().endswith(capsys.readouterr().out.strip())


def test_parts_beyond_the_time_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def long(_: Place) -> Measured:
        raise AssertionError

    monkeypatch.setattr(gpu_speed, "PARTS", {"long": Part(9, long)})
    arguments = ["gpu", "--parts", "long", "--minutes", "1e-9"]
    report = run_benchmark(monkeypatch, tmp_path, *arguments)
    assert column(report, "outcome") == ["left out"]
    assert column(report, "why") == ["the 1e-09 minutes are over"]


def test_a_command_ends_with_its_time_or_its_error(tmp_path: Path) -> None:
    now = time.monotonic()
    with pytest.raises(PartError, match=r"sleep.*: not done when the part's time was over"):
        Place("cpu", True, tmp_path, now).call("-c", "import time; time.sleep(600)")
    place = Place("cpu", True, tmp_path, now + 600)
    with pytest.raises(PartError, match=r"status 1: ValueError: broken$"):
        place.call("-c", "raise ValueError('broken')")
    place.call("-c", "import os; assert os.environ['ACCELERATE_USE_CPU'] == 'true'")


def test_tests_are_counted_and_those_that_fail_are_named(tmp_path: Path) -> None:
    (tmp_path / "tests.xml").write_text("""<testsuites><testsuite>
        <testcase classname="tests.test_a" name="test_good"/>
        <testcase classname="tests.test_a" name="test_bad"><failure message="x"/></testcase>
        <testcase classname="tests.test_a" name="test_ill"><error message="x"/></testcase>
        <testcase classname="tests.test_a" name="test_off"><skipped/></testcase>
        </testsuite></testsuites>""")
    found = gpu_parts.read_tests(tmp_path / "tests.xml")
    assert [row["figure"] for row in found.figures] == [1, pytest.approx(100 / 3)]
    assert [row["met"] for row in found.figures] == [None, "NO"]
    assert found.notes == ["failed: tests.test_a::test_bad", "failed: tests.test_a::test_ill"]


def report_of(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"tables": [{"rows": list(rows)}], "notes": []}


def test_the_loss_has_two_goals() -> None:
    case = {"leaves": 11, "type": "fp16", "layout": "NCHW"}
    ours = {**case, "loss": "HierarchicalLoss", "x cross_entropy": 0.4, "% of copy": 74.0}
    copy = {**case, "loss": "copy", "x cross_entropy": 0.3, "% of copy": 100.0}
    rows = [*gpu_figures.loss_figures(report_of(copy, ours))]
    assert [(row["figure"], row["goal"], row["met"]) for row in rows] == [
        (0.4, "at most 0.5", "yes"),
        (74.0, "at least 75", "NO"),
    ]


def test_speeds_are_shares_of_the_bare_loops() -> None:
    bare = {"loop": "bare loop", "pictures/s": 50.0, "x bare loop": 1.0}
    ours = {"loop": "predict", "pictures/s": 40.0, "x bare loop": 1.25}
    for figures, goal in (
        (gpu_figures.predict_figures, "at least 1"),
        (gpu_figures.training_figures, "at least 0.95"),
    ):
        first, second = figures(report_of(bare, ours))
        assert (first["figure"], first["goal"]) == (50.0, None)
        assert (second["figure"], second["goal"], second["met"]) == (0.8, goal, "NO")


def test_the_limits_fit_into_30_minutes() -> None:
    assert sum(part.limit for part in gpu_parts.PARTS.values()) <= 30 * 60


@no_gpu
@pytest.mark.slow
@pytest.mark.parametrize("part", [name for name in gpu_parts.PARTS if name != _ALIKE])
def test_each_part_runs_on_the_cpu(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = run_benchmark(monkeypatch, tmp_path, "gpu", "--parts", part)
    (row,) = report["tables"][0]["rows"]
    if row["why"] == "model.shard is not built":
        return
    assert (row["outcome"], row["why"]) == ("done", None)
    assert all(row["part"] == part for row in report["tables"][1]["rows"])
