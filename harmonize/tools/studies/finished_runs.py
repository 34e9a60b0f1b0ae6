"""Finished runs of a study: their scores and logs, and the proof that they can be compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.evaluation.saved_scores import SavedScores, read_evaluation
from harmonize.runs.metrics_log import (
    METRICS,
    EvaluationLine,
    Metrics,
    SetLoss,
    StartLine,
    TrainLine,
    read_metrics,
)
from harmonize.runs.run_folder import EVALUATION
from harmonize.tools.studies.measures import Measure


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
    datasets: Mapping[str, SavedScores]
    start: StartLine
    training: Sequence[TrainLine]
    evaluations: Sequence[EvaluationLine]

    def lines(self, *, training: bool) -> Sequence[TrainLine | EvaluationLine]:
        """Return the lines of training, or those of scores."""
        return self.training if training else self.evaluations

    def scores(self, dataset: str) -> SavedScores:
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

    def at(self, line: TrainLine | EvaluationLine, dataset: str, measure: Measure) -> float | None:
        """Return a number of a data set that a line of the log holds.

        Raises:
            HarmonizeError: the line lacks it.
        """
        place = f"{self.folder / METRICS}: step {line.step}"
        return self._number(place, line.datasets, dataset, measure)

    def _number(
        self,
        place: str | Path,
        datasets: Mapping[str, SavedScores] | Mapping[str, SetLoss],
        dataset: str,
        measure: Measure,
    ) -> float | None:
        try:
            return measure.read(datasets[dataset])
        except (KeyError, IndexError):
            raise HarmonizeError(
                f"{place}: says nothing of {measure.name} of {dataset}; {_again(self.folder)}"
            ) from None


def is_finished(folder: Path, steps: int) -> bool:
    """Say whether a run has been scored at its last step, and all that it logged can be read."""
    try:
        evaluations = _metrics(folder).evaluations
    except HarmonizeError:
        return False
    is_scored = (folder / EVALUATION).is_file()
    return is_scored and bool(evaluations) and evaluations[-1].step == steps


def read_finished_run(folder: Path) -> RunRecord:
    """Read a finished run.

    Raises:
        HarmonizeError: a file of it is missing or damaged.
    """
    datasets = read_evaluation(folder / EVALUATION, _again(folder))
    metrics = _metrics(folder)
    if metrics.start is None:
        raise HarmonizeError(
            f"{folder / METRICS}: says nothing of the initial weights; {_again(folder)}"
        )
    return RunRecord(folder, datasets, metrics.start, metrics.training, metrics.evaluations)


def check_same_steps(runs: Sequence[RunRecord]) -> None:
    """Make sure that runs logged the losses and the scores of the same steps.

    Raises:
        HarmonizeError: naming the run that did not.
    """
    for training in (True, False):
        steps = [[line.step for line in run.lines(training=training)] for run in runs]
        whole = max(range(len(runs)), key=lambda number: len(steps[number]))
        for run, its in zip(runs, steps, strict=True):
            if its != steps[whole]:
                raise HarmonizeError(
                    f"{run.folder / METRICS}: has {'losses' if training else 'scores'} of other "
                    f"steps than {runs[whole].folder}; {_again(run.folder)}"
                )


@dataclass(frozen=True)
class Proof:
    """What the checksums of a seed's runs prove.

    Attributes:
        weights: the checksum of the initial weights, which all runs share.
        steps: how many steps had the same input in all runs.
        of: how many steps there are; a line of the log that an interruption cut has no checksum.
    """

    weights: str
    steps: int
    of: int


def prove_identical(runs: Mapping[str, RunRecord], *, seed: int) -> Proof:
    """Compare the checksums of a seed's runs, which are named by their loss.

    They have lines of the same steps; see ``check_same_steps``.

    Raises:
        HarmonizeError: naming the run that differs, and the step.
    """
    weights = check_same_weights(runs, seed=seed)
    proven, before = 0, 0
    for lines in zip(*(run.training for run in runs.values()), strict=True):
        step = lines[0].step
        inputs = {name: line.input for name, line in zip(runs, lines, strict=True)}
        known = {name: value for name, value in inputs.items() if value is not None}
        other = next((n for n, value in known.items() if value != next(iter(known.values()))), None)
        if other is not None:
            raise HarmonizeError(
                f"seed {seed}: {other} was fed other input than {next(iter(known))} in the steps "
                f"{before + 1} to {step}, so nothing can be compared; have the data or the number "
                "of processes changed?"
            )
        proven += step - before if len(known) == len(runs) else 0
        before = step
    return Proof(weights, proven, before)


def check_same_weights(runs: Mapping[str, RunRecord], *, seed: int) -> str:
    """Return the checksum of the initial weights that all runs of a seed share.

    Raises:
        HarmonizeError: naming the run whose weights are others.
    """
    first, reference = next(iter(runs.items()))
    weights = reference.start.weights
    for name, run in runs.items():
        if run.start.weights != weights:
            raise HarmonizeError(
                f"seed {seed}: {name} started from other weights than {first} (at step 0), so "
                "nothing can be compared; has the version of PyTorch changed?"
            )
    return weights


def _metrics(folder: Path) -> Metrics:
    """Read a log of which no line is damaged."""
    metrics = read_metrics(folder / METRICS)
    if metrics.problems:
        raise HarmonizeError(f"{metrics.problems[0]}; {_again(folder)}")
    return metrics


def _again(folder: Path) -> str:
    return f"remove {folder}, and it is trained again"
