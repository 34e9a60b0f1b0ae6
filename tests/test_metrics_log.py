"""metrics.jsonl: whole lines, and none lost on a disk that is full for a while."""

import json
import resource
from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.evaluation.saved_scores import SavedScores
from harmonize.runs.metrics_log import (
    EvaluationLine,
    Log,
    Metrics,
    SetLoss,
    StartLine,
    TrainLine,
    read_metrics,
)


def steps(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def line(step: int) -> dict[str, object]:
    return {"event": "train", "step": step, "text": "x" * 50}


@pytest.mark.parametrize("patient", [True, False])
def test_a_full_disk_leaves_no_part_of_a_line(
    tmp_path: Path, patient: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "metrics.jsonl"
    log = Log(path, patient=patient)
    log.write(line(1))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 9, limit[1]))
    try:
        if not patient:
            with pytest.raises(HarmonizeError, match=r"metrics\.jsonl: cannot be written: File"):
                log.write(line(2))
        else:
            log.write(line(2))
            log.write(line(3))
            log.flush()
            assert capsys.readouterr().err.count("warning") == 1
        assert steps(path) == [1]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    log.write(line(4))
    assert steps(path) == ([1, 2, 3, 4] if patient else [1, 4])


def test_lines_that_wait_are_written_before_a_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "away" / "metrics.jsonl"
    log = Log(path, patient=True)
    log.write(line(1))
    path.parent.mkdir()
    log.flush()
    assert steps(path) == [1]


def test_cutting_drops_later_lines_and_halves(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = Log(path, patient=False)
    for step in (2, 4, 6):
        log.write({"event": "evaluation" if step == 4 else "train", "step": step})
    with path.open("a") as file:
        file.write('{"event": "train", "step": 3}')  # whole but for the end of the line
    assert log.cut(5) == 4
    assert steps(path) == [2, 4]
    assert log.cut(3) is None
    assert steps(path) == [2]


def test_a_log_is_read_by_step_and_the_last_line_about_a_step_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    log = Log(path, patient=False)
    log.write({"event": "start", "step": 0, "weights": "aa"})
    own = {"loss": 0.5, "loss_by_depth": [0.25, None]}
    for step, loss in ((4, 1.0), (2, 2.0), (4, 3.0)):
        facts = {"loss": loss, "loss_by_depth": [loss], "datasets": {"a": own}, "lr": 0.1}
        log.write({"event": "train", "step": step, **facts, "input": "i", "new": 7})
    scores = {"split": "val", "pictures": 5, "mean_iou": 0.5, "pixel_accuracy": None, "iou": {}}
    log.write({"event": "evaluation", "step": 4, "datasets": {"a": scores}})
    log.write({"event": "something new", "step": 4})
    datasets = {"a": SetLoss(0.5, (0.25, None))}
    assert read_metrics(path) == Metrics(
        StartLine(0, "aa"),
        [
            TrainLine(2, 2.0, (2.0,), datasets, "i", lr=0.1),
            TrainLine(4, 3.0, (3.0,), datasets, "i", lr=0.1),
        ],
        [EvaluationLine(4, {"a": SavedScores("val", 5, 0.5, None, {})})],
        [],
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"event": "trai', "is damaged"),
        ("[1]", "is damaged"),
        ("null", "is damaged"),
        ("{}", "is damaged"),
        ('{"event": []}', "is damaged"),
        ("[" * 100000, "is damaged"),
        ('{"event": "train"}', "the key 'step' is missing"),
        ('{"event": "train", "step": "x", "loss": 1}', "step: expected a whole number, got 'x'"),
        ('{"event": "train", "step": 1, "loss": "a"}', "loss: expected a number, got 'a'"),
        (
            '{"event": "evaluation", "step": 1, "datasets": {"a": {"split": "val"}}}',
            "datasets.a: the key 'pictures' is missing",
        ),
    ],
)
def test_damaged_lines_are_left_out_and_named(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{line}\n\n{{"event": "start", "step": 0, "weights": "aa"}}\n')
    found = read_metrics(path)
    assert found.start == StartLine(0, "aa")
    assert (found.training, found.evaluations) == ([], [])
    assert found.problems == [f"{path}: line 1: {problem}"]


def test_a_log_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"metrics\.jsonl: cannot be read: No such file"):
        read_metrics(tmp_path / "metrics.jsonl")
