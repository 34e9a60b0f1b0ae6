"""What a comparison of losses found: every number of every seed, as values and as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harmonize.plurals import counted
from harmonize.tools.studies.finished_runs import Proof, RunRecord
from harmonize.tools.studies.measures import MEAN_IOU, Measure, class_measures, further_measures
from harmonize.tools.studies.spread import (
    Summary,
    differences,
    relative_change,
    spread_name,
    summarize,
)
from harmonize.tools.studies.study_output import NOTHING, change, listed, markdown, value

_LEAST = 0.01
"""The least mean that a change is stated relative to; of less, any change is a great part."""
PARTS = (0.5, 0.75, 0.9)
"""Of the first loss's final mean IoU: how soon is each reached?"""


@dataclass(frozen=True)
class MeasureRow:
    """One measure of one data set.

    Attributes:
        measure: what is measured.
        values: of each loss.
        gains: how much more the last loss has than each other, seed by seed.
        relative: the change of the mean as a part of the first loss's.
    """

    measure: Measure
    values: dict[str, Summary]
    gains: dict[str, Summary]
    relative: float | None


@dataclass(frozen=True)
class DatasetResults:
    """What the runs say of one data set.

    Attributes:
        name, split, pictures: what was scored.
        classes: the rows of the paper's table 1.
        mean: its last row.
        further: what else was measured.
        reached: for each of ``PARTS`` and each loss, the first evaluated step of each seed at which
            it has that part of the first loss's final mean IoU; None if it never has.
    """

    name: str
    split: str
    pictures: int
    classes: tuple[MeasureRow, ...]
    mean: MeasureRow
    further: tuple[MeasureRow, ...]
    reached: dict[float, dict[str, list[int | None]]]


Runs = Mapping[str, Sequence[RunRecord]]
"""By the name of its loss, the run of each seed."""


def dataset_results(runs: Runs, name: str) -> DatasetResults:
    """Collect what the runs say of a data set."""
    everything = [run.scores(name) for seeds in runs.values() for run in seeds]
    scores = everything[0]
    return DatasetResults(
        name=name,
        split=scores.split,
        pictures=scores.pictures,
        classes=tuple(_row(runs, name, measure) for measure in class_measures(scores)),
        mean=_row(runs, name, MEAN_IOU),
        further=tuple(_row(runs, name, measure) for measure in further_measures(everything)),
        reached={part: _reached(runs, name, part) for part in PARTS},
    )


def to_dict(results: DatasetResults) -> dict[str, object]:
    """Return plain values for JSON."""
    return {
        "split": results.split,
        "pictures": results.pictures,
        "iou": {row.measure.name: _plain(row) for row in results.classes},
        "mean_iou": _plain(results.mean),
        "further": {row.measure.name: _plain(row) for row in results.further},
        "steps_to_reach": {f"{part:g}": steps for part, steps in results.reached.items()},
    }


def short(loss: str) -> str:
    """Return one name of a loss that has several."""
    return loss.partition(" = ")[0]


def _plain(row: MeasureRow) -> dict[str, object]:
    return {
        "values": {loss: summary.to_dict() for loss, summary in row.values.items()},
        "gains": {name: summary.to_dict() for name, summary in row.gains.items()},
        "relative": row.relative,
    }


def _row(runs: Runs, name: str, measure: Measure) -> MeasureRow:
    values = {loss: [run.final(name, measure) for run in seeds] for loss, seeds in runs.items()}
    *others, ours = values
    return MeasureRow(
        measure,
        values={loss: summarize(numbers) for loss, numbers in values.items()},
        gains={
            f"{short(ours)} − {short(other)}": summarize(differences(values[ours], values[other]))
            for other in others
        },
        relative=relative_change(values[ours], values[others[0]]),
    )


def _reached(runs: Runs, name: str, part: float) -> dict[str, list[int | None]]:
    baseline = next(iter(runs.values()))
    goals = [run.final(name, MEAN_IOU) for run in baseline]
    return {
        loss: [
            None if goal is None else _first_step(run, name, part * goal)
            for run, goal in zip(seeds, goals, strict=True)
        ]
        for loss, seeds in runs.items()
    }


def _first_step(run: RunRecord, name: str, goal: float) -> int | None:
    for line in run.evaluations:
        mean = run.at(line, name, MEAN_IOU)
        if mean is not None and mean >= goal:
            return line.step
    return None


def comparison_tables(
    name: str, results: Sequence[DatasetResults], proof: Mapping[int, Proof]
) -> str:
    """Draw the tables of all data sets under what the runs have in common."""
    losses = " and ".join(results[0].mean.values)
    steps = "; ".join(f"seed {seed}: {found.steps} of {found.of}" for seed, found in proof.items())
    head = (
        f"# {name}: {losses}\n\n"
        "All runs of a seed began with the same weights and had the same input, by checksums of "
        f"every picture and label. Steps proven equal: {steps}.\n\n"
        f"Numbers are the {spread_name(len(proof))}; differences are taken seed by seed. A change "
        f"relative to less than {100 * _LEAST:g} % says nothing, and is left out."
    )
    return "\n\n".join([head, *map(dataset_tables, results)]) + "\n"


def dataset_tables(results: DatasetResults) -> str:
    """Draw all tables about one data set."""
    losses, gains = list(results.mean.values), list(results.mean.gains)
    per_class = [[*_cells(row), _relative(row)] for row in results.classes]
    mean = [f"**{cell}**" for cell in (*_cells(results.mean), _relative(results.mean))]
    reached = [
        [f"{100 * part:g} %", *(listed(steps) for steps in by_loss.values())]
        for part, by_loss in results.reached.items()
    ]
    spread = spread_name(len(next(iter(results.mean.values.values())).values))
    relative = f"{short(losses[-1])} relative to {short(losses[0])}"
    parts = [
        f"## {results.name}, {results.split}: {counted(results.pictures, 'picture')}",
        f"IoU of each class, in percent: {spread}.",
        markdown(["IoU, %", *losses, *gains, relative], [*per_class, mean]),
        f"Further scores: {spread}.",
        markdown(["besides", *losses, *gains], [_cells(row) for row in results.further]),
        f"The first scored step at which a part of {short(losses[0])}'s final mean IoU is reached, "
        "for each seed:",
        markdown(["part", *losses], reached),
    ]
    return "\n\n".join(parts)


def _cells(row: MeasureRow) -> list[str]:
    percent = row.measure.percent
    values = [value(summary, percent=percent) for summary in row.values.values()]
    gains = [value(summary, percent=percent, signed=True) for summary in row.gains.values()]
    return [row.measure.name, *values, *gains]


def _relative(row: MeasureRow) -> str:
    first = next(iter(row.values.values())).mean
    return NOTHING if first is None or first < _LEAST else change(row.relative)
