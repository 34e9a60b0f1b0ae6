"""One step of training: clipping, the average, and what is frozen until a step."""

from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

import scenarios
from group import run_group
from harmonize.runs import checkpoints
from harmonize.runs.checkpoint import load
from harmonize.training.learner import Learner
from run_files import largest_difference
from staged import staged_networks
from tiny import tiny_config, write_project


def make(project: Path, *overrides: str) -> Learner:
    config = tiny_config(project, project / "run", "optim.lr=1", "optim.momentum=0", *overrides)
    with staged_networks():
        return Learner(config, 3, Accelerator(mixed_precision="no"))


def step(learner: Learner, number: int, gradient: float) -> list[float]:
    """Take a step whose gradient is the same everywhere; return how far each weight goes."""
    rate = learner.begin(number)
    before = [p.detach().clone() for p in learner.network.parameters()]
    for parameter in learner.network.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.full_like(parameter, gradient)
    learner.apply_gradient(number)
    learner.optimizer.zero_grad()
    after = learner.network.parameters()
    return [((a - b) / -rate).mean().item() for a, b in zip(after, before, strict=True)]


@pytest.mark.parametrize(("gradient", "taken"), [(0.5, 1.0), (0.001, None)])
def test_a_gradient_is_clipped_to_its_largest_norm(
    tmp_path: Path, gradient: float, taken: float | None
) -> None:
    learner = make(tmp_path, "optim.clip=1")
    number = sum(p.numel() for p in learner.network.parameters())
    norm = gradient * number**0.5
    expected = gradient if taken is None else taken / number**0.5
    assert step(learner, 0, gradient) == pytest.approx([expected] * 14, rel=1e-3)
    assert learner.gradient_norm == pytest.approx(norm, rel=1e-5)
    learner.begin(1)
    assert learner.gradient_norm is None


def test_the_norm_of_a_gradient_that_overflows_is_not_known(tmp_path: Path) -> None:
    learner = make(tmp_path, "optim.clip=1")
    step(learner, 0, float("inf"))
    assert learner.gradient_norm is None
    unclipped = make(tmp_path)
    step(unclipped, 0, 0.5)
    assert unclipped.gradient_norm is None


def test_what_is_frozen_is_trained_from_its_step_on(tmp_path: Path) -> None:
    learner = make(tmp_path, "model.freeze=2", "train.unfreeze_at=2", "optim.encoder_lr=0.5")
    for number, frozen in ((0, True), (1, True), (2, False), (3, False)):
        moved = step(learner, number, 0.25)
        first = [0.0] * 8 if frozen else [0.125] * 8
        assert moved == pytest.approx([*first, *[0.125] * 4, 0.25, 0.25], rel=1e-3)


def test_what_is_frozen_for_good_stays_so(tmp_path: Path) -> None:
    learner = make(tmp_path, "model.freeze=encoder")
    assert step(learner, 5, 0.25)[:12] == [0.0] * 12


@pytest.mark.parametrize("overflowed", [False, True])
def test_only_a_step_that_is_taken_is_averaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overflowed: bool
) -> None:
    learner = make(tmp_path, "train.ema=0.9")
    monkeypatch.setattr(type(learner.optimizer), "step_was_skipped", overflowed)
    assert learner.average is not None
    before = {name: mean.clone() for name, mean in learner.average.state().items()}
    step(learner, 0, 0.5)
    after = learner.average.state()
    assert all(torch.equal(after[name], before[name]) == overflowed for name in before)


def test_two_processes_finetune_as_one(tmp_path: Path) -> None:
    """They freeze, unfreeze, clip and average alike, and score the same."""
    project = write_project(tmp_path)
    for number in (1, 2):
        ended = run_group(number, scenarios.finetune, project)
        assert [rank.status for rank in ended] == [0] * number, ended[0].stderr
    one, two = (load(checkpoints.step_path(project / f"finetune-{number}", 6)) for number in (1, 2))
    for mine, its in ((one.model, two.model), (one.ema, two.ema)):
        assert largest_difference(mine, its) < 1e-5
    assert one.standing.answers_with == two.standing.answers_with
