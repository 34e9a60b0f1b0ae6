"""Which of two sets of weights a run answers with, and how both are shown."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.training.scoring import WeightScores

NAN = float("nan")


@dataclass
class Scores:
    mean_iou: float


class Result(DatasetScores):
    """The scores of a data set of which only the mean IoU counts."""

    def __init__(self, name: str, mean_iou: float) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "scores", Scores(mean_iou))
        object.__setattr__(self, "classes", ("x",) if name == "alone" else ("x", "y"))

    def to_dict(self, *_: Any, **__: Any) -> Any:
        return {"mean_iou": self.scores.mean_iou}


def results(**means: float) -> list[DatasetScores]:
    return cast("list[DatasetScores]", [Result(name, mean) for name, mean in means.items()])


@pytest.mark.parametrize(
    ("raw", "ema", "weights", "mean"),
    [
        ({"a": 0.5, "b": 0.25}, {"a": 0.25, "b": 0.25}, "raw", 0.375),
        ({"a": 0.5, "b": 0.25}, {"a": 0.25, "b": 0.75}, "ema", 0.5),
        ({"a": 0.5, "b": 0.25}, {"a": 0.25, "b": 0.5}, "ema", 0.375),  # as good
        ({"a": 0.5, "b": 0.5, "new": 0.0}, {"a": 0.25, "b": 0.5, "new": 1.0}, "raw", 0.5),
        ({"a": NAN, "b": 0.5}, {"a": 0.1, "b": 0.1}, "ema", 0.1),
        ({"a": 0.1, "b": 0.1}, {"a": NAN, "b": 0.5}, "raw", 0.1),
        ({"a": NAN}, {"a": NAN}, "ema", None),
        ({"new": 1.0}, {"new": 0.0}, "ema", None),
        ({}, {}, "ema", None),
        ({"a": 0.5, "alone": NAN}, {"a": 0.25, "alone": NAN}, "raw", 0.5),
        ({"alone": NAN}, {"alone": NAN}, "ema", None),
    ],
)
def test_the_better_mean_over_the_trained_sets_answers(
    raw: dict[str, float], ema: dict[str, float], weights: str, mean: float | None
) -> None:
    found = WeightScores(frozenset(["a", "b", "alone"]), results(**raw), results(**ema))
    assert (found.answers_with, found.mean) == (weights, pytest.approx(mean))
    assert found.best is (found.raw if weights == "raw" else found.ema)


def test_both_are_shown() -> None:
    found = WeightScores(frozenset("a"), results(a=0.312, b=0.5), results(a=0.331, b=0.25))
    assert found.summary() == (
        "mean IoU a 31.20 (averaged weights 33.10), b 50.00 (averaged weights 25.00)"
    )
    assert found.to_dict() == {
        "datasets": {"a": {"mean_iou": 0.331}, "b": {"mean_iou": 0.25}},
        "answers_with": "ema",
        "mean_iou": {"raw": {"a": 0.312, "b": 0.5}, "ema": {"a": 0.331, "b": 0.25}},
    }


def test_without_an_average_there_is_one_of_each() -> None:
    found = WeightScores(frozenset("a"), results(a=0.312), None)
    assert (found.summary(), found.answers_with) == ("mean IoU a 31.20", "raw")
    assert WeightScores(frozenset("a"), results(a=NAN), None).summary() == "mean IoU a -"
    assert found.to_dict() == {"datasets": {"a": {"mean_iou": 0.312}}}
