"""The figures of a GPU that count, taken from the reports of other benchmarks, beside their goals.

Each function takes the JSON of a report and yields rows of one table.
"""

from collections.abc import Iterator
from typing import Any

from harmonize.tools.benchmark import predict_speed, scoring_speed, training_speed
from harmonize.tools.benchmark.candidates import OURS
from harmonize.tools.benchmark.measurements import Cell

LOSS_GOAL = 0.5
"""Of a cross-entropy's time."""
COPY_GOAL = 75.0
"""Percent of the speed at which the logits are copied."""
TRAIN_GOAL = 0.95
"""Of a bare loop's pictures per second."""
PREDICT_GOAL = 1.0
"""Of a bare loop's pictures per second."""


def at_most(what: str, figure: float, goal: float) -> dict[str, Cell]:
    """Return the row of a figure that is better the smaller it is."""
    return _row(what, figure, f"at most {goal:g}", figure <= goal)


def at_least(what: str, figure: float, goal: float) -> dict[str, Cell]:
    """Return the row of a figure that is better the larger it is."""
    return _row(what, figure, f"at least {goal:g}", figure >= goal)


def without_goal(what: str, figure: float) -> dict[str, Cell]:
    """Return the row of a figure that nothing is asked of."""
    return _row(what, figure, None, None)


def _row(what: str, figure: float, goal: str | None, met: bool | None) -> dict[str, Cell]:
    word = None if met is None else ("yes" if met else "NO")
    return {"what": what, "figure": figure, "goal": goal, "met": word}


def loss_figures(report: dict[str, Any]) -> Iterator[dict[str, Cell]]:
    """Yield what the loss takes beside a cross-entropy and a copy of the logits."""
    for row in report["tables"][0]["rows"]:
        if row["loss"] == OURS:
            case = f"{row['leaves']} leaves, {row['type']}, {row['layout']}"
            yield at_most(f"{case}: x cross-entropy", row["x cross_entropy"], LOSS_GOAL)
            yield at_least(f"{case}: % of a copy's speed", row["% of copy"], COPY_GOAL)


def training_figures(report: dict[str, Any]) -> Iterator[dict[str, Cell]]:
    """Yield the training step's share of a bare loop's speed."""
    for row in report["tables"][0]["rows"]:
        if row["loop"] == training_speed.BASELINE:
            yield without_goal("bare loop: pictures/s", row["pictures/s"])
        else:
            yield at_least(f"{row['loop']}: x bare speed", 1 / row["x bare loop"], TRAIN_GOAL)


def scoring_figures(report: dict[str, Any]) -> Iterator[dict[str, Cell]]:
    """Yield what scoring everything takes beside the forward passes."""
    for row in report["tables"][0]["rows"]:
        if row["scored"] == scoring_speed.ALL:
            case = f"{row['leaves']} leaves, labels of {row['label']} pixels"
            yield without_goal(f"{case}: % of forward", row["scoring, % of forward"])


def predict_figures(report: dict[str, Any]) -> Iterator[dict[str, Cell]]:
    """Yield the share of a bare loop's speed at which pictures are answered."""
    for row in report["tables"][0]["rows"]:
        if row["loop"] == predict_speed.BASELINE:
            yield without_goal("bare loop: pictures/s", row["pictures/s"])
        else:
            yield at_least("predict: x bare speed", 1 / row["x bare loop"], PREDICT_GOAL)
