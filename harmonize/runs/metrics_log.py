"""metrics.jsonl: its lines, written one by one, cut back where a run resumes, and read back."""

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harmonize.config.saved_json import from_json
from harmonize.errors import HarmonizeError, printable
from harmonize.evaluation.saved_scores import Count, Number, SavedScores
from harmonize.system.atomic_files import write_whole, writing

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class StartLine:
    """The checksum of the initial weights."""

    step: Count
    weights: str


@dataclass(frozen=True)
class SetLoss:
    """The loss of one data set's pixels, in all and by depth; None where no label resolves one."""

    loss: Number
    loss_by_depth: tuple[Number, ...] = ()


@dataclass(frozen=True)
class TrainLine:
    """The losses of the steps since the line before.

    Attributes:
        step: the last of these steps.
        loss, loss_by_depth: of the pixels of all data sets.
        datasets: the same for each.
        input: the checksum of what the network was fed, if it was asked for and is known.
        lr: the learning rate.
        gradient_norm: of the last step, before clipping; None unless gradients are clipped.
        pictures_per_second: the speed.
    """

    step: Count
    loss: Number
    loss_by_depth: tuple[Number, ...] = ()
    datasets: dict[str, SetLoss] = field(default_factory=dict[str, SetLoss])
    input: str | None = None
    lr: Number = None
    gradient_norm: Number = None
    pictures_per_second: Number = None


@dataclass(frozen=True)
class EvaluationLine:
    """The scores of each data set after a step."""

    step: Count
    datasets: dict[str, SavedScores]


EVENTS = {"start": StartLine, "train": TrainLine, "evaluation": EvaluationLine}


@dataclass(frozen=True)
class Metrics:
    """The lines of a log in the order of their steps, and what is wrong with those left out."""

    start: StartLine | None = None
    training: Sequence[TrainLine] = ()
    evaluations: Sequence[EvaluationLine] = ()
    problems: Sequence[str] = ()


def read_metrics(path: Path) -> Metrics:
    """Read a log, leaving out damaged lines; of several lines about a step the last one counts.

    Raises:
        HarmonizeError: the file cannot be read.
    """
    found: dict[str, dict[int, Any]] = {event: {} for event in EVENTS}
    problems: list[str] = []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error.strerror or error}") from None
    for number, line in enumerate(lines, 1):
        where = f"{path}: line {number}"
        try:
            value = json.loads(line) if line.strip() else {"event": ""}
            event = value["event"]
            if event in EVENTS:
                entry = from_json(EVENTS[event], value, where)
                found[event][entry.step] = entry
        except HarmonizeError as error:
            problems.append(str(error))
        except (ValueError, KeyError, TypeError, RecursionError):
            problems.append(f"{where}: is damaged")
    start, training, evaluations = (
        [entries[step] for step in sorted(entries)] for entries in found.values()
    )
    return Metrics(start[0] if start else None, training, evaluations, problems)


class Log:
    """Writes lines to a file."""

    def __init__(self, path: Path, *, patient: bool) -> None:
        """Write to ``path``; if ``patient``, keep what cannot be written until it can be."""
        self._path = path
        self._patient = patient
        self._waiting = b""

    def write(self, line: dict[str, Any]) -> None:
        """Add a line, after those that wait.

        Raises:
            HarmonizeError: it cannot be written, and the log is not patient.
        """
        warned = bool(self._waiting)
        self._waiting += json.dumps(line).encode() + b"\n"
        try:
            with writing(self._path):
                self._append_waiting()
        except HarmonizeError as error:
            if not self._patient:
                self._waiting = b""
                raise
            if not warned:
                print(printable(f"warning: {error}; trying again"), file=sys.stderr)

    def flush(self) -> None:
        """Make sure that the lines are on the disk, so that none is missing before a checkpoint.

        Raises:
            HarmonizeError: the disk fails, and the log is not patient.
        """
        try:
            with writing(self._path):
                self._append_waiting()
                with self._path.open("ab") as file:
                    os.fsync(file.fileno())
        except HarmonizeError:
            if not self._patient:
                raise

    def cut(self, start: int) -> int | None:
        """Drop the lines after a step; return the step of the last evaluation that stays.

        Raises:
            HarmonizeError: the file cannot be read or written.
        """
        if not self._path.exists():
            return None
        kept: list[str] = []
        evaluated: int | None = None
        with writing(self._path):
            text = self._path.read_text(encoding="utf-8", errors="replace")
            for line in text.splitlines(keepends=True):
                try:
                    entry = json.loads(line)
                    step, event = int(entry["step"]), entry["event"]
                except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                    continue  # half a line, written when the run was interrupted
                if 0 < start >= step and line.endswith("\n"):
                    kept.append(line)
                    evaluated = step if event == "evaluation" else evaluated
            whole = "".join(kept)
            if whole != text:
                write_whole(self._path, whole.encode())
        return evaluated

    def _append_waiting(self) -> None:
        """Add the lines that wait, all or none."""
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("ab") as file:
                file.write(self._waiting)
            self._waiting = b""
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(self._path, size)
            raise
