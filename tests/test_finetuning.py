"""Fine-tuning: stages that are frozen at first, averaged weights, and patience."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harmonize.data.samples import Batch
from harmonize.pipeline.evaluate_run import evaluate_run
from harmonize.pipeline.train import train
from harmonize.runs import checkpoint, checkpoints
from harmonize.runs.opened import open_run
from harmonize.training.scoring import WeightScores
from harmonize.training.trainer import Trainer
from run_files import metrics
from staged import FINETUNING, staged, staged_networks
from tiny import tiny_config, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def everything(run: Path, step: int | None) -> dict[str, Any]:
    """Return all tensors of a checkpoint or of the best, and what its evaluations have found."""
    path = checkpoints.best_path(run) if step is None else checkpoints.step_path(run, step)
    state, tensors = checkpoint.load(path), load_file(path)
    return as_bytes(tensors) | vars(state.standing)


def as_bytes(tensors: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize("last", [2, 4])
def test_a_finetuned_run_resumes_bit_for_bit(project: Path, last: int) -> None:
    """From before and from after it is unfrozen, and with batch norm and dropout."""
    overrides = [*FINETUNING, "model.norm=batch", "train.checkpoint_every=2", "train.log_every=1"]
    with staged_networks():
        run = train(tiny_config(project, project / "run", *overrides), name="tiny")
        expected, best, lines = everything(run, 6), everything(run, None), metrics(run)
        cut = project / f"cut-{last}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Trainer, "train_step", until(last))
            with pytest.raises(KeyError):
                train(tiny_config(project, cut, *overrides), name="tiny")
        train(tiny_config(project, cut, *overrides, "train.resume=true"), name="tiny")
    assert everything(cut, 6) == expected
    assert metrics(cut) == lines
    assert everything(cut, None) == best
    norms = [line["gradient_norm"] for line in lines if line["event"] == "train"]
    assert len(norms) == 6
    assert all(isinstance(norm, float) and norm > 0 for norm in norms)
    first = "model/network.stages.0.0.weight"
    assert everything(run, 4)[first] != expected[first]  # it is unfrozen


def until(last: int) -> Callable[[Trainer, Iterator[Batch]], float]:
    """Return a step of training that fails once there were so many, as if killed."""
    original = Trainer.train_step

    def step(trainer: Trainer, batches: Iterator[Batch]) -> float:
        if trainer.step == last:
            raise KeyError
        return original(trainer, batches)

    return step


def test_frozen_stages_do_not_change_before_they_are_unfrozen(project: Path) -> None:
    overrides = [*FINETUNING, "model.norm=batch", "train.checkpoint_every=1", "train.steps=4"]
    with staged_networks():
        run = train(tiny_config(project, project / "run", *overrides), name="tiny")
    frozen, unfrozen = everything(run, 3), everything(run, 4)
    initial = {f"model/{name}": item for name, item in as_bytes(staged().state_dict()).items()}
    for stage in (0, 1):
        names = [name for name in initial if name.startswith(f"model/network.stages.{stage}")]
        assert len(names) == 7
        assert all(frozen[name] == initial[name] for name in names)
        assert all(unfrozen[name] != initial[name] for name in names if not name.endswith("0.bias"))
    assert (
        frozen["model/network.stages.2.1.running_mean"]
        != (initial["model/network.stages.2.1.running_mean"])
    )


@pytest.mark.parametrize("better", ["raw", "ema"])
def test_a_run_answers_with_the_better_of_its_weights_and_their_average(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    better: str,
) -> None:
    monkeypatch.setattr(WeightScores, "answers_with", better)
    config = tiny_config(project, project / "run", "train.ema=0.9", "train.evaluate_every=3")
    run = train(config, name="tiny")
    state = checkpoint.load(checkpoints.step_path(run, 6))
    assert state.standing.answers_with == better
    names = set(dict(open_run(run).network().named_parameters()))
    assert state.ema.keys() == names
    answering = open_run(run).network().state_dict()
    for name, tensor in answering.items():
        averaged = better == "ema" and name in names
        assert torch.equal(tensor, (state.ema if averaged else state.model)[name])
    assert all(not torch.equal(state.ema[name], state.model[name]) for name in names)
    last = metrics(run)[-1]
    assert isinstance(last["mean_iou"], dict)
    assert last["answers_with"] == better
    scored = json.loads((run / "evaluation.json").read_text())["datasets"]
    for name, one in scored.items():
        assert last["mean_iou"][better][name] == one["mean_iou"]
    shown = [100 * last["mean_iou"][weights]["fine"] for weights in ("raw", "ema")]
    told = f"step 6: mean IoU fine {shown[0]:.2f} (averaged weights {shown[1]:.2f}), coarse "
    assert told in capsys.readouterr().out
    evaluate_run(run, json_file=project / "again.json")
    assert json.loads((project / "again.json").read_text())["datasets"] == scored
    assert open_run(run, which="best").state.standing.answers_with == better


def test_a_run_killed_before_it_is_scored_answers_alike(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint is saved before its own evaluation, which chooses other weights here."""
    monkeypatch.setattr(WeightScores, "answers_with", "raw")
    overrides = ["train.ema=0.9", "train.evaluate_every=3"]
    run = train(tiny_config(project, project / "run", *overrides), name="tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(Trainer, "_evaluate")
        with pytest.raises(AttributeError):
            train(tiny_config(project, project / "cut", *overrides), name="tiny")
    saved = checkpoint.load(checkpoints.step_path(project / "cut", 3)).standing
    assert (saved.answers_with, saved.best) == ("ema", None)
    cut = train(tiny_config(project, project / "cut", *overrides, "train.resume=true"), name="tiny")
    for step in (3, 6, None):
        assert everything(cut, step) == everything(run, step)
        assert everything(run, step)["answers_with"] == "raw"
    assert metrics(cut) == metrics(run)


def spoil_scores(monkeypatch: pytest.MonkeyPatch, means: list[float]) -> None:
    """Have the evaluations of a run find these means, whatever it scores."""
    left = iter(means)
    monkeypatch.setattr(WeightScores, "mean", property(lambda _: next(left)))


def test_a_run_ends_when_its_patience_is_spent(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ["train.steps=40", "train.evaluate_every=2", "train.patience=2"]
    overrides += ["train.checkpoint_every=3"]
    spoil_scores(monkeypatch, [0.1, 0.3, 0.3, 0.2, 0.9, 0.9])
    run = train(tiny_config(project, project / "run", *overrides), name="tiny")
    printed = capsys.readouterr().out
    assert "step 8: no better than after step 4, for 2 evaluations: the run ends" in printed
    assert "fine, val: 5 pictures" in printed
    assert (run / "evaluation.json").is_file()
    assert checkpoints.newest(run) == checkpoints.step_path(run, 8)
    assert json.loads((run / "calibration.json").read_text())["step"] == 8
    lines = metrics(run)
    assert [line["step"] for line in lines if line["event"] == "evaluation"] == [2, 4, 6, 8]
    again = tiny_config(project, project / "run", *overrides, "train.resume=true")
    train(again, name="tiny")
    assert metrics(run) == lines
    assert checkpoints.newest(run) == checkpoints.step_path(run, 8)


def test_a_run_that_is_killed_loses_no_patience(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["train.steps=40", "train.evaluate_every=2", "train.patience=2"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", until(7))
        spoil_scores(patch, [0.1, 0.3, 0.3])
        with pytest.raises(KeyError):
            train(tiny_config(project, project / "run", *overrides), name="tiny")
    spoil_scores(monkeypatch, [0.2, 0.2])
    resumed = [*overrides, "train.resume=true"]
    run = train(tiny_config(project, project / "run", *resumed), name="tiny")
    assert checkpoints.newest(run) == checkpoints.step_path(run, 8)
    spoil_scores(monkeypatch, [0.2, 0.1, 0.1])
    more = tiny_config(project, project / "run", *resumed, "train.patience=3")
    train(more, name="tiny")
    assert checkpoints.newest(run) == checkpoints.step_path(run, 10)
