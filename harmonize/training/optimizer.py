"""Optimizers and the schedule of the learning rate."""

import math

import torch
from torch import nn

from harmonize.config.run_config import OptimConfig

POLY_POWER = 0.9


def build_optimizer(network: nn.Module, config: OptimConfig) -> torch.optim.Optimizer:
    """Build SGD (with momentum) or AdamW (whose beta1 is the momentum)."""
    if config.name == "sgd":
        return torch.optim.SGD(
            network.parameters(),
            lr=config.lr,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
    return torch.optim.AdamW(
        network.parameters(),
        lr=config.lr,
        betas=(config.momentum, 0.999),
        weight_decay=config.weight_decay,
    )


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
