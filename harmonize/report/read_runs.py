"""Run folders, read for a report: what is there is taken, what is missing is noted."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.calibration.calibration_file import CalibrationFile, read_calibration
from harmonize.config.channels import RGB
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import load_text
from harmonize.config.train_config import Decode
from harmonize.errors import HarmonizeError
from harmonize.evaluation.saved_scores import Number, SavedScores, read_evaluation
from harmonize.labels.sources import Sources, load_sources
from harmonize.runs.checkpoint import Checkpoint
from harmonize.runs.checkpoints import FOLDER, choose
from harmonize.runs.metrics_log import METRICS, EvaluationLine, Metrics, TrainLine, read_metrics
from harmonize.runs.run_folder import CONFIG, EVALUATION


@dataclass(frozen=True)
class ReportedRun:
    """What a run folder holds.

    Attributes:
        folder: of the run.
        name: how the page calls it.
        config: the config's text.
        roots: the folders of data sets that the config names.
        checkpoint: the newest whole one and its file, if there is one.
        sources: the tree and the mappings, if they are known.
        decode: how the run decides pixels.
        bands: the names of those that its network takes.
        training, evaluations: the lines of metrics.jsonl by step.
        scores: the newest scores of each data set.
        scored_step: the step that they are from, if it is known.
        calibration: if there is one.
        notes: what is missing or left out, in words.
        tree: the one that this is about, of a run of several; None for all.
    """

    folder: Path
    name: str
    config: str = ""
    roots: Mapping[str, str] = field(default_factory=dict[str, str])
    checkpoint: tuple[Path, Checkpoint] | None = None
    sources: Sources | None = None
    decode: Decode = "tree"
    bands: Sequence[str] = RGB
    training: Sequence[TrainLine] = ()
    evaluations: Sequence[EvaluationLine] = ()
    scores: Mapping[str, SavedScores] = field(default_factory=dict[str, SavedScores])
    scored_step: int | None = None
    calibration: CalibrationFile | None = None
    notes: tuple[str, ...] = ()
    tree: str | None = None

    @property
    def of_trees(self) -> "tuple[ReportedRun, ...]":
        """The run as each of its trees has it: its data sets by their own names."""
        if self.sources is None or not self.sources.trees:
            return (self,)
        return tuple(self._of_tree(its) for _, its in self.sources.of_trees)

    def _of_tree(self, its: Sources) -> "ReportedRun":
        tree, ending = its.ontology.name, f":{its.ontology.name}"
        return dataclasses.replace(
            self,
            sources=its,
            scores={
                name.removesuffix(ending): one
                for name, one in self.scores.items()
                if name.endswith(ending)
            },
            calibration=self.calibration and self.calibration.of_tree(tree),
            tree=tree,
        )

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
        return self.calibration.step == self.checkpoint[1].step


def read_runs(folders: Sequence[Path]) -> list[ReportedRun]:
    """Read run folders.

    Raises:
        HarmonizeError: one is missing, none or named twice, or has a damaged evaluation.json.
    """
    absolute = [os.path.realpath(folder) for folder in folders]
    for number, folder in enumerate(folders):
        if absolute[number] in absolute[:number]:
            raise HarmonizeError(f"{folder}: named twice; name each run once")
    return [read_run(folder, name) for folder, name in zip(folders, _names(folders), strict=True)]


def read_run(folder: Path, name: str) -> ReportedRun:
    """Read a run folder; see ``read_runs``."""
    if not folder.is_dir():
        what = "is a file, no run folder" if folder.is_file() else "no such run folder"
        raise HarmonizeError(f"{folder}: {what}")
    if not any((folder / part).exists() for part in (CONFIG, METRICS, EVALUATION, FOLDER)):
        raise HarmonizeError(f"{folder}: not a run folder; it has neither {CONFIG} nor {METRICS}")
    notes: list[str] = []
    text, config = _config(folder, notes)
    checkpoint = _checkpoint(folder, notes)
    metrics = _metrics(folder / METRICS, notes)
    scores, step = _scores(folder / EVALUATION, metrics.evaluations, notes)
    return ReportedRun(
        folder=folder,
        name=name,
        config=text,
        roots=dict(config.data.roots) if config else {},
        checkpoint=checkpoint,
        sources=_sources(checkpoint, config, notes),
        decode=config.evaluate.decode if config else "tree",
        bands=config.model.bands if config else RGB,
        training=metrics.training,
        evaluations=metrics.evaluations,
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
        return load_sources(config, several=True) if config else None
    except HarmonizeError as error:
        notes.append(f"The tree is not known: {error.problems[0]}")
        return None


def _calibration(folder: Path, notes: list[str]) -> CalibrationFile | None:
    try:
        return read_calibration(folder)
    except HarmonizeError as error:
        notes.append(f"The calibration is left out: {error.problems[0]}")
        return None


def _metrics(path: Path, notes: list[str]) -> Metrics:
    """Read the log, if there is one, leaving out damaged lines."""
    try:
        metrics = read_metrics(path) if path.exists() else Metrics()
    except HarmonizeError as error:
        notes.append(f"The log is left out: {error.problems[0]}")
        return Metrics()
    if metrics.problems:
        number = len(metrics.problems)
        lines = "1 line" if number == 1 else f"{number} lines"
        notes.append(f"{lines} of {METRICS} cannot be read, and left out: {metrics.problems[0]}")
    return metrics


def _scores(
    path: Path, evaluations: Sequence[EvaluationLine], notes: list[str]
) -> tuple[Mapping[str, SavedScores], int | None]:
    """Take evaluation.json, else the last line of metrics; say which step the scores are from."""
    if not path.exists():
        if not evaluations:
            notes.append("The run has no scores yet.")
            return {}, None
        last = evaluations[-1]
        notes.append(f"There is no {EVALUATION} yet; the scores are those after step {last.step}.")
        return last.datasets, last.step
    scores = read_evaluation(path, f"score it again with scripts/evaluate.py RUN --json {path}")
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


def _means(scores: Mapping[str, SavedScores]) -> dict[str, Number]:
    return {name: one.mean_iou for name, one in scores.items()}
