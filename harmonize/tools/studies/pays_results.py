"""What the study of coarse labels found: each arm's scores, and its gain over fine labels alone."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harmonize.plurals import counted
from harmonize.report.charts import COLORS
from harmonize.report.svg import as_svg, new_figure
from harmonize.tools.studies.finished_runs import RunRecord
from harmonize.tools.studies.measures import MEAN_IOU, Measure, class_measures, depth_measures
from harmonize.tools.studies.pays_plan import ABOUT, Arm, PaysStudy
from harmonize.tools.studies.spread import Summary, differences, mean_name, spread_name, summarize
from harmonize.tools.studies.study_output import NOTHING, markdown, value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Records = Mapping[Arm, Sequence[RunRecord]]
"""By arm, the run of each seed."""

_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""97.5 % quantiles of Student's t with 1 to 10 degrees of freedom."""
_NORMAL = 1.96
_WIDTH, _ROW, _ABOVE, _BELOW = 520, 26, 30, 40
"""Pixels of a panel of the figure, of a row in it, and of what is above and below the rows."""


@dataclass(frozen=True)
class ArmRow:
    """What an arm gives on a data set.

    Attributes:
        arm: its name.
        mean_iou: over the seeds.
        gain: over fine labels alone, seed by seed.
        interval: the ends of the 95 % interval of the mean gain, from a paired t test; None of one
            seed.
        classes: mean over the seeds of each class's IoU.
        depths: likewise of the mean IoU at each depth.
    """

    arm: Arm
    mean_iou: Summary
    gain: Summary
    interval: tuple[float, float] | None
    classes: Mapping[str, float | None]
    depths: Mapping[str, float | None]

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {
            "arm": self.arm,
            "mean_iou": self.mean_iou.to_dict(),
            "gain": self.gain.to_dict(),
            "interval": None if self.interval is None else list(self.interval),
            "classes": dict(self.classes),
            "depths": dict(self.depths),
        }


def paired_interval(gains: Sequence[float | None]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean of differences by a paired t test; None of fewer than two.

    With two seeds it is 12.7 standard errors wide to either side: little can be said from two.
    """
    known = [gain for gain in gains if gain is not None]
    if len(known) < 2 or len(known) < len(gains):
        return None
    quantile = _T[len(known) - 2] if len(known) - 2 < len(_T) else _NORMAL
    half = quantile * statistics.stdev(known) / math.sqrt(len(known))
    mean = statistics.fmean(known)
    return mean - half, mean + half


def pays_rows(study: PaysStudy, records: Records) -> dict[str, list[ArmRow]]:
    """Return the rows of each data set that every run is scored on."""
    names = [name for name in records["fine"][0].datasets if _everywhere(name, records)]
    return {name: [_row(arm, records, name) for arm in study.arms] for name in names}


def _everywhere(name: str, records: Records) -> bool:
    return all(name in run.datasets for runs in records.values() for run in runs)


def _row(arm: Arm, records: Records, name: str) -> ArmRow:
    def values(of: Arm, measure: Measure) -> list[float | None]:
        return [run.final(name, measure) for run in records[of]]

    scores = [run.scores(name) for run in records[arm]]
    gains = differences(values(arm, MEAN_IOU), values("fine", MEAN_IOU))
    return ArmRow(
        arm,
        summarize(values(arm, MEAN_IOU)),
        summarize(gains),
        None if arm == "fine" else paired_interval(gains),
        {one.name: summarize(values(arm, one)).mean for one in class_measures(scores[0])},
        {one.name: summarize(values(arm, one)).mean for one in depth_measures(scores)},
    )


def pays_tables(study: PaysStudy, rows: Mapping[str, Sequence[ArmRow]], records: Records) -> str:
    """Write the tables of all data sets under what they are about."""
    head = (
        f"# {study.name}: do coarse labels pay?\n\n"
        f"Fine sets beside {', '.join(study.coarse)}, whose labels are coarse; every arm sees the "
        "same number of samples of the fine sets. Mean IoU in percent, the "
        f"{spread_name(len(study.seeds))}; gains over fine labels alone are taken seed by seed, "
        "with the 95 % interval of a paired t test. Labels were completed at a confidence of "
        f"{study.confidence:g}."
    )
    parts = [head, "\n".join(f"- **{arm}**: {ABOUT[arm]}" for arm in study.arms)]
    number = len(study.seeds)
    for name, its_rows in rows.items():
        scores = records["fine"][0].scores(name)
        parts.append(f"## {name}, {scores.split}: {counted(scores.pictures, 'picture')}")
        about = f"Mean IoU and gain: {spread_name(number)}; by depth: {mean_name(number)}."
        parts += [about, _table(its_rows), f"IoU of each class, %: {mean_name(number)}."]
        parts.append(_class_table(its_rows))
    return "\n\n".join(parts) + "\n"


def _table(rows: Sequence[ArmRow]) -> str:
    depths = list(dict.fromkeys(name for row in rows for name in row.depths))
    header = ["labels", "mean IoU", "gain", "95 % interval"]
    header += [name.removeprefix("mean IoU ").removesuffix(", %") for name in depths]
    return markdown(
        header,
        [
            [
                row.arm,
                value(row.mean_iou, percent=True),
                NOTHING if row.arm == "fine" else value(row.gain, percent=True, signed=True),
                _ends(row.interval),
                *(_percent(row.depths.get(name)) for name in depths),
            ]
            for row in rows
        ],
    )


def _class_table(rows: Sequence[ArmRow]) -> str:
    classes = list(dict.fromkeys(name for row in rows for name in row.classes))
    return markdown(
        ["class", *(row.arm for row in rows)],
        [[name, *(_percent(row.classes.get(name)) for row in rows)] for name in classes],
    )


def _ends(interval: tuple[float, float] | None) -> str:
    return NOTHING if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"


def _percent(share: float | None) -> str:
    return NOTHING if share is None else f"{100 * share:.1f}"


def pays_figure(rows: Mapping[str, Sequence[ArmRow]]) -> str:
    """Draw each arm's gain over fine labels alone with its interval, a panel for each data set."""
    arms = [row.arm for row in next(iter(rows.values())) if row.arm != "fine"]
    height = _ABOVE + _BELOW + _ROW * max(len(arms), 2)
    with new_figure(_WIDTH, height * len(rows)) as figure:
        for number, (name, its_rows) in enumerate(rows.items()):
            whole = height * len(rows)
            bottom = 1 - (number + 1) / len(rows) + _BELOW / whole
            axes = figure.add_axes((0.2, bottom, 0.76, (height - _BELOW - _ABOVE) / whole))
            _draw_gains(axes, [row for row in its_rows if row.arm != "fine"])
            axes.set_title(f"{name}: gain in mean IoU over fine labels alone, points", fontsize=10)
        return as_svg(figure, "Gain of coarse labels over fine labels alone", page=False)


def _draw_gains(axes: "Axes", rows: Sequence[ArmRow]) -> None:
    axes.axvline(0, color="#7b8087", linewidth=1)
    for place, row in enumerate(rows):
        known = [100 * gain for gain in row.gain.values if gain is not None]
        if row.interval is not None and row.gain.mean is not None:
            low, high = (100 * end for end in row.interval)
            axes.plot([low, high], [place, place], color=COLORS[0], linewidth=2)
        axes.plot(known, [place] * len(known), "o", color=COLORS[0], alpha=0.5, markersize=4)
        if row.gain.mean is not None:
            axes.plot(100 * row.gain.mean, place, "D", color=COLORS[1], markersize=6)
    axes.set_yticks(range(len(rows)), [row.arm for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
