"""What is frozen stays as it is, whatever mode the network is set to."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harmonize import HarmonizeError
from harmonize.config.model_config import ModelConfig
from harmonize.pipeline.preflight import check_run
from harmonize.training.freezing import hold
from staged import StagedSegmenter, staged, staged_networks
from tiny import tiny_config, write_project


def changed(network: StagedSegmenter) -> set[str]:
    """Return what a step of training changes, by the stage's number or ``head``."""
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    network.eval()
    network.train()
    network(torch.randint(256, (2, 3, 8, 8))).square().mean().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.sub_(1e-3 * parameter.grad.sign())
                parameter.grad = None
    after: dict[str, Tensor] = network.state_dict()
    names = [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
    return {name.removeprefix("network.") for name in names}


def of(names: set[str], part: str) -> set[str]:
    return {name for name in names if name.startswith(part)}


@pytest.mark.parametrize(("freeze", "number"), [("none", 0), (1, 1), (2, 2), ("encoder", 3)])
def test_frozen_stages_keep_weights_and_statistics(freeze: object, number: int) -> None:
    network = staged()
    hold(network, ModelConfig(freeze=freeze), frozen=True)  # type: ignore[arg-type]
    assert network.training
    names = changed(network)
    assert len(of(names, "head")) == 2
    for stage in range(3):
        # Weights and biases of convolution and norm, mean, variance, count of batches. The
        # statistics of a norm make the bias before it have no gradient but rounding.
        found = of(names, f"stages.{stage}") - {f"stages.{stage}.0.bias"}
        assert len(found) == (0 if stage < number else 6)
    hold(network, ModelConfig(freeze=freeze), frozen=False)  # type: ignore[arg-type]
    for stage in range(3):
        assert len(of(changed(network), f"stages.{stage}") - {f"stages.{stage}.0.bias"}) == 6


def test_frozen_statistics_leave_scale_and_shift_to_training() -> None:
    network = staged()
    hold(network, ModelConfig(freeze_statistics=True), frozen=False)
    names = changed(network)
    assert not [name for name in names if "running" in name or "num_batches" in name]
    assert {"stages.0.1.weight", "stages.2.1.bias", "stages.0.0.weight"} <= names


def test_what_is_held_is_in_evaluation_mode_in_a_copy_too() -> None:
    network = staged()
    hold(network, ModelConfig(freeze="encoder"), frozen=True)
    other = copy.deepcopy(network)
    other.train()
    assert not any(stage.training for stage in other.encoder_stages)
    assert all(mine is not its for mine, its in zip(network.held, other.held, strict=True))


ONE_KEY = "the network unet has no encoder; remove the key, or choose another model.name"


@pytest.mark.parametrize(
    ("overrides", "problems"),
    [
        (["model.freeze=encoder"], (f"model.freeze: {ONE_KEY}",)),
        (["model.freeze=1"], (f"model.freeze: {ONE_KEY}",)),
        (
            ["optim.encoder_lr=0.1", "optim.layer_decay=0.9"],
            (f"optim.encoder_lr: {ONE_KEY}", f"optim.layer_decay: {ONE_KEY}"),
        ),
        (
            ["model.freeze_statistics=true"],
            ("model.freeze_statistics: the network unet has no batch norm; remove the key",),
        ),
    ],
)
def test_a_network_without_the_part_is_refused_before_the_run(
    tmp_path: Path, overrides: list[str], problems: tuple[str, ...]
) -> None:
    project = write_project(tmp_path)
    with pytest.raises(HarmonizeError) as caught:
        check_run(tiny_config(project, project / "run", *overrides))
    assert caught.value.problems == problems


def test_more_stages_than_there_are_are_refused(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    with staged_networks():
        check_run(tiny_config(project, project / "run", "model.freeze=3"))
        with pytest.raises(HarmonizeError) as caught:
            check_run(tiny_config(project, project / "run", "model.freeze=4"))
    assert str(caught.value) == (
        "model.freeze: the encoder of unet has 3 stages, got 4; say encoder for all of them"
    )
