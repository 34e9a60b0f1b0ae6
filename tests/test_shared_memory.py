"""Loader processes where there is little shared memory, and where they never answer."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.utils.data import Dataset

from harmonize import HarmonizeError
from harmonize.config.strict_yaml import dump
from harmonize.data.batch_pipes import Piped, piped_if_short
from harmonize.data.loading import load
from harmonize.data.samples import Batch
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from harmonize.system import shared_memory
from harmonize.system.signals import Stopped, signals_put_off
from run_files import largest_difference, metrics, weights
from tiny import tiny_config, tiny_values, write_project
from warned import warn_anew

Room = namedtuple("Room", ["f_bavail", "f_frsize"])
SMALL = """
mount -t tmpfs -o size={size} tmpfs /dev/shm || exit 99
exec {python} -m harmonize train --config run.yaml data.workers=2
"""


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Have so many bytes of shared memory be free."""
    warn_anew(monkeypatch)
    monkeypatch.setattr(os, "statvfs", lambda _: Room(free, 1))


def batch() -> Batch:
    pictures = torch.arange(2 * 3 * 4 * 4, dtype=torch.uint8).view(2, 3, 4, 4)
    return Batch(pictures, pictures[:, 0].short(), torch.tensor([0, 1]))


def test_a_batch_goes_through_a_pipe_where_two_for_each_worker_do_not_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = batch()
    size = 96 + 2 * 32 + 2 * 8
    least = (8 << 20) + 2 * 3 * size
    leave(monkeypatch, least + 1)
    assert piped_if_short(given, 3) is given
    leave(monkeypatch, least)
    piped = piped_if_short(given, 3)
    assert isinstance(piped, Piped)
    found = piped.unpacked()
    assert isinstance(found, Batch)
    for name in ("pictures", "codes", "datasets"):
        mine, its = getattr(given, name), getattr(found, name)
        assert mine.dtype == its.dtype
        assert torch.equal(mine, its)
    assert (found.skipped, found.plain, found.levels) == ((), None, None)


def test_where_nothing_is_known_of_shared_memory_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_memory, "PLACE", "/none")
    given = batch()
    assert piped_if_short(given, 8) is given
    assert shared_memory.has_room(8)


def test_little_is_warned_of_once_and_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    project = write_project(tmp_path)
    expected = train(tiny_config(project, project / "usual"), name="tiny")
    capsys.readouterr()
    leave(monkeypatch, 1 << 20)
    run = train(tiny_config(project, project / "run", "data.workers=2"), name="tiny")
    said = capsys.readouterr().err
    assert said.count("warning: /dev/shm has only 1 MiB free; the 2 loader processes send") == 1
    assert largest_difference(weights(expected, 6), weights(run, 6)) == 0
    assert metrics(run) == metrics(expected)
    leave(monkeypatch, 4096)
    with pytest.raises(HarmonizeError) as caught:
        train(tiny_config(project, project / "none", "data.workers=2"), name="tiny")
    [problem] = caught.value.problems
    assert problem.startswith("data.workers=2: loader processes cannot be started: there is no")
    assert "docker run --shm-size=1g" in problem
    assert problem.endswith("data.workers=0")


@pytest.mark.parametrize(("size", "status"), [("512k", 0), ("16k", 2)])
def test_a_container_with_little_trains_and_with_none_says_so(
    tmp_path: Path, size: str, status: int
) -> None:
    project = write_project(tmp_path)
    values = tiny_values(project, project / "run")
    values["data"] = {"size": 256, "batch_size": 4}
    (project / "run.yaml").write_text(dump(values))
    script = SMALL.format(size=size, python=sys.executable)
    try:
        done = subprocess.run(
            ["unshare", "-rm", "bash", "-c", script],
            cwd=project,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
    except FileNotFoundError:
        pytest.skip("no name spaces here")
    if done.returncode in (1, 99):
        pytest.skip(f"nothing may be mounted here: {done.stderr}")
    assert done.returncode == status, done.stderr
    assert (checkpoints.newest(project / "run") is not None) == (status == 0)


class Hanging(Dataset[Tensor]):
    """Numbers, the third of which never comes."""

    def __init__(self, how: str) -> None:
        self._how = how

    def __getitem__(self, number: int) -> Tensor:
        if number == 2:
            time.sleep(3)  # those before it are handed over meanwhile
            if self._how == "sleeps":
                time.sleep(600)
            if self._how == "is stopped":
                os.kill(os.getpid(), signal.SIGSTOP)
            ctypes.PyDLL(None).sleep(600)  # holds the interpreter: no handler ever runs
        return torch.tensor(number)


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("how", ["sleeps", "is stopped", "holds the interpreter"])
def test_a_signal_ends_the_wait_for_a_process_that_never_answers(how: str) -> None:
    with signals_put_off():
        numbers = load(Hanging(how), [[n] for n in range(4)], lambda items: items[0], workers=2)
        assert [int(next(numbers)) for _ in range(2)] == [0, 1]
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
        signal.alarm(4)
        start = time.monotonic()
        with pytest.raises(Stopped):
            next(numbers)
        assert time.monotonic() - start < 12


def test_a_loader_that_waits_long_goes_on_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harmonize.data.loading._LOOK", 0.05)
    numbers = load(Slow(), [[n] for n in range(3)], lambda items: items[0], workers=1)
    assert [int(number) for number in numbers] == [0, 1, 2]


class Slow(Dataset[Tensor]):
    """Numbers that take their time."""

    def __getitem__(self, number: int) -> Tensor:
        time.sleep(0.3)
        return torch.tensor(number)
