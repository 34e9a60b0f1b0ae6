"""Several processes that do one thing: the same numbers as one, and the same end."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

import scenarios
import several_processes
from arithmetic import rounded
from group import run_group
from harmonize import HarmonizeError, cli
from harmonize.system.agreement import together
from harmonize.system.shown_errors import errors_shown
from tiny import write_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def alone(project: Path) -> dict[str, Any]:
    """What one process finds with the batch in one part."""
    [ended] = run_group(1, scenarios.step, project, 1)
    return ended.found


def test_alone_a_mistake_is_raised_as_it_is() -> None:
    with pytest.raises(HarmonizeError, match=r"^broken$"), together():
        raise HarmonizeError("broken")
    with together(2) as shared:
        shared.counts = torch.tensor([5, 3])
    assert shared.counts.tolist() == [5, 3]


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
    with pytest.raises(SystemExit) as exit_, errors_shown():
        raise RuntimeError(text)
    assert exit_.value.code == 2
    assert line in capsys.readouterr().err
    with pytest.raises(RuntimeError, match="a bug"), errors_shown():
        raise RuntimeError("a bug")


@pytest.mark.parametrize(("number", "parts"), [(1, 3), (4, 2)])
def test_any_processes_and_parts_give_the_step_and_the_counts_of_one(
    project: Path, alone: dict[str, Any], number: int, parts: int
) -> None:
    """Half of a batch has no labels at all, so that some processes have no labelled pixel."""
    gradient = torch.tensor(alone["gradient"], dtype=torch.float64)
    found = [ended.found for ended in run_group(number, scenarios.step, project, parts)]
    assert number == 1 or min(one["labelled"] for one in found) == 0
    pixels = 16 * 16 * 16  # of the batch: the terms of the sums that are grouped otherwise
    for one in found:
        other = torch.tensor(one["gradient"], dtype=torch.float64)
        assert (other - gradient).norm() <= rounded(pixels) * gradient.norm()
        assert one["loss"] == pytest.approx(alone["loss"], rel=rounded(pixels))
        for counted in ("counts", "samples", "depths"):
            assert one[counted] == alone[counted]


@pytest.mark.parametrize(
    ("where", "failing", "message"),
    [
        ("train", 1, "x.png: no picture"),
        ("evaluate", 0, "x.png: no picture"),
        ("save", 0, "No space left on device"),
    ],
)
def test_what_fails_in_one_process_ends_all_with_its_message(
    project: Path, where: str, failing: int, message: str
) -> None:
    """The other ends too, long before the half hour in which gloo waits for a lost process.

    The first on a machine says which failed; no other repeats it.
    """
    ranks = run_group(2, scenarios.fail, project, where)
    assert [rank.status for rank in ranks] == [2, 2]
    assert re.search(rf"^error: [^:]*{message}|^error: .*: {message}", ranks[failing].stderr, re.M)
    if failing == 1:
        told = rf"^error: process 1 failed: .*{message}"
        assert re.search(told, ranks[0].stderr, re.MULTILINE)
    else:
        assert "error" not in ranks[1].stderr


def test_processes_on_a_machine_without_a_gpu_train_together_untold() -> None:
    ranks = run_group(2, scenarios.join_untold)
    together = {"processes": 2, "network": "DistributedDataParallel"}
    assert [rank.found for rank in ranks] == [together, together]
    [alone] = run_group(1, scenarios.join_untold)
    assert alone.found == {"processes": 1, "network": "Linear"}


def test_a_signal_to_one_process_stops_all_after_the_same_step(project: Path) -> None:
    ranks = run_group(2, scenarios.be_stopped, project)
    assert [rank.status for rank in ranks] == [143, 143]
    assert [rank.found["steps"] for rank in ranks] == [3, 3]
    assert "stopped by SIGTERM after step 3; go on with train.resume=true" in ranks[0].stdout
    assert (project / "signalled" / "checkpoints" / "step-00000003.safetensors").is_file()


@pytest.mark.parametrize(
    "words", [["no run here", "a.png", "-o", "answers"], ["no run here"], ["--no-option"]]
)
@pytest.mark.parametrize("rank", [0, 1])
def test_mistakes_that_all_processes_find_are_left_to_the_first_to_tell(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rank: int,
    words: list[str],
) -> None:
    """The launcher ends the others as soon as the first has ended."""

    class EndedByTheLauncher(BaseException):
        pass

    def wait(seconds: float) -> None:
        assert seconds >= 1
        raise EndedByTheLauncher

    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setattr("time.sleep", wait)
    with pytest.raises((SystemExit, EndedByTheLauncher)) as ended:
        cli.main(["predict", *words])
    assert ended.type is (SystemExit, EndedByTheLauncher)[rank]
    assert ("error: " in capsys.readouterr().err) == (rank == 0)


def test_a_mistake_that_all_processes_find_is_told_by_the_first(project: Path) -> None:
    config = project / "no.yaml"
    config.write_text("colour: red\n")
    first, second = run_group(2, several_processes.train, ["--config", str(config)])
    assert (first.status, second.status) == (2, 2)
    assert f"error: {config}:1:1: colour: " in first.stderr
    assert second.stderr == ""
