"""Run folders of untrained networks, made without a training."""

from pathlib import Path

import torch

from harmonize.config.run_config import RunConfig
from harmonize.labels.sources import load_sources
from harmonize.models.segmenter import Segmenter
from harmonize.runs.checkpoint import Checkpoint, save
from harmonize.runs.checkpoints import step_path
from harmonize.runs.health import RunHealth
from harmonize.runs.identity import describe_run
from harmonize.runs.standing import Standing


def save_run(network: Segmenter, config: RunConfig, folder: Path) -> Path:
    """Write a run folder with a network's weights, and return it."""
    checkpoint = Checkpoint(
        step=1,
        model=network.state_dict(),
        ema={},
        optimizer={},
        depths={},
        teacher={},
        scaler=None,
        meter=torch.zeros(1),
        health=RunHealth().state(),
        standing=Standing(),
        **describe_run(config, load_sources(config)),
    )
    save(checkpoint, step_path(folder, 1))
    return folder
