"""Labels completed during a run: exact over processes, resumable, and inside what they say."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

import scenarios
from arithmetic import rounded
from group import run_group
from harmonize import HarmonizeError
from harmonize.cli import main
from harmonize.data.open_datasets import open_trained
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.sources import load_sources
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.pipeline.train import train
from harmonize.training.trainer import Trainer
from run_files import largest_difference, metrics, weights
from test_finetuning import until
from tiny import tiny_config, write_project

COMPLETE = (
    "train.complete={from: 0.5, confidence: 0.4, every: 2}",
    "train.ema=0.5",
    "augment.color=0.3",
    "augment.cutout=2",
    "augment.paste=0.5",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_a_run_that_completes_labels_resumes_bit_for_bit(project: Path) -> None:
    overrides = [*COMPLETE, "train.steps=8", "train.checkpoint_every=5", "train.log_every=1"]
    run = train(tiny_config(project, project / "run", *overrides), name="tiny")
    cut = project / "cut"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", until(6))
        with pytest.raises(KeyError):
            train(tiny_config(project, cut, *overrides), name="tiny")
    train(tiny_config(project, cut, *overrides, "train.resume=true"), name="tiny")
    assert largest_difference(weights(run, 8), weights(cut, 8)) == 0
    assert metrics(cut) == metrics(run)
    shares = [line.get("completed") for line in metrics(run) if line["event"] == "train"]
    assert shares[:4] == [None] * 4
    assert all(isinstance(share, float) and 0 < share <= 1 for share in shares[4:])


def test_any_processes_and_parts_give_the_gradient_of_one(project: Path) -> None:
    options = ("train.complete={from: 0.0, confidence: 0.34}", "augment.color=0.3")
    [alone] = [ended.found for ended in run_group(1, scenarios.step, project, 1, *options)]
    gradient = torch.tensor(alone["gradient"], dtype=torch.float64)
    pixels = 16 * 16 * 16
    for number, parts in ((1, 2), (2, 1), (4, 2)):
        for ended in run_group(number, scenarios.step, project, parts, *options):
            other = torch.tensor(ended.found["gradient"], dtype=torch.float64)
            assert (other - gradient).norm() <= rounded(pixels) * gradient.norm()
            assert ended.found["loss"] == pytest.approx(alone["loss"], rel=rounded(pixels))


def test_with_confidence_1_the_run_is_what_it_was(project: Path) -> None:
    plain = train(tiny_config(project, project / "plain"), name="tiny")
    never = tiny_config(project, project / "never", "train.complete={from: 0.0, confidence: 1.0}")
    run = train(never, name="tiny")
    assert largest_difference(weights(plain, 6), weights(run, 6)) == 0
    assert [line["completed"] for line in metrics(run) if line["event"] == "train"] == [0.0] * 3


def trainer(project: Path, *overrides: str) -> Trainer:
    config = tiny_config(project, project / "own", "data.batch_size=8", *overrides)
    sources = load_sources(config)
    (project / "own").mkdir(exist_ok=True)
    accelerator = Accelerator(mixed_precision="no", cpu=True)
    trained = open_trained(sources, config)
    return Trainer(config, sources, trained, [], project / "own", accelerator)


@pytest.mark.parametrize(
    ("also", "kept"), [("augment.paste=0.5", "augment.paste=0.5"), ("augment.cutout=2", "seed=0")]
)
def test_the_teacher_sees_the_picture_before_it_is_changed(
    project: Path, also: str, kept: str
) -> None:
    """Same crop, flip and pasted class; colours as they were, nothing cut out."""
    plain = next(iter(trainer(project, "augment.color=0.3", also).batches.from_step(0)))
    assert plain.plain is None
    made = trainer(project, "augment.color=0.3", also, "train.complete={from: 0.0}")
    batch = next(iter(made.batches.from_step(0)))
    wanted = next(iter(trainer(project, "augment.color=0", kept).batches.from_step(0)))
    assert batch.plain is not None
    assert torch.equal(batch.plain, wanted.pictures)
    assert not torch.equal(batch.plain, batch.pictures)


def test_void_stays_void_and_leaves_stay_what_they_are(project: Path) -> None:
    made = trainer(project, "train.complete={from: 0.0, confidence: 0.34}")
    made.completing.begin(0)
    batch = next(iter(made.batches.from_step(0)))
    done = made.completing.complete(batch)
    space = made.sources.space
    thing = space.code("thing")
    changed = done.codes != batch.codes
    assert changed.any()
    assert (batch.codes[changed] == thing).all()
    assert set(done.codes[changed].unique().tolist()) <= {1, 2}
    assert done.levels is not None
    assert (done.levels[~changed] == 20).all()
    assert ((done.levels[changed] > 6) & (done.levels[changed] <= 20)).all()
    assert done.plain is None


def test_levels_weigh_pixels(project: Path) -> None:
    space = load_sources(tiny_config(project, "x")).space
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(2, 3, 4, 5)), dtype=torch.float32)
    codes = torch.tensor(rng.integers(0, space.num_codes, size=(2, 4, 5)))
    levels = torch.tensor(rng.integers(1, 21, size=(2, 4, 5)), dtype=torch.uint8)
    datasets, scale = torch.tensor([0, 1]), torch.tensor([0.5, 2.0])
    for form in (None, False):
        loss = HierarchicalLoss(space, compile=form)
        alone = torch.zeros(2, 4, 5)
        for picture, row, column in np.ndindex(2, 4, 5):
            at = (slice(picture, picture + 1), slice(row, row + 1), slice(column, column + 1))
            pixel = logits[at[0], :, at[1], at[2]]
            alone[picture, row, column] = loss.terms(pixel, codes[at]).loss
        weighted = alone * levels / 20
        assert loss.terms(logits, codes, levels=levels).loss.item() == pytest.approx(
            weighted.sum().item(), rel=1e-5
        )
        both = loss.terms(logits, codes, levels=levels, scale=scale, datasets=datasets).loss
        wanted = (weighted.sum((1, 2)) * scale).sum().item()
        assert both.item() == pytest.approx(wanted, rel=1e-5)


def test_another_way_of_completing_is_another_run(project: Path) -> None:
    overrides = ["train.complete={confidence: 0.8}", "train.steps=3"]
    train(tiny_config(project, project / "run", *overrides), name="tiny")
    other = ["train.complete={confidence: 0.7}", "train.steps=3", "train.resume=true"]
    with pytest.raises(HarmonizeError, match=r"was made with another train\.complete"):
        train(tiny_config(project, project / "run", *other), name="tiny")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("{start: 0.5}", "train.complete.start: unknown key; choose from: from, confidence, every"),
        ("{from: 2}", "train.complete.from: expected a number at least 0 and at most 1, got 2"),
        ("{confidence: 0}", "train.complete.confidence: expected a number above 0 and at most 1"),
    ],
)
def test_wrong_keys_are_told(project: Path, given: str, problem: str) -> None:
    with pytest.raises(HarmonizeError) as error:
        tiny_config(project, "x", f"train.complete={given}")
    assert problem in str(error.value)


BARE = """
name: bare
picture: "{id}.png"
label: null
splits: {train: {list: train.txt}}
"""


@pytest.fixture
def bare(project: Path) -> Path:
    """The pictures of the coarse set, without labels."""
    (project / "bare.yaml").write_text(f"root: {project}/coarse_data\n{BARE}")
    return project


def test_pictures_without_labels_are_completed(bare: Path) -> None:
    overrides = [
        f"datasets.1.spec={bare / 'bare.yaml'}",
        "datasets.1.evaluate=null",
        "train.log_every=1",
        "loss.balance=sqrt",
        "loss.dice=0.5",
    ]
    complete = "train.complete={from: 0.5, confidence: 0.34}"
    run = train(tiny_config(bare, bare / "run", complete, *overrides), name="tiny")
    lines = [line for line in metrics(run) if line["event"] == "train"]
    assert [line.get("completed") for line in lines[:3]] == [None] * 3
    assert all(line["completed"] > 0.5 for line in lines[3:])  # type: ignore[operator]
    made = trainer(bare, complete.replace("0.5", "0.0"), *overrides[:2])
    space, batch = made.sources.space, next(iter(made.batches.from_step(0)))
    assert space.unlabelled is not None
    alone = batch.codes[batch.datasets == 1]
    assert (alone == space.unlabelled).all()
    # Until it is completed it counts as void: neither in the mean nor in the gradient.
    logits = torch.randn(1, 3, 16, 16, requires_grad=True)
    loss = made.loss.terms(logits, alone[:1])
    loss.loss.backward()
    assert loss.labelled.tolist() == [0]
    assert logits.grad is not None
    assert not logits.grad.any()
    made.completing.begin(0)
    done = made.completing.complete(batch)
    names = {space.name(code) for code in done.codes[done.datasets == 1].unique().tolist()}
    assert names <= {"background", "thing", "left", "right", "background + thing"}
    assert "background" in names or "thing" in names


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (
            (),
            "bare has no labels, so it teaches nothing; say train.complete=",
        ),
        (("datasets.1.evaluate=train",), "bare has no labels to score; remove its `evaluate`"),
        (
            ("datasets.0.train=null", "train.complete={}"),
            "datasets: no set that is trained on has labels; add one that has",
        ),
    ],
)
def test_pictures_without_labels_need_a_teacher(
    bare: Path, overrides: tuple[str, ...], problem: str
) -> None:
    config = tiny_config(
        bare, "x", f"datasets.1.spec={bare / 'bare.yaml'}", "datasets.1.evaluate=null", *overrides
    )
    with pytest.raises(HarmonizeError) as error:
        load_sources(config)
    assert problem in str(error.value)


def test_a_mapping_without_labels_says_nothing_of_classes(bare: Path) -> None:
    text = (bare / "bare.yaml").read_text()
    (bare / "bare.yaml").write_text(f"{text}encoding: ids\nclasses: {{a: 1}}\n")
    with pytest.raises(HarmonizeError) as error:
        DatasetSpec.from_file(bare / "bare.yaml")
    assert [problem.rpartition("/")[2] for problem in error.value.problems] == [
        "bare.yaml:7:1: encoding: there are no labels (label: null); remove the key",
        "bare.yaml:8:1: classes: there are no labels (label: null); remove the key",
    ]
    (bare / "bare.yaml").write_text(text.replace("label: null", 'label: "{id}.png"'))
    with pytest.raises(HarmonizeError, match="the key 'encoding' is missing; add it"):
        DatasetSpec.from_file(bare / "bare.yaml")


def test_refine_labels_pictures_without_labels(bare: Path) -> None:
    run = train(
        tiny_config(bare, bare / "run", "train.steps=60", "optim.lr=0.3", "model.norm=batch"),
        name="tiny",
    )
    words = ["refine", str(run), "--dataset", str(bare / "bare.yaml"), "--no-fit"]
    assert main([*words, "--confidence", "0.6", "-o", str(bare / "out")]) == 0
    spec = DatasetSpec.from_file(bare / "out" / "bare_refined.yaml")
    assert {"background", "thing"} & set(spec.classes)
    assert main(["check", str(bare / "tiny.txt"), str(bare / "bare.yaml")]) == 0
