"""What a finished run says of itself: its config, its scores, and what it logged on the way."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.runs.run_folder import EVALUATION
from harmonize.tools.studies.measures import Measure, Scores
from harmonize.training.tracking import METRICS

Line = dict[str, Any]
"""One object of metrics.jsonl."""

_NEEDED = {"start": {"weights"}, "train": {"input", "datasets"}, "evaluation": {"datasets"}}
"""What a line of each event holds, besides its step."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


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
    datasets: dict[str, Scores]
    start: Line
    training: tuple[Line, ...]
    evaluations: tuple[Line, ...]

    def lines(self, *, training: bool) -> tuple[Line, ...]:
        """Return the lines of training, or those of scores."""
        return self.training if training else self.evaluations

    def scores(self, dataset: str) -> Scores:
        """Return the scores of a data set at the end.

        Raises:
            HarmonizeError: there are none.
        """
        if dataset not in self.datasets:
            path = self.folder / EVALUATION
            raise HarmonizeError(f"{path}: has no scores of {dataset}; {_again(self.folder)}")
        return self.datasets[dataset]

    def final(self, dataset: str, measure: Measure) -> float | None:
        """Return a number of a data set at the end.

        Raises:
            HarmonizeError: the scores lack it.
        """
        return self._number(self.folder / EVALUATION, self.datasets, dataset, measure)

    def at(self, line: Line, dataset: str, measure: Measure) -> float | None:
        """Return a number of a data set that a line of the log holds.

        Raises:
            HarmonizeError: the line lacks it.
        """
        place = f"{self.folder / METRICS}: step {line['step']}"
        return self._number(place, line["datasets"], dataset, measure)

    def _number(
        self, place: str | Path, datasets: Mapping[str, Any], dataset: str, measure: Measure
    ) -> float | None:
        try:
            return measure.read(datasets[dataset])
        except (KeyError, IndexError, TypeError):
            raise HarmonizeError(
                f"{place}: says nothing of {measure.name} of {dataset}; {_again(self.folder)}"
            ) from None


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
        for name, scores in datasets.items():
            _check_scores(name, scores)
    except _UNREADABLE as error:
        raise _damaged(path, error) from None
    lines = _lines(folder)
    of = {event: tuple(line for line in lines if line["event"] == event) for event in _NEEDED}
    if not of["start"]:
        raise HarmonizeError(
            f"{folder / METRICS}: says nothing of the initial weights; {_again(folder)}"
        )
    return RunRecord(folder, datasets, of["start"][0], of["train"], of["evaluation"])


def check_same_steps(runs: Sequence[RunRecord]) -> None:
    """Make sure that runs logged the losses and the scores of the same steps.

    Raises:
        HarmonizeError: naming the run that did not.
    """
    for training in (True, False):
        steps = [[line["step"] for line in run.lines(training=training)] for run in runs]
        whole = max(range(len(runs)), key=lambda number: len(steps[number]))
        for run, its in zip(runs, steps, strict=True):
            if its != steps[whole]:
                raise HarmonizeError(
                    f"{run.folder / METRICS}: has {'losses' if training else 'scores'} of other "
                    f"steps than {runs[whole].folder}; {_again(run.folder)}"
                )


def _lines(folder: Path) -> list[Line]:
    path = folder / METRICS
    try:
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        lines = [line for line in lines if {"event", "step"} <= line.keys()]
        for line in lines:
            if type(line["step"]) is not int or line["step"] < 0:
                raise ValueError(f"step {line['step']!r} is no whole number")
            _check_keys(f"step {line['step']}", line, _NEEDED.get(line["event"], set()))
    except _UNREADABLE as error:
        raise _damaged(path, error) from None
    return lines


def _check_scores(name: str, scores: Scores) -> None:
    """Make sure that scores say what they are of.

    Raises:
        KeyError, TypeError, AttributeError: they do not.
    """
    _check_keys(name, scores, {"split", "pictures", "iou", "depths"})
    if type(scores["pictures"]) is not int:
        raise TypeError(f"{name}: pictures {scores['pictures']!r} is no whole number")
    _check_shares(name, scores)
    for depth in scores["depths"]:
        _check_keys(name, depth, {"depth", "mean_iou", "iou"})
        _check_shares(f"{name}, depth {depth['depth']}", depth)


def _check_shares(place: str, scores: Mapping[str, Any]) -> None:
    """Make sure that IoU are numbers from 0 to 1, or null."""
    for value in (scores.get("mean_iou"), *scores["iou"].values()):
        if value is not None and (type(value) not in (int, float) or not 0 <= value <= 1):
            raise TypeError(f"{place}: an IoU is {str(value)[:20]!r}")


def _check_keys(place: str, values: Mapping[str, Any], needed: set[str]) -> None:
    missing = sorted(needed - values.keys())
    if missing:
        raise KeyError(f"{place}: {', '.join(missing)}")


def _damaged(path: Path, error: Exception) -> HarmonizeError:
    reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
    return HarmonizeError(f"{path}: cannot be read: {reason}; {_again(path.parent)}")


def _again(folder: Path) -> str:
    return f"remove {folder}, and it is trained again"
