"""The loss's options in a run: over processes and parts, in the run folder, and when it resumes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image

import scenarios
from arithmetic import rounded
from group import run_group
from harmonize import HarmonizeError, Ontology, TargetSpace, loss_for
from harmonize.config.loss_config import LossConfig
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.loss.several import LossPart
from harmonize.pipeline.train import train
from harmonize.runs import checkpoints
from harmonize.training.batches import StepCounts
from harmonize.training.depth_weighting import DepthWeighting, coarse_to_fine
from harmonize.training.trainer import Trainer
from run_files import largest_difference, metrics, weights
from test_finetuning import until
from tiny import tiny_config, tiny_values, write_project

ALL = (
    "loss.balance=sqrt",
    "loss.dice=0.5",
    "loss.focal=1.5",
    "loss.hardest=0.6",
    "loss.normalize=dataset",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_any_processes_and_parts_give_the_gradient_of_one(project: Path) -> None:
    """Half of a batch has no labels at all."""
    options = (ALL, ("loss.smoothing=0.1",), ("loss.depth_schedule=gradient",))
    [alone] = [
        ended.found["steps"] for ended in run_group(1, scenarios.steps, project, 1, *options)
    ]
    gradients = [torch.tensor(one["gradient"], dtype=torch.float64) for one in alone]
    assert min(gradient.norm() for gradient in gradients) > 0
    pixels = 16 * 16 * 16  # of the batch: the terms of the sums that are grouped otherwise
    for number, parts in ((1, 2), (2, 1), (4, 2)):
        for ended in run_group(number, scenarios.steps, project, parts, *options):
            for gradient, one, found in zip(gradients, alone, ended.found["steps"], strict=True):
                other = torch.tensor(found["gradient"], dtype=torch.float64)
                assert (other - gradient).norm() <= rounded(pixels) * gradient.norm()
                assert found["loss"] == pytest.approx(one["loss"], rel=rounded(pixels))


@pytest.mark.parametrize("schedule", ["constant", "coarse_to_fine", "uncertainty", "gradient"])
def test_a_run_with_all_options_resumes_bit_for_bit(project: Path, schedule: str) -> None:
    overrides = [*ALL, f"loss.depth_schedule={schedule}"]
    overrides += ["train.steps=4", "train.checkpoint_every=2"]
    run = train(tiny_config(project, project / "run", *overrides), name="tiny")
    cut = project / "cut"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", until(3))
        with pytest.raises(KeyError):
            train(tiny_config(project, cut, *overrides), name="tiny")
    train(tiny_config(project, cut, *overrides, "train.resume=true"), name="tiny")
    assert largest_difference(weights(run, 4), weights(cut, 4)) == 0
    assert metrics(cut) == metrics(run)
    logged = [line for line in metrics(run) if line["event"] == "train"]
    assert all(0 < line["dice"] < 2 for line in logged)  # type: ignore[operator]
    learned = schedule in ("uncertainty", "gradient")
    assert all(("depth_factors" in line) == learned for line in logged)


def test_a_resumed_run_keeps_the_balance_that_it_began_with(project: Path) -> None:
    overrides = ["loss.balance=inverse", "data.cache_folder=null", "train.checkpoint_every=2"]
    run = train(tiny_config(project, project / "run", *overrides, "train.steps=3"), name="tiny")
    written = (run / "balance.json").read_text()
    for number in range(5):  # these labels change
        path = project / "fine_data" / f"{number:02d}_ids.png"
        Image.fromarray(np.zeros_like(np.asarray(Image.open(path)))).save(path)
    checkpoints.step_path(run, 3).unlink()
    train(tiny_config(project, run, *overrides, "train.steps=3", "train.resume=true"), name="tiny")
    assert (run / "balance.json").read_text() == written
    (run / "balance.json").write_text("{}")
    again = tiny_config(project, run, *overrides, "train.steps=3", "train.resume=true")
    with pytest.raises(HarmonizeError, match=r"balance\.json: is damaged: .*; remove it to have"):
        train(again, name="tiny")


def test_balance_json_lists_what_labels_resolve(project: Path) -> None:
    run = train(
        tiny_config(project, project / "run", "loss.balance=sqrt", "train.steps=1"), name="tiny"
    )
    content = json.loads((run / "balance.json").read_text())
    by_set = {(one["depth"], *one["nodes"]): one for one in content["sets"]}
    assert by_set.keys() == {
        (1, "background"),
        (1, "thing"),
        (2, "background"),
        (2, "left"),
        (2, "right"),
    }
    pixels = {"background": 0, "left": 0, "right": 0}
    names = ["background", "left", "right"]
    labels = [project / "fine_data" / f"{number:02d}_ids.png" for number in range(10)]
    shares = np.zeros(3)
    for path in labels:
        counts = np.bincount(np.asarray(Image.open(path)).ravel(), minlength=256)
        shares += counts[:3] / counts.sum()
    # Both sets resolve depth 2 for the background, the coarse one nothing else.
    masks = [np.asarray(Image.open(path)) for path in (project / "coarse_data/masks").glob("*")]
    listed = (project / "coarse_data/train.txt").read_text().split()
    masks = [np.asarray(Image.open(project / f"coarse_data/masks/{name}.png")) for name in listed]
    coarse = np.mean([(mask[..., 0] == 0).mean() for mask in masks])
    pixels = dict(zip(names, (shares / 10 / 2).tolist(), strict=True))
    pixels["background"] += float(coarse) / 2
    whole = sum(pixels.values())
    for name in names:
        assert by_set[2, name]["share"] == pytest.approx(pixels[name] / whole)
    factors = {name: by_set[2, name]["factor"] for name in names}
    assert sum(factors[name] * pixels[name] / whole for name in names) == pytest.approx(1)
    ratio = factors["left"] / factors["background"]
    assert ratio == pytest.approx((pixels["background"] / pixels["left"]) ** 0.5)
    values = tiny_values(project, project / "own")
    own = loss_for(values | {"loss": {"balance": "sqrt"}})
    codes, logits = torch.tensor([[[1, 0]]]), torch.zeros(1, 3, 1, 2)
    assert own.terms(logits, codes).total.item() == pytest.approx(
        sum(
            by_set[1, one]["factor"] * np.log(3 / size) + by_set[2, leaf]["factor"] * np.log(3)
            for one, size, leaf in (("thing", 2, "left"), ("background", 1, "background"))
        )
    )


def test_labels_are_counted_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ["loss.balance=sqrt", "train.steps=1"]
    train(tiny_config(project, project / "one", *overrides), name="tiny")
    kept = sorted((project / "cache").glob("*.counts"))
    assert len(kept) == 2
    monkeypatch.setattr("harmonize.data.label_counts._count", None)
    run = train(tiny_config(project, project / "two", *overrides), name="tiny")
    one, two = ((project / name / "balance.json").read_text() for name in ("one", run.name))
    assert one == two


def test_counts_of_a_step_make_means() -> None:
    counts = StepCounts(torch.tensor([100, 0, 300]), torch.tensor([1, 1, 2]))
    assert counts.scale("batch").item() == pytest.approx(1 / 400)
    assert counts.scale("dataset").tolist() == pytest.approx([1 / 400, 1 / 4, 1 / 600])


def test_coarse_to_fine_is_hand_counted() -> None:
    assert coarse_to_fine(1, 0.0).tolist() == [1]
    assert coarse_to_fine(3, 0.0).tolist() == [1, 0, 0]
    assert coarse_to_fine(3, 0.125).tolist() == [1, 0.5, 0]
    assert coarse_to_fine(3, 0.25).tolist() == [1, 1, 0]
    assert coarse_to_fine(3, 0.375).tolist() == [1, 1, 0.5]
    assert coarse_to_fine(3, 0.5).tolist() == coarse_to_fine(3, 1.0).tolist() == [1, 1, 1]


def test_uncertainty_divides_depths_by_their_running_loss() -> None:
    config = LossConfig(depth_schedule="uncertainty")
    loss = HierarchicalLoss(TargetSpace(Ontology("a\n\tb\n\t\tc\n\t\td\ne\n", name="deep"), []))
    weighting = DepthWeighting(config, LossPart(loss), 10, Accelerator(cpu=True))
    assert weighting.factors().tolist() == [1, 1, 1]
    weighting.restore(
        {"means": torch.tensor([0.04, 0.02, 0.0]).double(), "looks": torch.tensor([1.0, 1.0, 0.0])}
    )
    assert weighting.factors().tolist() == pytest.approx([2 / 3, 4 / 3, 1])


def test_gradient_squares_are_those_of_each_depth_alone(project: Path) -> None:
    loss = loss_for(tiny_values(project, project / "own"))
    logits, codes = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    assert isinstance(loss, HierarchicalLoss)
    found = loss.gradient_squares(logits, codes)
    space = loss._space
    for depth, value in enumerate(found.tolist()):
        chosen = tuple(float(d == depth) for d in range(2))
        alone = HierarchicalLoss(space, depth_weights=chosen)
        copy = logits.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(alone.terms(copy, codes).loss, copy)
        assert value == pytest.approx(gradient.square().sum().item(), rel=1e-5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("loss.tversky=[0,0]", "loss.tversky: one of the weights must be above 0"),
        ("loss.hardest=0", "loss.hardest: expected a number above 0"),
        ("loss.balance_cap=0.5", "loss.balance_cap: expected a number at least 1"),
        ("loss.smoothing=1", "loss.smoothing: expected a number at least 0 and at most 0.9"),
        ("loss.balance=root", "loss.balance: expected one of none, sqrt"),
    ],
)
def test_what_the_loss_cannot_be_is_refused(project: Path, override: str, message: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        tiny_config(project, project / "run", override)
    assert message in str(caught.value)
