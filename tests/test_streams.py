"""Standard output and error that go away: the work and its exit status stay as they are."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harmonize.config.strict_yaml import dump
from harmonize.runs import checkpoints
from harmonize.system.shown_errors import errors_shown
from harmonize.system.streams import LastingStream, lasting_streams
from tiny import tiny_values, write_project

NEEDS_FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")


class Failing(io.StringIO):
    """A stream on which nothing can be written."""

    def __init__(self, number: int, *, terminal: bool = False) -> None:
        super().__init__()
        self._error = OSError(number, os.strerror(number))
        self._terminal = terminal

    def write(self, _: str) -> int:
        raise self._error

    def isatty(self) -> bool:
        return self._terminal


def shell(line: str, folder: Path) -> tuple[int, str, str]:
    """Run a line of bash in a folder; return its status and what it said."""
    command = ["bash", "-c", line.replace("harmonize", f"{sys.executable} -m harmonize")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("project"))
    (folder / "run.yaml").write_text(dump(tiny_values(folder, "never")))
    text = (folder / "fine.yaml").read_text()
    (folder / "bad.yaml").write_text(text.replace("left: left", "left: leff"))
    return folder


@pytest.mark.parametrize(
    ("number", "terminal", "lost"),
    [
        (errno.EPIPE, False, False),
        (errno.EBADF, False, False),
        (errno.ENOSPC, False, True),
        (errno.EIO, False, True),
        (errno.EIO, True, False),
    ],
)
def test_what_cannot_be_written_is_lost_and_noted_unless_nobody_reads(
    number: int, terminal: bool, lost: bool
) -> None:
    stream = LastingStream(Failing(number, terminal=terminal))
    assert stream.write("text") == 4
    assert not stream.isatty()
    stream.writelines(["more", "text"])
    stream.flush()
    assert (stream.trouble is not None) == lost


def test_a_slow_reader_misses_a_text_and_a_closed_stream_all() -> None:
    slow = LastingStream(io.StringIO())
    slow.write("a")
    slow._stream.write = Failing(errno.EAGAIN).write
    slow.write("b")
    del slow._stream.write
    slow.write("c")
    assert slow.getvalue() == "ac"
    slow._stream.close()
    slow.write("d")
    assert slow.trouble is None
    assert not slow.isatty()


def test_streams_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    with lasting_streams(), lasting_streams():
        print("said")
    assert sys.stdout is mine
    assert mine.getvalue() == "said\n"


@pytest.mark.parametrize(("needed", "status"), [(True, 2), (False, 0)])
def test_a_full_log_is_told_on_the_other_stream(
    monkeypatch: pytest.MonkeyPatch, needed: bool, status: int
) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", Failing(errno.ENOSPC))
    monkeypatch.setattr(sys, "stderr", said)
    ended = 0
    try:
        with errors_shown(needs_output=needed):
            print("a table")
    except SystemExit as end:
        ended = end.code
    kind = "error" if needed else "warning"
    line = f"{kind}: standard output: No space left on device; what was to be said is lost\n"
    assert (ended, said.getvalue()) == (status, line)


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        ("harmonize check bad.yaml tiny.txt | head -1; exit ${PIPESTATUS[0]}", 1, "no node 'leff'"),
        ("harmonize check fine.yaml tiny.txt 2>&-", 0, "a mapping of 4 classes"),
        ("harmonize check fine.yaml tiny.txt >&-", 0, ""),
        ("harmonize check bad.yaml tiny.txt >&- 2>&-", 1, ""),
        ("harmonize --help | head -1; exit ${PIPESTATUS[0]}", 0, "usage: harmonize"),
    ],
)
def test_a_command_keeps_its_status_without_a_reader(
    project: Path, line: str, status: int, said: str
) -> None:
    ended, out, err = shell(line, project)
    assert ended == status, err
    assert said in out
    assert err == ""


@NEEDS_FULL
def test_a_command_whose_answer_is_lost_fails(project: Path) -> None:
    ended, _, err = shell("harmonize tree tiny.txt >/dev/full", project)
    assert ended == 2
    assert err == "error: standard output: No space left on device; what was to be said is lost\n"


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["2>&1 | head -1", ">/dev/full 2>&- <&-"])
def test_training_goes_on_without_a_reader(project: Path, tmp_path: Path, streams: str) -> None:
    run = tmp_path / "run"
    line = f"harmonize train --config run.yaml output={run} {streams}; exit ${{PIPESTATUS[0]}}"
    assert shell(line, project)[0] == 0
    assert checkpoints.newest(run) == checkpoints.step_path(run, 6)
    assert (run / "evaluation.json").is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_saves_the_run_unless_it_was_told_to_go_on(
    project: Path, tmp_path: Path, ignored: bool
) -> None:
    run = tmp_path / "run"
    steps = (
        "train.steps=12 train.log_every=1" if ignored else "train.steps=100000 train.log_every=1"
    )
    start = "trap '' HUP; " if ignored else ""
    words = f"train --config run.yaml output={run} {steps} data.workers=1"
    line = f"{start}exec {sys.executable} -m harmonize {words}"
    with subprocess.Popen(
        ["bash", "-c", line], cwd=project, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        while not (run / "metrics.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGHUP)
        assert process.stdout is not None
        said = process.stdout.read().decode()
        assert process.wait() == (0 if ignored else 128 + signal.SIGHUP)
    assert ("stopped by SIGHUP after step" in said) != ignored
    assert checkpoints.newest(run) is not None
