"""What a finished run says of itself: its config, its scores, and what it logged on the way."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.training.output import EVALUATION
from harmonize.training.tracking import METRICS

Line = dict[str, Any]
"""One object of metrics.jsonl."""


@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Attributes:
        folder: the run folder.
        datasets: the scores at the end, by data set.
        start: the line about the initial weights.
        training: the lines about the losses of training.
        evaluations: the lines of scores, the last one of the end.
    """

    folder: Path
    datasets: dict[str, Any]
    start: Line
    training: tuple[Line, ...]
    evaluations: tuple[Line, ...]


def is_finished(folder: Path, steps: int) -> bool:
    """Say whether a run has been scored at its last step, and all that it logged can be read."""
    try:
        lines = _lines(folder)
    except HarmonizeError:
        return False
    evaluated = [line["step"] for line in lines if line["event"] == "evaluation"]
    return (folder / EVALUATION).is_file() and evaluated[-1:] == [steps]


def read_run(folder: Path) -> RunRecord:
    """Read a finished run.

    Raises:
        HarmonizeError: a file of it is missing or damaged.
    """
    path = folder / EVALUATION
    try:
        datasets = json.loads(path.read_bytes())["datasets"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from None
    lines = _lines(folder)
    of = {event: tuple(line for line in lines if line["event"] == event) for event in _EVENTS}
    if not of["start"]:
        raise HarmonizeError(
            f"{folder / METRICS}: says nothing of the initial weights; remove that run folder, "
            "and it is trained again"
        )
    return RunRecord(folder, datasets, of["start"][0], of["train"], of["evaluation"])


_EVENTS = ("start", "train", "evaluation")


def _lines(folder: Path) -> list[Line]:
    path = folder / METRICS
    try:
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        return [line for line in lines if {"event", "step"} <= line.keys()]
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> HarmonizeError:
    return HarmonizeError(
        f"{path}: cannot be read: {error}; remove that run folder, and it is trained again"
    )
