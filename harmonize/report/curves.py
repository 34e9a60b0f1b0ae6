"""Learning curves: what the losses and the scores were after each step."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harmonize.evaluation.saved_scores import Number, SavedScores
from harmonize.report.charts import Chart, Series, line_chart
from harmonize.report.read_runs import ReportedRun
from harmonize.runs.metrics_log import EvaluationLine, TrainLine

_MOST = 240
"""Points of a line; more are averaged, neighbours together."""

Point = tuple[float, Number]


@dataclass(frozen=True)
class ChartGroup:
    """Charts that belong together, as SVG; ``folded`` ones wait until they are asked for."""

    title: str
    about: str
    charts: tuple[str, ...]
    folded: bool = False


@dataclass(frozen=True)
class _Curve:
    """A line of one run, and what it is called beside the run's other lines."""

    name: str
    points: Sequence[Point]
    color: int


def learning_curves(runs: Sequence[ReportedRun]) -> list[ChartGroup]:
    """Draw the curves of one run, a line for each depth or data set, or of several, one for each.

    Groups without any value are left out.
    """
    groups = _of_one(runs[0]) if len(runs) == 1 else _of_several(runs)
    return [group for group in groups if group.charts]


def _of_one(run: ReportedRun) -> Iterable[ChartGroup]:
    names = set_names([run])
    trained = _trained([run], names)
    losses = [_Curve("all", _train(run, lambda line: line.loss), 0)]
    names_at = _depth_names([run])
    losses += [_Curve(names_at(d), _train(run, _loss_at(d)), d) for d in _train_depths([run])]
    by_set = [_Curve(name, _train(run, _set_loss(name)), names.index(name)) for name in trained]
    if len(trained) == 1:  # all of the loss is the set's
        by_set = []
    yield ChartGroup(
        "Training loss",
        "Averaged over the steps between two lines of metrics.jsonl.",
        (*_chart("loss by depth", losses), *_chart("loss by data set", by_set)),
    )
    means = [_Curve(name, _scored(run, name, _mean_iou), n) for n, name in enumerate(names)]
    by_depth = [chart for name in names for chart in _iou_chart(run, name)]
    yield ChartGroup(
        "Validation: mean IoU",
        "In each data set's own classes, and of the groups at each depth of the tree.",
        (*_chart("mean IoU", means, percent=True), *by_depth),
    )
    yield ChartGroup(
        "Validation: loss by depth",
        "The mean of -log p of the true group; a depth that no label resolves has no line.",
        tuple(chart for name in names for chart in _loss_chart(run, name)),
    )


def _iou_chart(run: ReportedRun, name: str) -> tuple[str, ...]:
    depths = _depths([run], name)
    lines = [_Curve(f"depth {d}", _scored(run, name, _iou_at(d)), d) for d in depths]
    return _chart(f"{name}: mean IoU by depth", lines, percent=True)


def _loss_chart(run: ReportedRun, name: str) -> tuple[str, ...]:
    depths = _depths([run], name)
    lines = [_Curve(f"depth {d}", _scored(run, name, _val_loss(d)), d) for d in depths]
    return _chart(f"{name}: loss by depth", lines)


def _of_several(runs: Sequence[ReportedRun]) -> Iterable[ChartGroup]:
    names = set_names(runs)

    def train(title: str, value: Callable[[TrainLine], Number]) -> tuple[str, ...]:
        lines = [_Curve(run.name, _train(run, value), n) for n, run in enumerate(runs)]
        return _chart(title, lines)

    def score(
        name: str, title: str, value: Callable[[SavedScores], Number], *, percent: bool
    ) -> tuple[str, ...]:
        lines = [_Curve(run.name, _scored(run, name, value), n) for n, run in enumerate(runs)]
        return _chart(f"{name}: {title}", lines, percent=percent)

    trained, names_at = _trained(runs, names), _depth_names(runs)
    yield ChartGroup(
        "Training loss",
        "Averaged over the steps between two lines of metrics.jsonl. The losses of runs that "
        "weigh depths in other ways cannot be compared.",
        train("loss", lambda line: line.loss)
        + tuple(c for n in trained if len(trained) > 1 for c in train(n, _set_loss(n))),
    )
    yield ChartGroup(
        "Training loss by depth",
        "One chart for each depth of the tree.",
        tuple(c for d in _train_depths(runs) for c in train(names_at(d), _loss_at(d))),
        folded=True,
    )
    yield ChartGroup(
        "Validation: mean IoU",
        "In each data set's own classes.",
        tuple(c for n in names for c in score(n, "mean IoU", _mean_iou, percent=True)),
    )
    pairs = [(name, depth) for name in names for depth in _depths(runs, name)]
    yield ChartGroup(
        "Validation: mean IoU by depth",
        "One chart for each data set and depth of the tree.",
        tuple(c for n, d in pairs for c in score(n, f"depth {d}", _iou_at(d), percent=True)),
        folded=True,
    )
    yield ChartGroup(
        "Validation: loss by depth",
        "The mean of -log p of the true group; a depth that no label resolves has no chart.",
        tuple(c for n, d in pairs for c in score(n, f"depth {d}", _val_loss(d), percent=False)),
        folded=True,
    )


