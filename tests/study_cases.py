"""A finished study of three losses and two seeds on tiny data."""

from pathlib import Path

import pytest
from accelerate.state import AcceleratorState
from tiny import tiny_config, write_project

from harmonize.config.run_config import RunConfig
from harmonize.tools.studies.compare_losses import compare_losses

NAMES = [f"{loss}-seed{seed}" for seed in (0, 1) for loss in ("flat", "finest", "hierarchical")]

FILES = {
    "comparison.json",
    "table.md",
    "figure_mean_iou.svg",
    "figure_loss_by_depth.svg",
    "figure_pictures.png",
}


def shared(project: Path, *overrides: str) -> RunConfig:
    every = ["train.evaluate_every=1", "train.checkpoint_every=1", "train.log_every=1"]
    few = ["train.steps=2", "evaluate.pictures=1"]
    return tiny_config(project, "unused", *few, *every, *overrides)


def study(project: Path, folder: Path, *overrides: str, seeds: tuple[int, ...] = (0, 1)) -> Path:
    return compare_losses(
        shared(project, *overrides), name="compare_tiny", seeds=seeds, folder=folder
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def finished(project: Path) -> Path:
    """A finished study of three losses and two seeds; not to be changed."""
    AcceleratorState._reset_state(reset_partial_state=True)
    return study(project, project / "finished")
