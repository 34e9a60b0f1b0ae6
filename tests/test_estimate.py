"""How long a run will take: the line, with times counted by hand."""

import pytest

from harmonize.config.train_config import TrainConfig
from harmonize.training import estimate
from harmonize.training.estimate import TimeEstimate


class Run:
    """A run whose steps take as long as it is told."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, config: TrainConfig, *, start: int = 0, scores: bool
    ) -> None:
        self.now = 0.0
        monkeypatch.setattr(estimate, "time", self)
        self.estimate = TimeEstimate(start, config, scores=scores)
        self.step = start

    def perf_counter(self) -> float:
        return self.now

    def steps(self, number: int, seconds: float) -> list[str]:
        """Take steps; return the lines."""
        found: list[str] = []
        for _ in range(number):
            self.now += seconds
            self.step += 1
            line = self.estimate.step(self.step)
            found += [] if line is None else [line]
        return found

    def pause(self, seconds: float, *, scoring: bool = False) -> None:
        """Do something that is no training."""
        self.now += seconds
        self.estimate.leave_out(seconds, scoring=scoring)


def test_the_first_steps_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, TrainConfig(steps=1013), scores=False)
    assert run.steps(3, 40) == []
    # 1000 steps of half a second are left.
    assert run.steps(10, 0.5) == ["about 8 minutes of training: 2.0 steps/s measured over 10"]
    assert run.steps(1000, 0.5) == []


def test_a_resumed_run_is_estimated_for_the_steps_that_are_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(monkeypatch, TrainConfig(steps=1013), start=900, scores=False)
    assert run.steps(13, 3) == ["about 5 minutes of training: 3.0 s/step measured over 10"]


def test_scorings_that_come_on_top_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    # After steps 300, 600, 900 and at the end, 1013.
    run = Run(monkeypatch, TrainConfig(steps=1013, evaluate_every=300), scores=True)
    assert run.steps(13, 0.5) == [
        "about 8 minutes of training: 2.0 steps/s measured over 10; 4 scorings come on top"
    ]
    run = Run(monkeypatch, TrainConfig(steps=1013), scores=True)
    assert run.steps(13, 0.5)[0].endswith("; 1 scoring comes on top")


def test_a_scoring_that_was_measured_is_part_of_the_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Left after step 13: 87 steps of 2 s, and scorings after 20, ..., 100 of 20 s: 354 s.
    run = Run(monkeypatch, TrainConfig(steps=100, evaluate_every=10), scores=True)
    assert run.steps(10, 2) == []
    run.pause(7)  # a checkpoint
    run.pause(20, scoring=True)
    assert run.steps(3, 2) == [
        "about 6 minutes: 2.0 s/step measured over 10, 9 scorings of about 20 seconds"
    ]


def test_a_run_with_hardly_any_steps_left_has_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Run(monkeypatch, TrainConfig(steps=22), scores=False).steps(22, 60) == []
    assert len(Run(monkeypatch, TrainConfig(steps=23), scores=False).steps(23, 60)) == 1


def test_what_changes_the_length_later_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    config = TrainConfig(steps=1013, unfreeze_at=500, evaluate_every=1000, patience=3)
    (line,) = Run(monkeypatch, config, scores=False).steps(13, 0.5)
    assert line == (
        "about 8 minutes of training: 2.0 steps/s measured over 10; slower from step 500 on "
        "(train.unfreeze_at); it may end sooner (train.patience)"
    )
    late = Run(monkeypatch, config, start=500, scores=False)
    assert "unfreeze" not in late.steps(13, 0.5)[0]
