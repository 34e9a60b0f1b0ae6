"""What calibration promises, and whether it is kept: coverage, accuracy and depth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.report.charts import Series, line_chart
from harmonize.report.read_runs import Run
from harmonize.report.run_scores import CurvePoint, SetCalibration
from harmonize.report.score_tables import written

_WIDTH, _HEIGHT = 400, 320


@dataclass(frozen=True)
class Confidence:
    """The charts of one data set of one run, and what they say in words."""

    dataset: str
    says: str
    charts: tuple[str, ...]


def confidence_curves(run: Run) -> list[Confidence]:
    """Draw what calibration.json holds; nothing if there is none."""
    if run.calibration is None:
        return []
    return [_of_set(name, one) for name, one in run.calibration.datasets.items() if one.curve]


def _of_set(name: str, one: SetCalibration) -> Confidence:
    xs = [point.confidence for point in one.curve]
    says = (
        f"checked on {one.checked_on} pictures of {one.check_split}: calibration error "
        f"{written(one.before)} before and {written(one.after)} after"
    )
    if one.loss_before is not None and one.loss_after is not None:
        says += f", mean -log p of the labels {one.loss_before:.3f} and {one.loss_after:.3f}"
    says += "."
    if one.broken:
        places = ", ".join(f"{100 * place:.3g} %" for place in one.broken)
        says += f" The promise is not kept at {places}."
    elif xs:
        says += " The promise, accuracy at least the confidence, is kept within the error bar."
    accuracy = line_chart(
        [
            Series("accuracy", xs, [p.accuracy for p in one.curve], *_bars(one.curve)),
            Series("coverage", xs, [p.coverage for p in one.curve], color=1),
            *_uncalibrated(one.uncalibrated),
            Series("promise: accuracy = confidence", [xs[0], xs[-1]], [xs[0], xs[-1]], color=7),
        ],
        y_range=(_floor(one), 1.0),
        title=f"{name}: accuracy and coverage",
        x_label="confidence asked for",
        y_label="share of pixels",
        width=_WIDTH,
        height=_HEIGHT,
        percent=True,
        background=None,
    )
    depth = line_chart(
        [
            Series("calibrated", xs, [p.mean_depth for p in one.curve], color=2),
            Series(
                "as trained",
                [p.confidence for p in one.uncalibrated],
                [p.mean_depth for p in one.uncalibrated],
                color=2,
                dash=True,
            ),
        ],
        title=f"{name}: how deep answers go",
        x_label="confidence asked for",
        y_label="mean depth",
        width=_WIDTH,
        height=_HEIGHT,
        background=None,
    )
    return Confidence(name, says, (accuracy, depth))


def _floor(one: SetCalibration) -> float:
    """Return the tenth below all shares."""
    points = (*one.curve, *one.uncalibrated)
    shares = [share for p in points for share in (p.confidence, p.coverage, p.accuracy)]
    lowest = min((share for share in shares if share is not None), default=0.0)
    return max(math.floor(10 * lowest - 0.1) / 10, 0.0)


def _bars(
    curve: Sequence[CurvePoint],
) -> tuple[list[float | None], list[float | None]]:
    """Return the accuracy less and plus its error bar."""
    low: list[float | None] = []
    high: list[float | None] = []
    for point in curve:
        middle, bar = point.accuracy, point.error_bar
        low.append(None if middle is None or bar is None else middle - bar)
        high.append(None if middle is None or bar is None else min(middle + bar, 1.0))
    return low, high


def _uncalibrated(curve: Sequence[CurvePoint]) -> list[Series]:
    xs = [point.confidence for point in curve]
    return [
        Series("accuracy as trained", xs, [p.accuracy for p in curve], dash=True),
        Series("coverage as trained", xs, [p.coverage for p in curve], color=1, dash=True),
    ]
