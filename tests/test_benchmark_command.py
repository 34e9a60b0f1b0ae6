"""The benchmarks' command line, their timing and their tables."""

from pathlib import Path

import pytest
import torch

from benchmarks import start
from harmonize import HarmonizeError
from harmonize.tools.benchmark.measurements import BenchmarkReport, ResultTable
from harmonize.tools.benchmark.options import chosen
from harmonize.tools.benchmark.timing import Times, take_turns
from harmonize.tools.benchmark.training_speed import TrainOptions


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["loss", "--device", "tpu"], "--device: no device 'tpu'; "),
        (["loss", "--size", "0"], "--size: must be more than 0, got 0"),
        (["loss", "--leaves", "11", "0"], "--leaves: must be more than 0, got 0"),
        (["loss", "--leaves", "1"], "--leaves: must be in 2..10000, got 1"),
        (["loss", "--memory-limit", "nan"], "--memory-limit: must be more than 0, got nan"),
        (["data", "--workers", "-1"], "--workers: must be 0 or more, got -1"),
        (["data", "--repeats", "0"], "--repeats: must be more than 0, got 0"),
        (["train", "--threads", "0"], "--threads: must be more than 0, got 0"),
        (["train", "--config", "absent.yaml"], "absent.yaml: "),
        (["train", "--quick", "model.wdth=3"], "command line: model.wdth: "),
        (["train", "--quick", "train.accumulate=3"], "data.batch_size: must be at least 3"),
        (
            ["evaluate", "--json", "absent/x.json"],
            "--json absent/x.json: its folder does not exist",
        ),
        (["evaluate", "--model", "nothing"], "model.name: no network 'nothing'; "),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit_:
        start(monkeypatch, *arguments)
    assert exit_.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {problem}")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        start(monkeypatch, "loss", "--device", "cuda")
    assert "--device cuda: there is no GPU" in capsys.readouterr().err


def test_what_is_given_replaces_a_quick_runs_sizes_and_adds_to_its_changes() -> None:
    given = {"steps": 3, "size": None, "picture_size": [90, 70], "overrides": ["seed=1"]}
    assert chosen(TrainOptions, given, quick=False) == {
        "steps": 3,
        "picture_size": (90, 70),
        "overrides": ("seed=1",),
    }
    assert chosen(TrainOptions, given, quick=True) == {
        "overrides": ("model.width=8", "data.workers=0", "seed=1"),
        "pictures": 4,
        "picture_size": (90, 70),
        "size": 32,
        "batch": 2,
        "steps": 3,
        "repeats": 2,
    }


def test_candidates_take_turns_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    number = iter(range(100))

    def measure(name: str) -> float:
        calls.append(name)
        return float(next(number))

    times = take_turns({"a": lambda: measure("a"), "b": lambda: measure("b")}, repeats=3)
    assert "".join(calls) == "ab" + "ab" + "ba" + "ab"
    assert times.seconds == {"a": [2, 5, 6], "b": [3, 4, 7]}


def test_ratios_are_taken_within_each_repeat() -> None:
    times = Times({"a": [1.0, 2.0, 10.0], "b": [2.0, 6.0, 20.0]})
    assert times.median("b") == 6
    assert times.ratio("b", "a") == 2
    assert times.spread("b", "a") == "2.00-3.00"


def test_a_table_aligns_text_left_and_numbers_right() -> None:
    rows = [{"loss": "a", "ms": 1234.5, "x": None}, {"loss": "long", "ms": 0.012345, "x": 2}]
    assert ResultTable("title", [*rows]).draw().splitlines() == [
        "title",
        "-" * 15,
        "loss      ms  x",
        "a       1234  -",
        "long  0.0123  2",
    ]


def test_a_report_that_cannot_be_written_is_a_mistake(tmp_path: Path) -> None:
    report = BenchmarkReport("loss", {}, {}, [])
    with pytest.raises(HarmonizeError, match="cannot be written"):
        report.write(tmp_path / "absent" / "report.json")
