"""Several processes that do one thing: the same numbers as one, and the same end."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import write_project

from harmonize import HarmonizeError
from harmonize.system.agreement import together
from harmonize.system.mistakes import mistakes_shown

TESTS = Path(__file__).parent


Told = list[dict[str, Any]]
"""What each process of a group tells."""


def start(scenario: str, project: Path, *groups: str) -> list[Told]:
    """Run a scenario of ranks.py in groups of processes."""
    return start_all(project, *(f"{scenario}:{group}" for group in groups))


def start_all(project: Path, *groups: str) -> list[Told]:
    """Run scenarios of ranks.py, each in a group of processes."""
    done = subprocess.run(
        [sys.executable, str(TESTS / "ranks.py"), str(project), *groups],
        env={**os.environ, "PYTHONPATH": f"{TESTS.parent}:{TESTS}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


GROUPS = (
    *("step:1:1", "step:1:3", "step:4:2"),
    *("fail:2:train", "fail:2:evaluate", "fail:2:save"),
    "signal:2",
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def told(project: Path) -> dict[str, Told]:
    """Start all processes of this file's tests at once: most of the time goes into imports."""
    return dict(zip(GROUPS, start_all(project, *GROUPS), strict=True))


def test_alone_a_mistake_is_raised_as_it_is() -> None:
    with pytest.raises(HarmonizeError, match=r"^broken$"), together():
        raise HarmonizeError("broken")
    with together() as shared:
        shared.count = torch.tensor(5)
    assert shared.count == 5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[../gloo/transport/tcp/pair.cc:547] Connection closed by peer", "another process of the"),
        ("DataLoader worker (pid 7) is killed by signal: Killed. ", "by signal: Killed; most"),
    ],
)
def test_a_lost_process_is_told_in_a_plain_line(
    capsys: pytest.CaptureFixture[str], text: str, line: str
) -> None:
    with pytest.raises(SystemExit) as exit_, mistakes_shown():
        raise RuntimeError(text)
    assert exit_.value.code == 2
    assert line in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="a bug"), mistakes_shown():
        raise RuntimeError("a bug")


@pytest.mark.parametrize("group", ["step:1:3", "step:4:2"])
def test_any_processes_and_parts_give_the_step_and_the_counts_of_one(
    told: dict[str, Told], group: str
) -> None:
    """Half of a batch has no labels at all, so that some processes have no labelled pixel."""
    [alone] = told["step:1:1"]
    gradient = torch.tensor(alone["gradient"], dtype=torch.float64)
    ranks = told[group]
    assert len(ranks) == 1 or min(rank["labelled"] for rank in ranks) == 0
    for rank in ranks:
        other = torch.tensor(rank["gradient"], dtype=torch.float64)
        assert (other - gradient).norm() <= 1e-6 * gradient.norm()
        assert rank["loss"] == pytest.approx(alone["loss"], rel=1e-6)
        for counted in ("counts", "samples", "depths"):
            assert rank[counted] == alone[counted]


@pytest.mark.parametrize(
    ("where", "failing", "message"),
    [
        ("train", 1, "x.png: no picture"),
        ("evaluate", 0, "x.png: no picture"),
        ("save", 0, "No space left on device"),
    ],
)
def test_what_fails_in_one_process_ends_all_with_its_message(
    told: dict[str, Told], where: str, failing: int, message: str
) -> None:
    ranks = told[f"fail:2:{where}"]
    assert [rank["status"] for rank in ranks] == [2, 2]
    assert all(rank["seconds"] < 10 for rank in ranks)
    assert re.search(
        rf"^error: [^:]*{message}|^error: .*: {message}", ranks[failing]["stderr"], re.M
    )
    other = ranks[1 - failing]["stderr"]
    assert re.search(rf"^error: process {failing} failed: .*{message}", other, re.MULTILINE)


def test_a_signal_to_one_process_stops_all_after_the_same_step(
    told: dict[str, Told], project: Path
) -> None:
    ranks = told["signal:2"]
    assert [rank["status"] for rank in ranks] == [143, 143]
    assert [rank["steps"] for rank in ranks] == [3, 3]
    assert "stopped by SIGTERM after step 3; go on with train.resume=true" in ranks[0]["stdout"]
    assert (project / "signalled" / "checkpoints" / "step-00000003.safetensors").is_file()
