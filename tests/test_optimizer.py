"""Learning rates by step and by stage, which parameters decay, and that groups change no result."""

import copy
from typing import Literal

import pytest
import torch
from torch import nn

from harmonize import UNet
from harmonize.config.train_config import OptimConfig
from harmonize.training.optimizer import (
    build_optimizer,
    learning_rate,
    parameter_groups,
    set_learning_rate,
)
from staged import staged


def test_schedules_start_and_end_where_they_should() -> None:
    assert learning_rate(OptimConfig(lr=2, schedule="constant"), 99, 100) == 2
    assert learning_rate(OptimConfig(lr=2, schedule="poly"), 0, 100) == 2
    assert learning_rate(OptimConfig(lr=2, schedule="poly"), 50, 100) == pytest.approx(2 * 0.5**0.9)
    assert learning_rate(OptimConfig(lr=2, schedule="cosine"), 50, 100) == pytest.approx(1)
    warm = OptimConfig(lr=2, schedule="constant", warmup=3)
    assert [learning_rate(warm, step, 100) for step in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]


def plain(network: nn.Module, name: str) -> torch.optim.Optimizer:
    if name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    return torch.optim.AdamW(network.parameters(), lr=0.1, betas=(0.9, 0.999), weight_decay=0)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_groups_change_nothing_bit_for_bit(name: Literal["sgd", "adamw"]) -> None:
    network = UNet(3, 8)
    other = copy.deepcopy(network)
    ours, theirs = build_optimizer(network, OptimConfig(name=name)), plain(other, name)
    assert len(ours.param_groups) == 2
    pictures = torch.randn(2, 3, 16, 16)
    for lr in (0.1, 0.07, 0.03):
        set_learning_rate(ours.param_groups, lr)
        theirs.param_groups[0]["lr"] = lr
        for each, optimizer in ((network, ours), (other, theirs)):
            optimizer.zero_grad()
            each(pictures).square().mean().backward()
            optimizer.step()
    pairs = zip(network.parameters(), other.parameters(), strict=True)
    assert all(torch.equal(mine, its) for mine, its in pairs)


def test_norms_and_biases_never_decay() -> None:
    network = staged()
    groups = parameter_groups(network, OptimConfig(weight_decay=0.5))
    decays = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            assert decays[id(module.weight)] == 0.5
            assert decays[id(module.bias)] == 0
        elif isinstance(module, nn.BatchNorm2d):
            assert decays[id(module.weight)] == decays[id(module.bias)] == 0
    assert len(decays) == len(list(network.parameters()))


def test_each_stage_learns_at_its_own_rate() -> None:
    network = staged()
    config = OptimConfig(encoder_lr=0.5, layer_decay=0.1)
    optimizer = build_optimizer(network, config, network.encoder_stages)
    set_learning_rate(optimizer.param_groups, 2.0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for stage, rate in zip(network.encoder_stages, (0.01, 0.1, 1.0), strict=True):
        assert all(rates[id(p)] == pytest.approx(rate) for p in stage.parameters())
    assert rates[id(network.network.head.weight)] == 2.0  # type: ignore[union-attr]
    assert len(rates) == len(list(network.parameters()))
