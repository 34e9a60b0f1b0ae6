"""What calibration promises, and whether it is kept: coverage, accuracy and depth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.calibration.back_off import Outcome
from harmonize.calibration.calibration_results import DatasetCalibration
from harmonize.report.charts import Chart, Series, line_chart
from harmonize.report.read_runs import ReportedRun
from harmonize.report.score_tables import written

_HEIGHT = 320


@dataclass(frozen=True)
class Confidence:
    """The charts of one data set of one run, and what they say in words."""

    dataset: str
    says: str
    charts: tuple[str, ...]


def confidence_curves(run: ReportedRun) -> list[Confidence]:
    """Draw what calibration.json holds; nothing if there is none."""
    if run.calibration is None:
        return []
    return [_of_set(name, one) for name, one in run.calibration.datasets.items()]


def _of_set(name: str, one: DatasetCalibration) -> Confidence:
    trained = [(point.confidence, point.uncalibrated) for point in one.curve if point.uncalibrated]
    xs, own_xs = [point.confidence for point in one.curve], [x for x, _ in trained]
    own = [outcome for _, outcome in trained]
    bars = [_bar(point) for point in one.curve]
    shares = Chart(
        [
            Series(
                "accuracy",
                xs,
                [point.accuracy for point in one.curve],
                low=[low for low, _ in bars],
                high=[high for _, high in bars],
            ),
            Series("coverage", xs, [point.coverage for point in one.curve], color=1),
            Series("accuracy as trained", own_xs, [point.accuracy for point in own], dash=True),
            Series("coverage as trained", own_xs, [p.coverage for p in own], color=1, dash=True),
            Series("promised accuracy", [xs[0], xs[-1]], [xs[0], xs[-1]], color=7),
        ],
        title=f"{name}: accuracy and coverage",
        x_label="confidence asked for",
        y_label="share of pixels",
        y_range=(_floor([*one.curve, *own], xs), 1.0),
        percent=True,
    )
    depth = Chart(
        [
            Series("calibrated", xs, [point.mean_depth for point in one.curve], color=2),
            Series("as trained", own_xs, [p.mean_depth for p in own], color=2, dash=True),
        ],
        title=f"{name}: how deep answers go",
        x_label="confidence asked for",
        y_label="mean depth",
    )
    drawn = (line_chart(shares, height=_HEIGHT), line_chart(depth, height=_HEIGHT))
    return Confidence(name, _summary(one), drawn)


def _summary(one: DatasetCalibration) -> str:
    """Say what the calibration is worth, and where a promise is not kept."""
    error, loss = one.calibration_error, one.loss
    says = (
        f"checked on {one.checked_on} pictures of {one.check_split or one.split}: calibration "
        f"error {written(error.before)} before and {written(error.after)} after"
    )
    if loss.before is not None and loss.after is not None:
        says += f", mean -log p of the labels {loss.before:.3f} and {loss.after:.3f}"
    broken = [f"{100 * point.confidence:.3g} %" for point in one.curve if not point.kept]
    if broken:
        return f"{says}. The promise is not kept at {', '.join(broken)}."
    return f"{says}. The promise, accuracy at least the confidence, is kept within the error bar."


def _floor(points: Sequence[Outcome], confidences: Sequence[float]) -> float:
    """Return the tenth below all shares."""
    shares = [share for point in points for share in (point.coverage, point.accuracy)]
    lowest = min([share for share in shares if share is not None] + [*confidences])
    return max(math.floor(10 * lowest - 0.1) / 10, 0.0)


def _bar(point: Outcome) -> tuple[float | None, float | None]:
    """Return the accuracy less and plus its error bar."""
    if point.accuracy is None or point.error_bar is None:
        return None, None
    return point.accuracy - point.error_bar, min(point.accuracy + point.error_bar, 1.0)
