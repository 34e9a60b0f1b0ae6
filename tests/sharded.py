"""What processes that share a network out do in tests; see ``group.run_group``."""

import os
from pathlib import Path
from typing import Any

import torch
from torch.distributed.checkpoint.filesystem import FileSystemWriter

from group import NOTED
from harmonize.pipeline import train as training
from harmonize.training.checkpointing import Checkpointing
from harmonize.training.trainer import Trainer
from staged import staged_networks
from tiny import tiny_config

Runs = list[tuple[str, list[str]]]
"""Outputs and overrides."""


def train_each(project: Path, runs: Runs) -> dict[str, Any]:
    """Train one run after the other."""
    os.chdir(project)
    for output, overrides in runs:
        training.train(tiny_config(project, project / output, *overrides), name="x")
    return {}


def train_staged(project: Path, runs: Runs) -> dict[str, Any]:
    """Train runs of the network with stages."""
    with staged_networks():
        return train_each(project, runs)


def fill_a_disk(project: Path, runs: Runs) -> dict[str, Any]:
    """Train runs, while the second process can write nothing of the optimizer."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    if os.environ["RANK"] == "1":
        setattr(FileSystemWriter, "_write_data", fail)  # noqa: B010
    return train_each(project, runs)


def spoil_a_share(project: Path, runs: Runs) -> dict[str, Any]:
    """Train runs, and have a number of the second process's share be NaN before it is saved."""
    original = Checkpointing.save_step

    def save(checkpointing: Checkpointing, *arguments: Any) -> None:
        if os.environ["RANK"] == "1":
            parameter = next(checkpointing.learner.network.parameters())
            with torch.no_grad():
                parameter.to_local().view(-1)[0] = torch.nan  # type: ignore[attr-defined]
        original(checkpointing, *arguments)

    setattr(Checkpointing, "save_step", save)  # noqa: B010
    return train_each(project, runs)


def spoil_a_gradient(project: Path, runs: Runs) -> dict[str, Any]:
    """Train runs, and have one number of the second process's gradient be NaN in the third step."""
    original = Trainer.train_step

    def step(trainer: Trainer, batches: Any) -> float:
        name, parameter = next(trainer.learner.network.named_parameters())
        NOTED["name"] = name

        def spoil(shared: torch.Tensor) -> None:
            assert shared.grad is not None
            shared.grad.to_local().view(-1)[0] = torch.nan  # type: ignore[attr-defined]

        if os.environ["RANK"] == "1" and trainer.step == 2:
            hook = parameter.register_post_accumulate_grad_hook(spoil)
            try:
                return original(trainer, batches)
            finally:
                hook.remove()
        return original(trainer, batches)

    setattr(Trainer, "train_step", step)  # noqa: B010
    return train_each(project, runs)
