"""metrics.jsonl: whole lines, and none lost on a disk that is full for a while."""

import json
import resource
from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.runs.metrics_log import Log


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
