"""One process at a time in a folder."""

import contextlib
import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import scenarios
from group import run_group
from harmonize import HarmonizeError
from harmonize.config.strict_yaml import dump
from harmonize.pipeline.train import train
from harmonize.system import locks
from harmonize.system.locks import NAME, FolderLock, locked
from run_files import metrics
from tiny import tiny_config, tiny_values, write_project

HOLD = """
import sys, time
from pathlib import Path
from harmonize.system.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]), advice="wait")
print("held", flush=True)
time.sleep(600)
"""


@contextlib.contextmanager
def holder(folder: Path) -> Iterator[int]:
    """Have another process lock a folder, and kill it in the end."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process.pid
        finally:
            process.kill()


def test_a_folder_is_refused_while_another_process_has_it(tmp_path: Path) -> None:
    with holder(tmp_path) as pid:
        with pytest.raises(HarmonizeError) as caught:
            FolderLock(tmp_path, advice="wait")
        host = os.uname().nodename
        assert caught.value.problems == (f"{tmp_path}: in use by process {pid} on {host}; wait",)
    with locked(tmp_path, advice="wait"):  # it ended with its process
        assert (tmp_path / NAME).exists()
    assert not list(tmp_path.iterdir())


def test_a_lock_that_is_released_again_leaves_the_next_one_alone(tmp_path: Path) -> None:
    """The next open file has the descriptor of the one that was closed."""
    for name in "ab":
        (tmp_path / name).mkdir()
    lock = FolderLock(tmp_path / "a", advice="wait")
    lock.release()
    with locked(tmp_path / "b", advice="wait"):
        lock.release()
        with pytest.raises(HarmonizeError, match=r"b: in use by "):
            FolderLock(tmp_path / "b", advice="wait")


def test_a_lock_is_its_process_s_alone_and_its_children_do_not_keep_it(tmp_path: Path) -> None:
    with locked(tmp_path, advice="wait"), pytest.raises(HarmonizeError, match="in use by process"):
        FolderLock(tmp_path, advice="wait")
    lock = FolderLock(tmp_path, advice="wait")
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    child.start()
    lock.release()
    lock.release()  # does nothing
    FolderLock(tmp_path, advice="wait").release()
    child.kill()
    child.join()


def test_a_lock_that_was_removed_is_no_lock(tmp_path: Path) -> None:
    first = FolderLock(tmp_path, advice="wait")
    (tmp_path / NAME).unlink()
    second = FolderLock(tmp_path, advice="wait")
    second.release()
    first.release()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_warned_of(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    def flock(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    assert locks.fcntl is not None
    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with locked(tmp_path, advice="wait"):
        pass
    warning = f"warning: {tmp_path}: cannot be locked ({os.strerror(number)}); let nothing else"
    assert capsys.readouterr().err.startswith(warning)
    monkeypatch.setattr(locks, "fcntl", None)
    with locked(tmp_path, advice="wait"):
        assert capsys.readouterr().err == ""


def test_a_link_in_the_place_of_the_lock_is_not_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("theirs")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / NAME).symlink_to(victim)
    with locked(tmp_path / "run", advice="wait"):
        pass
    assert victim.read_text() == "theirs"
    assert "cannot be locked" in capsys.readouterr().err


def test_a_live_run_is_not_resumed(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    run = train(tiny_config(project, project / "run"), name="tiny")
    before = metrics(run)
    refusal = pytest.raises(HarmonizeError, match=r"run: in use by process .* output=RUN_DIR")
    with holder(run), refusal:
        train(tiny_config(project, run, "train.resume=true"), name="tiny")
    assert metrics(run) == before
    train(tiny_config(project, run, "train.resume=true"), name="tiny")
    assert NAME not in {path.name for path in run.iterdir()}


def test_two_starts_of_a_config_get_two_folders(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    values = tiny_values(project, "")
    values["output"] = None
    (project / "twins.yaml").write_text(dump(values))
    ended = run_group(2, scenarios.train_twin, project, together=False)
    assert [one.status for one in ended] == [0, 0], ended
    folders = sorted(path.name for path in (project / "runs").iterdir())
    assert folders == ["twins", "twins-2"]
    for name in folders:
        assert (project / "runs" / name / "evaluation.json").is_file()


def test_of_two_that_make_one_folder_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second finds the folder after it has looked, as it was not there then."""
    project = write_project(tmp_path)
    first = train(tiny_config(project, project / "first"), name="tiny")
    lexists = os.path.lexists

    def late(path: Path) -> bool:
        there = lexists(path)
        if Path(path).name == "run" and not there:
            shutil.copytree(first, path)
        return there

    monkeypatch.setattr(os.path, "lexists", late)
    with pytest.raises(HarmonizeError, match="run: exists already; continue it with"):
        train(tiny_config(project, project / "run"), name="tiny")
    assert metrics(project / "run") == metrics(first)
    left = [path.name for path in project.iterdir() if path.name.startswith(".")]
    assert not left
