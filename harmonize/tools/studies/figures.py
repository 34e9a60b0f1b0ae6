"""Curves of several runs: the mean over seeds and the range around it, in panels of one picture."""

from collections.abc import Sequence

from harmonize.report.charts import Chart, Series, panels
from harmonize.tools.studies.finished_runs import RunRecord
from harmonize.tools.studies.loss_plan import BASELINE, LOSSES
from harmonize.tools.studies.loss_results import Runs, short
from harmonize.tools.studies.measures import MEAN_IOU, Measure, loss_measure

_COLUMNS = 3
"""The most panels in a row."""


def mean_iou_figure(runs: Runs, names: Sequence[str]) -> str:
    """Draw the mean IoU of each data set against the step (figures 4 and 5, left)."""
    charts = [
        _chart(
            runs,
            MEAN_IOU,
            name,
            title=f"{name}: mean IoU in validation",
            y_label="mean IoU",
            percent=True,
        )
        for name in names
    ]
    return _in_rows([charts])


def loss_figure(runs: Runs, names: Sequence[str], trained: Sequence[str], depths: int) -> str:
    """Draw each depth's loss against the step, in validation and in training (4 and 5, right).

    Training knows the loss of the labels that are learned from alone.
    """
    return _in_rows(
        [
            [
                _chart(
                    runs,
                    loss_measure(depth),
                    name,
                    training=kind == "training",
                    title=f"{name}: loss at depth {depth} in {kind}",
                    y_label="−log p",
                )
                for depth in range(1, depths + 1)
            ]
            for kind, sets in (("validation", names), ("training", trained))
            for name in sets
        ]
    )


def curve(
    records: Sequence[RunRecord],
    measure: Measure,
    dataset: str,
    *,
    name: str,
    color: int,
    training: bool = False,
) -> Series:
    """Return the mean over seeds of a number of a data set against the step, and its range.

    The runs have lines of the same steps; see ``check_same_steps``.

    Raises:
        HarmonizeError: naming the run whose line lacks the number.
    """
    lines = [run.lines(training=training) for run in records]
    numbers = [
        [run.at(line, dataset, measure) for line in its]
        for run, its in zip(records, lines, strict=True)
    ]
    points = list(zip(*numbers, strict=True))
    whole = [[v for v in values if v is not None] for values in points]
    known = [values if len(values) == len(records) else [] for values in whole]
    return Series(
        name=name,
        x=[line.step for line in lines[0]],
        y=[sum(values) / len(values) if values else None for values in known],
        low=[min(values, default=None) for values in known],
        high=[max(values, default=None) for values in known],
        color=color,
    )


def _chart(
    runs: Runs,
    measure: Measure,
    dataset: str,
    *,
    title: str,
    y_label: str,
    training: bool = False,
    percent: bool = False,
) -> Chart:
    order = list(LOSSES)
    series = [
        curve(
            records,
            measure,
            dataset,
            name=f"{loss}, of leaf labels" if training and loss == BASELINE else loss,
            color=order.index(short(loss)),
            training=training,
        )
        for loss, records in runs.items()
    ]
    return Chart(series, title, "step", y_label, percent=percent)


def _in_rows(groups: Sequence[Sequence[Chart]]) -> str:
    """Put charts into one picture; each group begins a row."""
    starts = [(group, start) for group in groups for start in range(0, len(group), _COLUMNS)]
    return panels([group[start : start + _COLUMNS] for group, start in starts])
