"""Runs that are killed at random instants and resumed, held against one that was left alone."""

import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from safetensors import safe_open

from harmonize.config.run_config import RunConfig
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from harmonize.runs.metrics_log import METRICS
from harmonize.runs.run_folder import EVALUATION
from harmonize.system.atomic_files import part_of
from harmonize.system.mistakes import mistakes_shown
from harmonize.tools.benchmark.made_up_data import made_up_config, write_datasets

_SETS = 2
_STEPS = 24
_CONFIG = (
    "data.size=32",
    "data.batch_size=8",
    "data.workers=2",
    "model.width=8",
    f"train.steps={_STEPS}",
    "train.accumulate=2",
    "train.ema=0.9",
    "train.patience=9",
    "optim.clip=1.0",
    "train.precision=float32",
    "train.evaluate_every=12",
    "train.checkpoint_every=4",
    "train.log_every=3",
    *(f"datasets.{number}.evaluate=train" for number in range(_SETS)),
)
_SPEEDS = ("pictures_per_second",)
_LOOK = 0.0005
"""Seconds between two looks at a run that is to be killed while it saves."""
_SAVING = 0.01
"""Seconds after the start of a save in which it is killed."""


@dataclass
class Tally:
    """What happened to the runs.

    Attributes:
        kills: the rounds in which a run was killed.
        in_save: those in which it was writing a checkpoint.
        before_first: those in which there was no checkpoint yet.
        finished: the runs that came to their end.
        differences: what of them was not as in the run that was left alone.
        seconds: of each round.
    """

    kills: int = 0
    in_save: int = 0
    before_first: int = 0
    finished: int = 0
    differences: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list[float])

    def summary(self) -> str:
        """Say it in a few lines."""
        mean = sum(self.seconds) / max(len(self.seconds), 1)
        found = [f"{what} differs in {n} runs" for what, n in self.differences.items()]
        same = "weights, best, metrics and scores are those of the undisturbed run"
        return (
            f"{self.kills} kills, {self.in_save} of them while a checkpoint was written, "
            f"{self.before_first} before the first; {mean:.1f} s a round\n"
            f"{self.finished} runs came to their end after all: "
            f"{'; '.join(found) or same}"
        )


class Chaos:
    """Kills the processes of one run after another."""

    def __init__(self, folder: Path, *, processes: int, seed: int) -> None:
        """Draw the data below ``folder``, and train a run that is left alone."""
        self._folder = folder
        self._processes = processes
        self._random = random.Random(seed)
        self._mappings = write_datasets(
            folder / "data", _SETS, pictures=12, size=(48, 48), file_format="png"
        )
        self._alone = folder / "undisturbed"
        start = time.monotonic()
        self._finish(self._alone)
        self._duration = time.monotonic() - start

    def run(self, rounds: int) -> Tally:
        """Kill a run so many times, resuming it each time; a run that ends is compared."""
        tally = Tally()
        output = self._folder / "run-1"
        while tally.kills < rounds:
            start = time.monotonic()
            if self._kill(output, tally):
                tally.kills += 1
                tally.seconds.append(time.monotonic() - start)
            else:
                self._compare(output, tally)
                output = self._folder / f"run-{tally.finished + 1}"
        self._finish(output)
        self._compare(output, tally)
        return tally

    def _kill(self, output: Path, tally: Tally) -> bool:
        """Start or resume a run and kill it; say whether it was still there."""
        stale = _parts(output)
        saves = self._random.choice([0, 0, 0, 1, 2, 3])  # half of them at any instant
        with self._started(output) as leader:
            if not self._wait(leader, output, saves):
                return False
        os.killpg(leader, signal.SIGKILL)
        os.waitpid(leader, 0)
        tally.in_save += bool(_parts(output) - stale)
        tally.before_first += checkpoints.newest(output) is None
        return True

    def _wait(self, leader: int, output: Path, saves: int) -> bool:
        """Wait for any instant, or for one in so many-th save; say whether the run goes on yet."""
        end = time.monotonic() + self._random.uniform(0, self._duration)
        seen = _parts(output)
        while saves or time.monotonic() < end:
            time.sleep(_LOOK)
            if os.waitpid(leader, os.WNOHANG)[0]:
                return False
            now = _parts(output)
            if saves and now - seen:
                saves -= 1
                end = time.monotonic() + self._random.uniform(0, _SAVING)
            seen |= now
        return True

    def _finish(self, output: Path) -> None:
        with self._started(output) as leader:
            _, status = os.waitpid(leader, 0)
        if status != 0:
            log = output.with_suffix(".log").read_text(errors="replace")
            sys.exit(f"{output}: the run failed:\n{log[-3000:]}")

    @contextlib.contextmanager
    def _started(self, output: Path) -> Iterator[int]:
        """Start or resume a run in processes of a group of their own; give its leader's id.

        They go on afterwards, but not without this process.
        """
        resume = f"train.resume={'true' if output.exists() else 'false'}"
        config = made_up_config(self._mappings, [*_CONFIG, f"output={output}", resume])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        leader = os.fork()
        if not leader:
            os.setpgid(0, 0)
            _lead(config, output.with_suffix(".log"), processes=self._processes, port=port)
        with contextlib.suppress(OSError):  # it has done so itself
            os.setpgid(leader, leader)
        try:
            yield leader
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)
            raise

    def _compare(self, output: Path, tally: Tally) -> None:
        tally.finished += 1
        ours, theirs = _results(output), _results(self._alone)
        tally.differences.update(what for what in ours if ours[what] != theirs[what])


def _lead(config: RunConfig, log: Path, *, processes: int, port: int) -> NoReturn:
    """Run a config in this process and others of its group, and end with its status."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ |= {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    if processes == 1:
        _train(config)
    os.environ |= {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    children: list[int] = []
    for rank in range(processes):
        child = os.fork()
        if not child:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            _train(config)
        children.append(child)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    os._exit(int(any(statuses)))


def _train(config: RunConfig) -> NoReturn:
    """Train and end the process as a script would."""
    status = 1
    try:
        with mistakes_shown():
            train(config, name="chaos")
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _parts(output: Path) -> frozenset[tuple[str, int]]:
    """Return the checkpoints that are half written, or were when their writer was killed."""
    found: set[tuple[str, int]] = set()
    for path in (output / checkpoints.FOLDER).glob(part_of(Path("*")).name):
        with contextlib.suppress(OSError):
            found.add((path.name, path.stat().st_ino))
    return frozenset(found)


def _results(output: Path) -> dict[str, object]:
    """Return all that must be as in any other run of the config."""
    lines = [json.loads(line) for line in (output / METRICS).read_text().splitlines()]
    return {
        "weights": _content(checkpoints.step_path(output, _STEPS)),
        "best": _content(checkpoints.best_path(output)),
        "metrics": [{k: v for k, v in line.items() if k not in _SPEEDS} for line in lines],
        "scores": (output / EVALUATION).read_text(),
        "files": sorted(p.name for p in output.rglob("*")),
    }


def _content(path: Path) -> dict[str, object]:
    """Return all that a checkpoint holds but the config, which names the run's folder."""
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["harmonize"].partition(" ")[2])
        tensors = {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
    return {**tensors, **{key: value for key, value in facts.items() if key != "config"}}