def _chart(title: str, lines: Sequence[_Curve], *, percent: bool = False) -> tuple[str, ...]:
    """Draw a chart without the lines that have no value; none if no line has one."""
    series = [
        Series(line.name, *_columns(_thinned(line.points)), color=line.color)
        for line in lines
        if any(y is not None for _, y in line.points)
    ]
    if not series:
        return ()
    y_label = "mean IoU" if percent else "loss"
    return (line_chart(Chart(series, title, "step", y_label, percent=percent)),)


def _columns(points: Sequence[Point]) -> tuple[list[float], list[Number]]:
    return [x for x, _ in points], [y for _, y in points]


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    """Average neighbours where there are too many points; none of them if one is missing."""
    every = -(-len(points) // _MOST)
    if every <= 1:
        return points
    found: list[Point] = []
    for first in range(0, len(points), every):
        part = points[first : first + every]
        values = [y for _, y in part if y is not None]
        mean = sum(values) / len(values) if len(values) == len(part) else None
        found.append((part[-1][0], mean))
    return found


def set_names(runs: Sequence[ReportedRun]) -> list[str]:
    """Name the data sets that anything is known of, in the order of the configs."""
    names: dict[str, None] = {}
    for run in runs:
        names.update(
            dict.fromkeys(spec.name for spec in (run.sources.specs if run.sources else ()))
        )
        lines: Sequence[TrainLine | EvaluationLine] = (*run.training, *run.evaluations)
        for line in lines:
            names.update(dict.fromkeys(line.datasets))
        names.update(dict.fromkeys(run.scores))
    return list(names)


def _train(run: ReportedRun, value: Callable[[TrainLine], Number]) -> list[Point]:
    return [(line.step, value(line)) for line in run.training]


def _scored(run: ReportedRun, name: str, value: Callable[[SavedScores], Number]) -> list[Point]:
    lines = [(line.step, line.datasets.get(name)) for line in run.evaluations]
    return [(step, None if scores is None else value(scores)) for step, scores in lines]


def _trained(runs: Sequence[ReportedRun], names: Sequence[str]) -> list[str]:
    lines = [line for run in runs for line in run.training]
    return [name for name in names if any(name in line.datasets for line in lines)]


def _train_depths(runs: Sequence[ReportedRun]) -> range:
    lines = [line for run in runs for line in run.training]
    return range(1, 1 + max((len(line.loss_by_depth) for line in lines), default=0))


def _depth_names(runs: Sequence[ReportedRun]) -> Callable[[int], str]:
    """Name the depths of all trees of runs, which follow one another in lines of metrics."""
    found: set[tuple[str, ...]] = set()
    for run in runs:
        trees = run.sources.trees if run.sources else ()
        found.add(tuple(f"{t.name}, depth {d}" for t in trees for d in range(1, t.depth + 1)))
    names = found.pop() if len(found) == 1 else ()
    return lambda depth: names[depth - 1] if depth <= len(names) else f"depth {depth}"


def _depths(runs: Sequence[ReportedRun], name: str) -> list[int]:
    lines = [line for run in runs for line in run.evaluations if name in line.datasets]
    return sorted({depth.depth for line in lines for depth in line.datasets[name].depths})


def _mean_iou(scores: SavedScores) -> Number:
    return scores.mean_iou


def _iou_at(depth: int) -> Callable[[SavedScores], Number]:
    return lambda scores: next((d.telling for d in scores.depths if d.depth == depth), None)


def _val_loss(depth: int) -> Callable[[SavedScores], Number]:
    return lambda scores: _item(scores.loss_by_depth, depth - 1)


def _loss_at(depth: int) -> Callable[[TrainLine], Number]:
    return lambda line: _item(line.loss_by_depth, depth - 1)


def _set_loss(name: str) -> Callable[[TrainLine], Number]:
    return lambda line: line.datasets[name].loss if name in line.datasets else None


def _item(values: Sequence[Number], number: int) -> Number:
    return values[number] if number < len(values) else None
