"""Losses and gradients that are not finite: never applied, kept for study, skipped if told so."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

import scenarios
from group import run_group
from harmonize import HarmonizeError
from harmonize.data.samples import Batch
from harmonize.loss.hierarchical import LossTerms
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from harmonize.runs.health import RunHealth
from harmonize.training.bad_numbers import Guard, check_weights
from harmonize.training.tracking import LossMeter
from harmonize.training.trainer import Trainer
from tiny import tiny_config, write_project

NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("numbers"))


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Trainer]]:
    """Have something become NaN in some steps, counted from 1; return the trainers."""
    original = Trainer.train_step

    def spoil_steps(*steps: int, gradient: bool = False, picture: int = 1) -> list[Trainer]:
        trainers: list[Trainer] = []

        def forward(_: nn.Module, __: Any, logits: Tensor) -> Tensor:
            spoiled = logits.clone()
            if trainers[-1].step + 1 in steps and not gradient:
                spoiled[picture, 2] = NAN
            return spoiled

        def backward(slope: Tensor) -> Tensor:
            return slope * (INF if trainers[-1].step + 1 in steps and gradient else 1)

        def step(trainer: Trainer, batches: Iterator[Batch]) -> float:
            if trainer not in trainers:
                trainers.append(trainer)
                network = trainer.learner.network
                network.network.register_forward_hook(forward)
                next(network.parameters()).register_hook(backward)
            return original(trainer, batches)

        monkeypatch.setattr(Trainer, "train_step", step)
        return trainers

    return spoil_steps


def run(project: Path, output: Path, *overrides: str) -> Path:
    told = ["model.norm=batch", "train.checkpoint_every=1", "optim.name=adamw", "optim.lr=0.01"]
    return train(tiny_config(project, output, *told, *overrides), name="x")


def numbers(run: Path, step: int) -> dict[str, Tensor]:
    found = load_file(checkpoints.step_path(run, step))
    return {name: tensor for name, tensor in found.items() if not name.startswith("meter")}


def equal(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[n], two[n]) for n in one)


@pytest.mark.parametrize("gradient", [False, True])
def test_a_bad_step_stops_a_run_and_was_never_taken(
    project: Path, tmp_path: Path, spoil: Callable[..., list[Trainer]], gradient: bool
) -> None:
    trainers = spoil(4, gradient=gradient)
    what = "gradient" if gradient else "loss"
    with pytest.raises(HarmonizeError) as caught:
        run(project, tmp_path / "run")
    [line] = caught.value.problems
    folder = tmp_path / "run" / "bad_numbers" / "step-00000004"
    assert line == (
        f"step 4: the {what} is not finite, and is not taken; its samples are in {folder}; go on "
        "without such steps by train.on_bad_numbers=skip train.resume=true, or lower optim.lr in a "
        "new run"
    )
    saved = numbers(tmp_path / "run", 3)
    network = trainers[0].learner.network.state_dict()
    assert all(torch.equal(tensor, saved[f"model/{name}"]) for name, tensor in network.items())
    optimizer = trainers[0].learner.optimizer.state_dict()["state"]
    assert all(
        torch.equal(value, saved[f"optimizer/{number}/{key}"])
        for number, state in optimizer.items()
        for key, value in state.items()
    )


def test_the_samples_of_a_bad_step_are_kept_with_what_they_are(
    project: Path, tmp_path: Path, spoil: Callable[..., list[Trainer]]
) -> None:
    trainers = spoil(3, picture=1)
    with pytest.raises(HarmonizeError):
        run(project, tmp_path / "run", "train.accumulate=2")
    folder = tmp_path / "run" / "bad_numbers" / "step-00000003"
    report = json.loads((folder / "report.json").read_text())
    assert (report["step"], report["not_finite"]) == (3, "loss")
    assert report["weights_not_finite"] == []
    assert len(report["gradients_not_finite"]) > 10
    assert [sample["position"] for sample in report["samples"]] == [9, 11]  # of 8 to 11
    samples = trainers[0].batches.samples
    for sample in report["samples"]:
        position = sample["position"]
        assert (sample["loss"], sample["logits_not_finite"]) == ("nan", ["right"])
        found = samples.find(position)
        dataset = samples.datasets[found.draw.dataset]
        assert sample["dataset"] == dataset.spec.name
        assert (dataset.root / sample["picture"]).is_file()
        assert (dataset.root / sample["label"]).is_file()
        assert sample["seed"] == [0, position]
        assert sample["augmentation"]["crop"] == list(found.choices.crop)
        batch = samples[position]
        with Image.open(folder / f"{position:08d}.png") as picture:
            assert (np.asarray(picture) == batch.pictures[0].permute(1, 2, 0).numpy()).all()
        with Image.open(folder / f"{position:08d}_codes.png") as codes:
            assert (np.asarray(codes) == batch.codes[0].numpy()).all()


def test_without_a_suspect_all_samples_of_a_step_are_kept(
    project: Path, tmp_path: Path, spoil: Callable[..., list[Trainer]]
) -> None:
    spoil(1, gradient=True)
    with pytest.raises(HarmonizeError):
        run(project, tmp_path / "run")
    folder = tmp_path / "run" / "bad_numbers" / "step-00000001"
    report = json.loads((folder / "report.json").read_text())
    assert [sample["position"] for sample in report["samples"]] == [0, 1, 2, 3]
    assert len(report["gradients_not_finite"]) == 1
    assert all(isinstance(sample["loss"], float) for sample in report["samples"])
    assert len(list(folder.glob("*.png"))) == 8


SKIP = "train.on_bad_numbers=skip"


def test_a_run_that_skips_goes_on_as_if_the_step_had_not_been(
    project: Path,
    tmp_path: Path,
    spoil: Callable[..., list[Trainer]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(3, 4)
    four = ["train.steps=4", "train.checkpoint_every=2"]
    output = run(project, tmp_path / "run", SKIP, *four)
    told = capsys.readouterr()
    assert re.findall(r"warning: step (\d): the loss is not finite, and is skipped", told.err) == [
        "3",
        "4",
    ]
    assert "skipped for bad numbers: 2 steps" in told.out
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines if line["event"] == "train"][1] is None
    spoil()
    plain = run(project, tmp_path / "plain", *four)
    assert equal(numbers(output, 4), numbers(plain, 2))
    assert not equal(numbers(output, 4), numbers(plain, 4))


def test_a_run_that_skipped_is_resumed_to_the_same_weights_and_count(
    project: Path,
    tmp_path: Path,
    spoil: Callable[..., list[Trainer]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(2, 5)
    one = run(project, tmp_path / "run", SKIP)
    expected = numbers(one, 6)
    lines = (one / "metrics.jsonl").read_text()
    capsys.readouterr()
    checkpoints.step_path(one, 6).unlink()
    run(project, tmp_path / "run", SKIP, "train.resume=true")
    assert equal(numbers(one, 6), expected)
    assert [strip(line) for line in (one / "metrics.jsonl").read_text().splitlines()] == [
        strip(line) for line in lines.splitlines()
    ]
    assert "skipped for bad numbers: 2 steps" in capsys.readouterr().out


def strip(line: str) -> dict[str, Any]:
    return {k: v for k, v in json.loads(line).items() if k != "pictures_per_second"}


def test_too_many_bad_steps_in_a_row_stop_a_run_that_skips(
    project: Path, tmp_path: Path, spoil: Callable[..., list[Trainer]]
) -> None:
    """They are counted over an interruption, too."""
    told = [SKIP, "train.steps=20", "train.checkpoint_every=4"]
    expected = r"^step 13: .* nor were the 10 before it: .*diverged"
    spoil(*range(3, 99))
    with pytest.raises(HarmonizeError, match=expected):
        run(project, tmp_path / "run", *told)
    assert equal(numbers(tmp_path / "run", 12), numbers(tmp_path / "run", 8))
    assert all(tensor.isfinite().all() for tensor in numbers(tmp_path / "run", 12).values())
    state = checkpoints.newest_whole(tmp_path / "run")
    assert state is not None
    assert (state[1].health["in_a_row"], state[1].health["skipped"]) == (10, 10)
    with pytest.raises(HarmonizeError, match=expected):
        run(project, tmp_path / "run", *told, "train.resume=true")


def test_a_folder_that_cannot_be_written_does_not_hide_the_fault(
    project: Path,
    tmp_path: Path,
    spoil: Callable[..., list[Trainer]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(1)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", refuse)
    with pytest.raises(HarmonizeError) as caught:
        run(project, tmp_path / "run")
    assert "step 1: the loss is not finite" in str(caught.value)
    assert "cannot be written: No space left on device" in str(caught.value)


def terms(loss: float) -> LossTerms:
    one = torch.zeros(1)
    return LossTerms(torch.tensor(loss), one, one[:, None], one[:, None].long(), one.long(), one)


@pytest.mark.parametrize(
    ("loss", "gradient", "scaler", "problem"),
    [
        (1.0, 3e38, False, None),
        (NAN, 1.0, False, "loss"),
        (INF, NAN, False, "loss"),
        (1.0, -INF, False, "gradient"),
        (1.0, NAN, False, "gradient"),
        (1.0, INF, True, None),  # the scaler skips such steps itself
        (NAN, INF, True, "loss"),
    ],
)
def test_a_number_that_is_not_finite_is_found_but_large_ones_are_not(
    loss: float, gradient: float, scaler: bool, problem: str | None
) -> None:
    network = nn.Conv2d(3, 2, 1)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    assert network.bias is not None
    assert network.bias.grad is not None
    network.bias.grad[1] = gradient
    guard = Guard(network, has_scaler=scaler)
    assert guard.problem([terms(1.0), terms(loss)]) == problem


def test_weights_that_are_not_finite_are_not_saved(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HarmonizeError, match=r"^step 7: the weights or the optimizer's state"):
        check_weights([torch.ones(3), torch.tensor([1.0, NAN])], 7)
    check_weights([torch.full((3,), 3e38)], 7)
    original = Trainer.train_step

    def overflow(trainer: Trainer, batches: Iterator[Batch]) -> float:
        lr = original(trainer, batches)
        if trainer.step == 3:
            next(iter(trainer.learner.optimizer.state.values()))["exp_avg_sq"][0] = INF
        return lr

    monkeypatch.setattr(Trainer, "train_step", overflow)
    with pytest.raises(HarmonizeError, match="step 4: the weights or the optimizer's state are no"):
        run(project, tmp_path / "run")
    assert checkpoints.newest(tmp_path / "run") == checkpoints.step_path(tmp_path / "run", 3)


def test_divergence_is_a_mean_above_its_first_and_ten_times_its_best() -> None:
    health = RunHealth()
    falling = [4.0, 3.0, 2.0, 1.0, 0.5, 0.05, 0.04, 0.03, 0.02, 0.01]
    assert [health.add_loss(loss, step) for step, loss in enumerate(falling)] == [None] * 10
    assert (health.first, health.best) == (pytest.approx(2.1), pytest.approx(0.03))
    assert "step 10: no pixel of the batches" in str(health.add_loss(None, 10))
    assert health.add_loss(None, 11) is None  # it is said once
    assert health.add_loss(9.0, 11) is None  # the mean is 1.8, sixty times the best
    text = health.add_loss(9.0, 12)
    assert text == (
        "warning: step 12: the loss is 3.612 over the last 5 lines of metrics and was 0.03 at its "
        "best: training diverges; lower optim.lr in a new run"
    )
    assert health.add_loss(99.0, 13) is None  # said once
    other = RunHealth()
    other.restore(json.loads(json.dumps(health.state())))
    assert other == health


def test_a_run_that_diverges_says_so_once(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    original, calls = LossMeter.take, [0]

    def take(meter: LossMeter, accelerator: Any) -> dict[str, Any]:
        calls[0] += 1
        return {**original(meter, accelerator), "loss": float(calls[0] ** 6)}

    monkeypatch.setattr(LossMeter, "take", take)
    run(project, tmp_path / "run", "train.log_every=1", "train.steps=10")
    assert capsys.readouterr().err.count("training diverges") == 1


def test_a_fault_in_one_process_is_refused_by_all(project: Path) -> None:
    stopped = run_group(2, scenarios.meet_bad_numbers, project, "stop")
    assert [rank.status for rank in stopped] == [2, 2]
    assert all("step 3: the loss is not finite" in rank.stderr for rank in stopped)
    folder = project / "numbers-stop" / "bad_numbers" / "step-00000003"
    report = json.loads((folder / "report.json").read_text())
    assert [sample["position"] for sample in report["samples"]] == [10]  # the second's first
    assert (folder / "00000010.png").is_file()
    skipped = run_group(2, scenarios.meet_bad_numbers, project, "skip")
    assert [rank.status for rank in skipped] == [0, 0]
    saved = numbers(project / "numbers-skip", 6)
    assert all(tensor.isfinite().all() for tensor in saved.values())
