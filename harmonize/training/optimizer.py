"""Optimizers, which parameters learn how fast, and the schedule of the learning rate."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from harmonize.config.train_config import OptimConfig

POLY_POWER = 0.9


def build_optimizer(
    network: nn.Module, config: OptimConfig, stages: Sequence[nn.Module] = ()
) -> torch.optim.Optimizer:
    """Build SGD (with momentum) or AdamW (whose beta1 is the momentum).

    Args:
        network: whose parameters are trained.
        config: of the optimizer.
        stages: of the network's encoder, from the input to the deepest.
    """
    groups = parameter_groups(network, config, stages)
    if config.name == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr, betas=(config.momentum, 0.999))


def parameter_groups(
    network: nn.Module, config: OptimConfig, stages: Sequence[nn.Module] = ()
) -> list[dict[str, Any]]:
    """Return the groups of parameters that learn alike.

    Each has its ``weight_decay``, none for norms and biases, which are the parameters of one
    dimension, and its ``scale``, the factor of the schedule's learning rate.
    """
    scales: dict[nn.Parameter, float] = {}
    for number, stage in enumerate(stages, 1):
        scale = config.encoder_lr * config.layer_decay ** (len(stages) - number)
        scales |= dict.fromkeys(stage.parameters(), scale)
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for parameter in network.parameters():
        scale, decays = scales.get(parameter, 1.0), parameter.ndim > 1
        decay = config.weight_decay if decays else 0.0
        new = {"params": [], "scale": scale, "weight_decay": decay}
        groups.setdefault((scale, decays), new)["params"].append(parameter)
    return list(groups.values())


def set_learning_rate(groups: Iterable[dict[str, Any]], rate: float) -> None:
    """Give each group of parameters its share of the schedule's learning rate."""
    for group in groups:
        group["lr"] = rate * group["scale"]


def learning_rate(config: OptimConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step, counted from 0, in a run of so many steps."""
    done = step / steps
    factors = {
        "constant": 1.0,
        "poly": (1 - done) ** POLY_POWER,
        "cosine": 0.5 * (1 + math.cos(math.pi * done)),
    }
    rise = min((step + 1) / (config.warmup + 1), 1)
    return config.lr * rise * factors[config.schedule]
