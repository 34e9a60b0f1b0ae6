"""Single faults of an unlucky machine, each put upon a copy of a run, and what must follow."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dump
from harmonize.runs import checkpoints
from harmonize.runs.metrics_log import METRICS

_WAIT = 300.0
"""Seconds that any of it may take on a busy machine."""
_ENDLESS = "train.steps=100000"


def _hear_the_terminal() -> None:
    """Undo what ``nohup`` hands on to every process that it starts."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Faults:
    """Draws faults, and checks the outcome of each."""

    def __init__(self, folder: Path, config: RunConfig, whole: Path, *, seed: int) -> None:
        """Prepare to resume copies of a run.

        Args:
            folder: where they lie.
            config: of the run.
            whole: the run, which came to its end.
            seed: of the choice.
        """
        self._folder = folder
        self._whole = whole
        self._random = random.Random(seed)
        self._config = folder / "faults.yaml"
        self._config.write_text(dump(config.to_dict()))
        self._number = 0

    def one(self) -> tuple[str, str | None]:
        """Put one fault upon a run; return its name, and what was wrong with the outcome."""
        kinds: tuple[Callable[[Path], str | None], ...] = (
            self._closed_stream,
            self._closed_terminal,
            self._small_memory,
            self._second_start,
            self._removed_steps,
            self._foreign_file,
        )
        kind = self._random.choice(kinds)
        self._number += 1
        run = self._folder / f"fault-{self._number}"
        return kind.__name__.strip("_").replace("_", " "), kind(run)

    def _command(self, run: Path, *changes: str) -> list[str]:
        words = ["train", "--config", str(self._config), f"output={run}", *changes]
        return [sys.executable, "-m", "harmonize", *words]

    def _ended(self, words: list[str], **streams: object) -> tuple[int, str]:
        """Run a command to its end; return its status and what it said on stderr."""
        given = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **streams}
        done = subprocess.run(words, check=False, timeout=_WAIT, **given)  # type: ignore[call-overload]
        return done.returncode, (done.stderr or b"").decode(errors="replace")

    def _copy(self, run: Path) -> Path:
        """Copy the whole run, back at its checkpoint before the last."""
        shutil.copytree(self._whole, run)
        checkpoints.all_steps(run)[-1].unlink()
        return run

    def _whole_end(self, run: Path, status: int, said: str) -> str | None:
        """Say how a run did not come to the end that the undisturbed one came to."""
        last = checkpoints.newest(self._whole)
        assert last is not None
        if status:
            return f"ended with {status}: {said[-300:]}"
        if not (run / "checkpoints" / last.name).is_file():
            return f"{last.name} is missing"
        logged, expected = (
            len((one / METRICS).read_bytes().splitlines()) for one in (run, self._whole)
        )
        return None if logged == expected else f"{logged} lines of metrics in place of {expected}"

    def _closed_stream(self, run: Path) -> str | None:
        words = self._command(self._copy(run), "train.resume=true")
        shell = [
            "bash",
            "-c",
            '"$@" 2>&1 | head -c 1 >/dev/null; exit ${PIPESTATUS[0]}',
            "bash",
            *words,
        ]
        return self._whole_end(run, *self._ended(shell))

    @contextlib.contextmanager
    def _endless(self, run: Path) -> Iterator[subprocess.Popen[bytes]]:
        """Start a training without an end, let it log a step, and kill it afterwards."""
        with subprocess.Popen(
            self._command(run, _ENDLESS),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_hear_the_terminal,
        ) as process:
            try:
                start = time.monotonic()
                while not (run / METRICS).exists() and time.monotonic() - start < _WAIT:
                    time.sleep(0.05)
                yield process
            finally:
                process.kill()

    def _closed_terminal(self, run: Path) -> str | None:
        with self._endless(run) as process:
            process.send_signal(signal.SIGHUP)
            status = process.wait(_WAIT)
        if status != 128 + signal.SIGHUP:
            return f"ended with {status}"
        return None if checkpoints.newest(run) else "there is no checkpoint"

    def _small_memory(self, run: Path) -> str | None:
        words = self._command(self._copy(run), "train.resume=true", "data.workers=2")
        if shutil.which("unshare") is None or os.system("unshare -rm true"):
            return None  # not allowed here
        shell = [
            "unshare",
            "-rm",
            "bash",
            "-c",
            'mount -t tmpfs -o size=256k tmpfs /dev/shm && exec "$@"',
        ]
        return self._whole_end(run, *self._ended([*shell, "bash", *words]))

    def _second_start(self, run: Path) -> str | None:
        with self._endless(run):
            status, said = self._ended(self._command(run, _ENDLESS, "train.resume=true"))
        return None if status == 2 and "in use by process" in said else f"{status}: {said[-300:]}"

    def _removed_steps(self, run: Path) -> str | None:
        for path in checkpoints.all_steps(self._copy(run)):
            path.unlink()
        before = (run / METRICS).read_bytes()
        status, said = self._ended(self._command(run, "train.resume=true"))
        if (run / METRICS).read_bytes() != before:
            return "the metrics have changed"
        wanted = "holds no step-*.safetensors to resume from"
        return None if status == 2 and wanted in said else f"{status}: {said[-300:]}"

    def _foreign_file(self, run: Path) -> str | None:
        folder = self._copy(run) / checkpoints.FOLDER
        names = ("step-99999999-keep.safetensors", "step-backup", ".notes.part")
        for name in names:
            (folder / name).write_bytes(b"mine")
        problem = self._whole_end(run, *self._ended(self._command(run, "train.resume=true")))
        left = [name for name in names if (folder / name).read_bytes() != b"mine"]
        return problem or (f"changed: {left}" if left else None)
