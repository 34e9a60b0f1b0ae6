"""Scores of several runs side by side: one column each."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harmonize.evaluation.saved_scores import Number, SavedInterval, SavedScores
from harmonize.labels.same_meaning import short_name
from harmonize.report.read_runs import ReportedRun
from harmonize.report.shown_metrics import METRICS, Metric


@dataclass(frozen=True)
class Cell:
    """A value as it is written, as a share for bars, whether it is the row's best, its interval."""

    text: str
    share: float | None = None
    is_best: bool = False
    interval: str = ""


@dataclass(frozen=True)
class ScoreRow:
    """A row of a table."""

    name: str
    cells: tuple[Cell, ...]
    about: str = ""


@dataclass(frozen=True)
class LeftOut:
    """What was not scored of a data set in some of the runs, and why."""

    name: str
    reason: str
    runs: tuple[str, ...]


@dataclass(frozen=True)
class SetTables:
    """The tables of one data set."""

    name: str
    scored: str
    """Which split and how many pictures, of each run where they differ."""
    metrics: tuple[ScoreRow, ...]
    classes: tuple[ScoreRow, ...]
    depths: tuple[ScoreRow, ...]
    left_out: tuple[LeftOut, ...]
    skipped: tuple[LeftOut, ...]


def score_tables(runs: Sequence[ReportedRun]) -> list[SetTables]:
    """Make the tables of every data set that is scored in any run."""
    names = dict.fromkeys(name for run in runs for name in run.scores)
    return [_set_tables(name, runs) for name in names]


def _set_tables(name: str, runs: Sequence[ReportedRun]) -> SetTables:
    scores = [run.scores.get(name) for run in runs]
    known = [one for one in scores if one is not None]
    merged = {key: names for one in known for key, names in one.merged.items()}
    depths = sorted({depth.depth for one in known for depth in one.depths})
    return SetTables(
        name=name,
        scored=_scored(runs, scores),
        metrics=tuple(
            _metric(metric, scores)
            for metric in METRICS
            if metric is METRICS[0] or any(metric.value(one) is not None for one in known)
        ),
        classes=tuple(
            _line(short_name(key, merged), [one.iou.get(key) if one else None for one in scores])
            for key in dict.fromkeys(key for one in known for key in one.iou)
        ),
        depths=tuple(
            _line(
                f"depth {depth}",
                [_at(one, depth) for one in scores],
                intervals=[_interval_at(one, depth) for one in scores],
            )
            for depth in depths
            if any(_at(one, depth) is not None for one in known)
        ),
        left_out=_left_out(runs, [one.left_out if one else {} for one in scores]),
        skipped=_left_out(runs, [one.skipped if one else {} for one in scores]),
    )


def _scored(runs: Sequence[ReportedRun], scores: Sequence[SavedScores | None]) -> str:
    texts = {
        run.name: f"{one.split}, {one.pictures} pictures"
        for run, one in zip(runs, scores, strict=True)
        if one
    }
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name}: {text}" for name, text in texts.items())


def _metric(metric: Metric, scores: Sequence[SavedScores | None]) -> ScoreRow:
    values = [metric.value(one) if one else None for one in scores]
    better = min if metric.lower_is_better else max
    return _line(
        metric.name,
        values,
        about=metric.about,
        percent=metric.percent,
        better=better,
        intervals=[metric.interval(one) if one else None for one in scores],
    )


def _line(
    name: str,
    values: Sequence[Number],
    *,
    about: str = "",
    percent: bool = True,
    better: Callable[[Iterable[float]], float] = max,
    intervals: Sequence[SavedInterval] | None = None,
) -> ScoreRow:
    texts = [written(value, percent=percent) for value in values]
    known = {value: text for value, text in zip(values, texts, strict=True) if value is not None}
    best = known[better(known)] if len(set(known.values())) > 1 else None
    return ScoreRow(
        name,
        tuple(
            Cell(
                text,
                value if percent else None,
                is_best=value is not None and text == best,
                interval=_written_interval(interval),
            )
            for value, text, interval in zip(
                values, texts, intervals or [None] * len(values), strict=True
            )
        ),
        about,
    )


def written(value: Number, *, percent: bool = True) -> str:
    """Write a score, or a dash for none."""
    if value is None:
        return "–"
    return f"{100 * value:.1f} %" if percent else f"{value:.2f}"


def _written_interval(interval: SavedInterval) -> str:
    return "" if interval is None else f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _interval_at(scores: SavedScores | None, depth: int) -> SavedInterval:
    depths = scores.depths if scores else ()
    return next((one.mean_iou_interval for one in depths if one.depth == depth), None)


def _at(scores: SavedScores | None, depth: int) -> Number:
    depths = scores.depths if scores else ()
    return next((one.telling for one in depths if one.depth == depth), None)


def _left_out(
    runs: Sequence[ReportedRun], found: Sequence[Mapping[str, str]]
) -> tuple[LeftOut, ...]:
    """Join what several runs leave out for the same reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for run, one in zip(runs, found, strict=True):
        for name, reason in one.items():
            reasons.setdefault((name, reason), []).append(run.name)
    return tuple(LeftOut(*key, tuple(names)) for key, names in reasons.items())
