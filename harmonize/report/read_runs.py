"""Run folders, read for a report: what is there is taken, what is missing is noted."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import load_text
from harmonize.errors import HarmonizeError
from harmonize.labels.sources import Sources, load_sources
from harmonize.report.fields import Fields
from harmonize.report.run_scores import (
    Calibration,
    SetScores,
    Value,
    read_curves,
    read_evaluation,
    read_scores,
)
from harmonize.runs.checkpoint import Checkpoint
from harmonize.runs.checkpoints import FOLDER, choose
from harmonize.runs.run_folder import CONFIG, EVALUATION

METRICS = "metrics.jsonl"


@dataclass(frozen=True)
class TrainLine:
    """The losses of the steps up to one: in all, by depth, and the same for each data set."""

    step: int
    loss: Value
    loss_by_depth: tuple[Value, ...]
    datasets: Mapping[str, tuple[Value, tuple[Value, ...]]]


@dataclass(frozen=True)
class EvaluationLine:
    """The scores after a step."""

    step: int
    datasets: Mapping[str, SetScores]


@dataclass(frozen=True)
class Run:
    """What a run folder holds.

    Attributes:
        folder: of the run.
        name: how the page calls it.
        config: the config's text.
        roots: the folders of data sets that the config names.
        checkpoint: the newest whole one and its file, if there is one.
        sources: the tree and the mappings, if they are known.
        training, evaluations: the lines of metrics.jsonl by step.
        scores: the newest scores of each data set.
        scored_step: the step that they are from, if it is known.
        calibration: if there is one.
        notes: what is missing or left out, in words.
    """

    folder: Path
    name: str
    config: str = ""
    roots: Mapping[str, str] = field(default_factory=dict[str, str])
    checkpoint: tuple[Path, Checkpoint] | None = None
    sources: Sources | None = None
    training: tuple[TrainLine, ...] = ()
    evaluations: tuple[EvaluationLine, ...] = ()
    scores: Mapping[str, SetScores] = field(default_factory=dict[str, SetScores])
    scored_step: int | None = None
    calibration: Calibration | None = None
    notes: tuple[str, ...] = ()

    @property
    def step(self) -> int | None:
        """The last step that anything is known of."""
        steps = [line.step for line in (*self.training, *self.evaluations)]
        steps += [self.checkpoint[1].step] if self.checkpoint else []
        return max(steps, default=None)

    @property
    def is_calibrated(self) -> bool:
        """Whether there is a calibration, and it was made for the newest checkpoint."""
        if self.calibration is None or self.checkpoint is None:
            return False
        return self.calibration.file.step == self.checkpoint[1].step


def read_runs(folders: Sequence[Path]) -> list[Run]:
    """Read run folders.

    Raises:
        HarmonizeError: one is missing, none or named twice, or has a damaged evaluation.json.
    """
    absolute = [os.path.realpath(folder) for folder in folders]
    for number, folder in enumerate(folders):
        if absolute[number] in absolute[:number]:
            raise HarmonizeError(f"{folder}: named twice; name each run once")
    return [read_run(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]


def read_run(folder: Path, name: str) -> Run:
    """Read a run folder; see ``read_runs``."""
    if not folder.is_dir():
        what = "is a file, no run folder" if folder.is_file() else "no such run folder"
        raise HarmonizeError(f"{folder}: {what}")
    if not any((folder / part).exists() for part in (CONFIG, METRICS, EVALUATION, FOLDER)):
        raise HarmonizeError(f"{folder}: not a run folder; it has neither {CONFIG} nor {METRICS}")
    notes: list[str] = []
    text, config = _config(folder, notes)
    checkpoint = _checkpoint(folder, notes)
    training, evaluations = _metrics(folder / METRICS, notes)
    scores, step = _scores(folder / EVALUATION, evaluations, notes)
    return Run(
        folder=folder,
        name=name,
        config=text,
        roots=dict(config.data.roots) if config else {},
        checkpoint=checkpoint,
        sources=_sources(checkpoint, config, notes),
        training=training,
        evaluations=evaluations,
        scores=scores,
        scored_step=step,
        calibration=_calibration(folder, notes),
        notes=tuple(notes),
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """Call runs by their folders' names, with as many folders above as tell them apart."""
    parts = [Path(os.path.realpath(folder)).parts for folder in folders]
    for length in range(1, max(map(len, parts), default=1) + 1):
        names = ["/".join(one[-length:]) for one in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def _config(folder: Path, notes: list[str]) -> tuple[str, RunConfig | None]:
    path = folder / CONFIG
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        notes.append(f"{CONFIG} cannot be read: {error.strerror}.")
        return "", None
    try:
        return text, RunConfig.from_document(load_text(text, str(path)))
    except HarmonizeError as error:
        notes.append(f"The config cannot be understood: {error.problems[0]}")
        return text, None


def _checkpoint(folder: Path, notes: list[str]) -> tuple[Path, Checkpoint] | None:
    try:
        return choose(folder, "last")
    except HarmonizeError as error:
        notes.append(f"No pictures are answered: {error.problems[0]}")
        return None


def _sources(
    checkpoint: tuple[Path, Checkpoint] | None, config: RunConfig | None, notes: list[str]
) -> Sources | None:
    """Take the tree and the mappings from the checkpoint, else from the files of the config."""
    try:
        if checkpoint is not None:
            return checkpoint[1].sources()
        return load_sources(config) if config else None
    except HarmonizeError as error:
        notes.append(f"The tree is not known: {error.problems[0]}")
        return None


def _calibration(folder: Path, notes: list[str]) -> Calibration | None:
    try:
        return read_curves(folder)
    except HarmonizeError as error:
        notes.append(f"The calibration is left out: {error.problems[0]}")
        return None


def _metrics(
    path: Path, notes: list[str]
) -> tuple[tuple[TrainLine, ...], tuple[EvaluationLine, ...]]:
    """Read the lines, leaving out those that are damaged; of one step the last holds."""
    training: dict[int, TrainLine] = {}
    evaluations: dict[int, EvaluationLine] = {}
    damaged = 0
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        notes.append(f"{METRICS} cannot be read: {error.strerror}.")
        text = ""
    for line in filter(str.strip, text.splitlines()):
        try:
            fields = Fields(json.loads(line), METRICS)
            event, step = fields.text("event"), fields.whole("step")
            if event == "train":
                training[step] = _train_line(fields, step)
            elif event == "evaluation":
                evaluations[step] = EvaluationLine(step, read_scores(fields))
        except (ValueError, RecursionError):
            damaged += 1
    if damaged:
        lines = "1 line" if damaged == 1 else f"{damaged} lines"
        notes.append(f"{lines} of {METRICS} cannot be read, and left out.")
    in_order = [training[step] for step in sorted(training)]
    return tuple(in_order), tuple(evaluations[step] for step in sorted(evaluations))


def _train_line(fields: Fields, step: int) -> TrainLine:
    return TrainLine(
        step,
        fields.number("loss"),
        fields.numbers("loss_by_depth"),
        {
            name: (one.number("loss"), one.numbers("loss_by_depth"))
            for name, one in fields.inside("datasets").objects().items()
        },
    )


def _scores(
    path: Path, evaluations: Sequence[EvaluationLine], notes: list[str]
) -> tuple[Mapping[str, SetScores], int | None]:
    """Take evaluation.json, else the last line of metrics; say which step the scores are from."""
    if not path.exists():
        if not evaluations:
            notes.append("The run has no scores yet.")
            return {}, None
        last = evaluations[-1]
        notes.append(f"There is no {EVALUATION} yet; the scores are those after step {last.step}.")
        return last.datasets, last.step
    scores = read_evaluation(path)
    numbers = _means(scores)
    step = next(
        (line.step for line in reversed(evaluations) if _means(line.datasets) == numbers), None
    )
    if evaluations and step != evaluations[-1].step:
        notes.append(
            f"{EVALUATION} holds other scores than the last evaluation of {METRICS}, "
            f"after step {evaluations[-1].step}."
        )
    return scores, step


def _means(scores: Mapping[str, SetScores]) -> dict[str, Value]:
    return {name: one.mean_iou for name, one in scores.items()}
