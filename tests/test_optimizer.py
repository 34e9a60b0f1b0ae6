"""Learning rates."""

import pytest

from harmonize.config.run_config import OptimConfig
from harmonize.training.optimizer import learning_rate


def test_schedules_start_and_end_where_they_should() -> None:
    assert learning_rate(OptimConfig(lr=2, schedule="constant"), 99, 100) == 2
    assert learning_rate(OptimConfig(lr=2, schedule="poly"), 0, 100) == 2
    assert learning_rate(OptimConfig(lr=2, schedule="poly"), 50, 100) == pytest.approx(2 * 0.5**0.9)
    assert learning_rate(OptimConfig(lr=2, schedule="cosine"), 50, 100) == pytest.approx(1)
    warm = OptimConfig(lr=2, schedule="constant", warmup=3)
    assert [learning_rate(warm, step, 100) for step in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]
