"""Checkpoints of a small network."""

from pathlib import Path

import torch

from harmonize import UNet
from harmonize.config.train_config import OptimConfig
from harmonize.labels.sources import load_sources
from harmonize.runs.checkpoint import Checkpoint
from harmonize.runs.identity import describe_run
from harmonize.runs.standing import Standing
from harmonize.training.optimizer import build_optimizer
from tiny import tiny_config, write_project


def make(tmp_path: Path, optimizer_name: str = "adamw") -> tuple[Checkpoint, UNet]:
    config = tiny_config(write_project(tmp_path), tmp_path / "run")
    network = UNet(3, 8)
    optimizer = build_optimizer(network, OptimConfig(name=optimizer_name))  # type: ignore[arg-type]
    network(torch.randn(2, 3, 32, 32)).sum().backward()
    optimizer.step()
    state = Checkpoint(
        step=7,
        model=network.state_dict(),
        ema={name: p.detach() / 2 for name, p in network.named_parameters()},
        optimizer=optimizer.state_dict(),
        depths={"means": torch.tensor([0.5, 0.25])},
        teacher={"network.weight": torch.ones(2)},
        scaler=None,
        meter=torch.arange(12.0).view(1, 2, 2, 3),
        health={"skipped": 2, "losses": [0.5, 0.25]},
        standing=Standing(0.25, 4, "ema"),
        **describe_run(config, load_sources(config)),
    )
    return state, network
