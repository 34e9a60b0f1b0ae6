"""Runs that are killed at random instants and resumed, held against one that was left alone.

The instants are places in a run's progress, not seconds of a clock, so that a busy machine kills
at the same places as an idle one.
"""

import contextlib
import os
import random
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.plurals import counted
from harmonize.runs import checkpoints
from harmonize.tools.benchmark.made_up_data import made_up_config, write_datasets
from harmonize.tools.chaos_faults import Faults
from harmonize.tools.chaos_processes import LOOK, ChaosRun, lead
from harmonize.tools.chaos_results import lines_left, parts_written, run_results

_SETS = 2
_STEPS = 12
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
    "train.evaluate_every=6",
    "train.checkpoint_every=3",
    "train.log_every=1",
    *(f"datasets.{number}.evaluate=train" for number in range(_SETS)),
)
_EVERY = 5
"""Every so many rounds another fault than a kill is put upon a run of its own."""
_SAVING = 0.01
"""Seconds after the start of a save in which it is killed."""


@dataclass
class KillTally:
    """What happened to the runs.

    Attributes:
        kills: the rounds in which a run was killed.
        in_save: those in which it was writing a checkpoint.
        before_first: those in which there was no checkpoint yet.
        finished: the runs that came to their end.
        faults: how often each other fault was put upon a run.
        differences: what of them was not as in the run that was left alone.
        seconds: of each round.
    """

    kills: int = 0
    in_save: int = 0
    before_first: int = 0
    finished: int = 0
    differences: Counter[str] = field(default_factory=Counter[str])
    faults: Counter[str] = field(default_factory=Counter[str])
    seconds: list[float] = field(default_factory=list[float])

    def summary(self) -> str:
        """Say it in a few lines."""
        mean = sum(self.seconds) / max(len(self.seconds), 1)
        found = [f"{what} differs in {counted(n, 'run')}" for what, n in self.differences.items()]
        others = ", ".join(f"{what} {n}" for what, n in sorted(self.faults.items()))
        same = "weights, best, metrics and scores are those of the undisturbed run"
        return (
            f"{self.kills} kills, {self.in_save} of them while a checkpoint was written, "
            f"{self.before_first} before the first; {mean:.1f} s a round\n"
            f"other faults: {others or 'none'}\n"
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
        lines = [time.monotonic() for event in self._finish(self._alone) if event == "line"]
        self._start_up = lines[0] - start
        config = made_up_config(self._mappings, [*_CONFIG, f"output={self._alone}"])
        self._faults = Faults(folder, config, self._alone, seed=seed)
        self._ending = time.monotonic() - lines[-1]

    def run(self, rounds: int) -> KillTally:
        """Kill a run so many times, resuming it each time; a run that ends is compared."""
        tally = KillTally()
        output = self._folder / "run-1"
        while tally.kills + tally.faults.total() < rounds:
            start = time.monotonic()
            if (tally.kills + tally.faults.total()) % _EVERY == _EVERY - 1:
                kind, problem = self._faults.one()
                tally.faults[kind] += 1
                if problem is not None:
                    tally.differences[f"{kind}: {problem}"] += 1
                continue
            if self._kill(output, tally):
                tally.kills += 1
                tally.seconds.append(time.monotonic() - start)
            else:
                self._compare(output, tally)
                output = self._folder / f"run-{tally.finished + 1}"
        list(self._finish(output))
        self._compare(output, tally)
        return tally

    def _kill(self, output: Path, tally: KillTally) -> bool:
        """Start or resume a run and kill it; say whether it was still there."""
        stale = parts_written(output)
        with self._started(output) as run:
            if not self._wait(run, output):
                return False
        os.killpg(run.leader, signal.SIGKILL)
        os.waitpid(run.leader, 0)
        tally.in_save += bool(parts_written(output) - stale)
        tally.before_first += checkpoints.newest(output) is None
        return True

    def _wait(self, run: ChaosRun, output: Path) -> bool:
        """Wait for a random place of the run; say whether the run goes on yet.

        Half of the places lie shortly after the beginning of a save, half anywhere between two
        lines of metrics, before the first or after the last.
        """
        last = lines_left(self._alone, output)
        saves, lines = self._random.choice([0, 0, 0, 1, 2, 3]), self._random.randint(0, last)
        kind, wanted = ("save", saves) if saves else ("line", lines)
        pause, before = self._start_up, time.monotonic()
        events = run.events()
        while wanted:
            event = next(events, None)
            if event is None:
                return False
            wanted -= event == kind
            if event == "line":
                pause, before = time.monotonic() - before, time.monotonic()
        if saves:
            pause = _SAVING
        elif lines == last:
            pause = self._ending
        end = time.monotonic() + self._random.uniform(0, pause)
        while time.monotonic() < end:
            time.sleep(LOOK)
            if run.has_ended():
                return False
        return True

    def _finish(self, output: Path) -> Iterator[str]:
        """Start or resume a run and let it come to its end, handing on its events."""
        with self._started(output) as run:
            yield from run.events()
        if run.status != 0:
            log = output.with_suffix(".log").read_text(errors="replace")
            sys.exit(f"{output}: the run failed:\n{log[-3000:]}")

    @contextlib.contextmanager
    def _started(self, output: Path) -> Iterator[ChaosRun]:
        """Start or resume a run in processes of a group of their own.

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
            lead(config, output.with_suffix(".log"), processes=self._processes, port=port)
        with contextlib.suppress(OSError):  # it has done so itself
            os.setpgid(leader, leader)
        try:
            yield ChaosRun(leader, output)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)
            raise

    def _compare(self, output: Path, tally: KillTally) -> None:
        tally.finished += 1
        ours, theirs = run_results(output, _STEPS), run_results(self._alone, _STEPS)
        tally.differences.update(what for what in ours if ours[what] != theirs[what])
