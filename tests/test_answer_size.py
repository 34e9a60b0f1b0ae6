"""The size at which pictures are scored and answered."""

import json
from pathlib import Path

import numpy as np
import pytest

from harmonize.api.run import Run
from harmonize.evaluation import scaled_pictures
from harmonize.pipeline.train import train
from tiny import tiny_config, write_project


def test_pictures_are_scored_and_answered_at_the_size_that_the_config_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, seen = write_project(tmp_path), []
    original = scaled_pictures.shorter_side

    def noted(height: int, width: int, size: int) -> tuple[int, int]:
        seen.append(size)
        return original(height, width, size)

    monkeypatch.setattr(scaled_pictures, "shorter_side", noted)
    overrides = ["datasets.1.size=8", "train.steps=1"]
    train(tiny_config(project, project / "own", *overrides), name="tiny")
    assert set(seen) == {16, 8}
    seen.clear()
    run = train(tiny_config(project, project / "one", *overrides, "evaluate.size=24"), name="tiny")
    assert set(seen) == {24}
    assert json.loads((run / "calibration.json").read_text())["size"] == 24
    picture = np.zeros((20, 30, 3), dtype=np.uint8)
    opened = Run.open(run)
    found = opened.predict(picture, probabilities=True).probabilities
    expected = opened.predict(picture, size=24, probabilities=True).probabilities
    assert found is not None
    assert expected is not None
    assert np.array_equal(found, expected)
