"""Training with several trees: options of the loss by tree, interruption, processes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator

import scenarios
from group import run_group
from harmonize import HierarchicalLoss
from harmonize.data.label_counts import LabelCounts
from harmonize.data.open_datasets import open_trained
from harmonize.data.shares import pixels_of_codes
from harmonize.labels.sources import Sources, load_sources
from harmonize.loss.balance import balance_weights
from harmonize.loss.build_loss import build_losses, pixels_of_trees
from harmonize.loss.several import SeveralLosses, parts_of
from harmonize.pipeline.train import train
from harmonize.training.trainer import Trainer
from run_files import largest_difference, metrics, weights
from test_finetuning import until
from two_trees import two_trees_config, write_two_trees

COUNTS = [
    LabelCounts(np.array([[60, 20, 10, 10], [50, 50, 0, 0]])),  # background, left, right, void
    LabelCounts(np.array([[90, 10]])),  # background, thing
]
STEPS = ("train.steps=4", "train.checkpoint_every=2", "model.width=8", "data.batch_size=4")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_two_trees(tmp_path_factory.mktemp("trees"))


def some_batch(sources: Sources) -> tuple[torch.Tensor, torch.Tensor]:
    """Return logits and codes of a picture of each set."""
    rng = np.random.default_rng(3)
    sets = {"fine": rng.integers(0, 4, (5, 5)), "coarse": rng.integers(0, 2, (5, 5))}
    codes = [sources.space.class_codes(name)[classes] for name, classes in sets.items()]
    return torch.randn(2, 6, 5, 5), torch.from_numpy(np.stack(codes))


def test_the_pixels_of_each_trees_codes_are_those_of_its_own_sets(project: Path) -> None:
    sources = load_sources(two_trees_config(project), several=True)
    shares = np.array([0.25, 0.75])
    scene, material = pixels_of_trees(sources, pixels_of_codes(sources, COUNTS, shares))
    assert scene is not None
    assert material is not None
    # tiny: background 0.25 x 0.55 + 0.75 x 0.9, left, right, thing
    assert scene[:4].tolist() == pytest.approx([0.8125, 0.0875, 0.0125, 0.075])
    its = sources.of_trees[1][1]
    assert material[its.space.code("soft")] == pytest.approx(0.25 * 0.55)
    assert material[its.space.code(["stone", "metal"])] == pytest.approx(0.25 * 0.05)
    assert material.sum() == pytest.approx(0.15)


def test_options_of_the_loss_are_each_trees_own(project: Path) -> None:
    config = two_trees_config(
        project, "loss.balance=sqrt", "loss.dice=0.5", "loss.depth_weights={tiny: [1, 0.25]}"
    )
    sources = load_sources(config, several=True)
    pixels = pixels_of_codes(sources, COUNTS, np.array([0.5, 0.5]))
    loss = build_losses(sources, config.loss, pixels)
    assert isinstance(loss, SeveralLosses)
    logits, codes = some_batch(sources)
    expected = torch.zeros(())
    depth_weights = [(1.0, 0.25), None]
    for part, (span, its), its_pixels, its_weights in zip(
        loss.parts, sources.of_trees, pixels_of_trees(sources, pixels), depth_weights, strict=True
    ):
        assert its_pixels is not None
        balance = balance_weights(its.space, its_pixels, by="sqrt", cap=8.0)
        assert len(np.unique(balance)) > 1
        alone = HierarchicalLoss(its.space, depth_weights=its_weights, balance=balance, dice=0.5)
        expected = expected + alone(logits[:, span], part.own(codes))
    assert loss(logits, codes).item() == pytest.approx(expected.item(), rel=1e-6)


def test_labels_are_coarsened_in_the_trees_that_are_named(project: Path) -> None:
    config = two_trees_config(project, "datasets.0.max_depth={tiny: 1}")
    sources = load_sources(config, several=True)
    (_, scene), (_, material) = sources.of_trees
    names = [scene.space.name(code) for code in scene.space.class_codes("fine").tolist()]
    assert names == ["background", "thing", "thing", "ignore"]
    names = [material.space.name(code) for code in material.space.class_codes("fine").tolist()]
    assert names == ["soft", "ignore", "hard", "ignore"]
    joined = [sources.space.name(code) for code in sources.space.class_codes("fine").tolist()]
    assert joined == ["background + soft", "thing", "thing + hard", "ignore"]


@pytest.mark.parametrize("schedule", ["uncertainty", "gradient"])
def test_an_interrupted_run_is_the_run_that_was_not_bit_for_bit(
    project: Path, schedule: str
) -> None:
    options = ["loss.balance=sqrt", "loss.dice=0.5", f"loss.depth_schedule={schedule}"]
    options += [*STEPS, "loss.ontology_weights=[1,0.5]"]
    if schedule == "gradient":
        options += ["train.complete={from: 0.25, confidence: 0.4, every: 2}", "augment.color=0.3"]
    run = train(two_trees_config(project, *options, output=f"whole-{schedule}"), name="x")
    cut = f"cut-{schedule}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "train_step", until(3))
        with pytest.raises(KeyError):
            train(two_trees_config(project, *options, output=cut), name="x")
    train(two_trees_config(project, *options, "train.resume=true", output=cut), name="x")
    assert largest_difference(weights(run, 4), weights(project / cut, 4)) == 0
    assert metrics(project / cut) == metrics(run)
    lines = [line for line in metrics(run) if line["event"] == "train"]
    factors = [line["depth_factors"] for line in lines]
    assert all(isinstance(its, list) and len(its) == 4 for its in factors)
    assert len(set(factors[-1])) > 2  # type: ignore[arg-type]  # other ones in either tree


UNLABELLED = """
name: bare
picture: "{id}.png"
label: null
splits: {train: {list: train.txt}}
"""
STONES = "{meaning.material: {background: soft, left: stone, right: hard, void: ignore}}"


def test_labels_are_completed_in_each_tree_by_itself(project: Path) -> None:
    (project / "bare.yaml").write_text(f"root: {project}/coarse_data\n{UNLABELLED}")
    config = two_trees_config(
        project,
        f"datasets.0.override={STONES}",
        f"evaluate_also=[{{spec: {project}/coarse.yaml, evaluate: val}}]",
        f"datasets.1.spec={project}/bare.yaml",
        "datasets.1.evaluate=null",
        "train.complete={from: 0.0, confidence: 0.3}",
        "data.batch_size=8",
        output="completing",
    )
    sources = load_sources(config, several=True)
    (project / "completing").mkdir()
    accelerator = Accelerator(mixed_precision="no", cpu=True)
    trained = open_trained(sources, config)
    made = Trainer(config, sources, trained, [], project / "completing", accelerator)
    batch = next(iter(made.batches.from_step(0)))
    made.completing.begin(0)
    done = made.completing.complete(batch)
    assert done.codes.shape == (8, 2, 16, 16)
    fine, bare = done.datasets == 0, done.datasets == 1
    for part, (_, its), own in zip(
        parts_of(made.loss), sources.of_trees, done.codes.unbind(1), strict=True
    ):
        before, names = part.own(batch.codes), its.space.name
        changed = before != own
        was = {names(code) for code in before[fine][changed[fine]].unique().tolist()}
        now = {names(code) for code in own[fine][changed[fine]].unique().tolist()}
        if its.ontology.name == "tiny":  # its labels are leaves all
            assert not was
        else:
            assert was == {"hard"}
            assert now <= {"stone", "metal"}
        assert changed[bare].any()
        nodes = {names(code) for code in own[bare].unique().tolist()}
        assert nodes <= {*its.ontology.nodes, " + ".join(its.ontology.describe(np.ones(3, bool)))}
        assert done.levels is not None
        assert (done.levels[:, part.number][~changed] == 20).all()
    terms = made.loss.terms(torch.zeros(8, 6, 16, 16), done.codes, levels=done.levels)
    either = [torch.stack([p.own(done.codes) != 255 for p in parts_of(made.loss)]).any(0)]
    assert (terms.labelled[fine] == either[0][fine].flatten(1).sum(1)).all()
    parts = made.batches.take(iter([batch]), made.loss, made.completing.complete)
    assert parts[1].labelled.shape == (2, 2)


def test_two_processes_train_as_one_does(project: Path) -> None:
    for number in (1, 2):
        run_group(number, scenarios.train_trees, project, f"by-{number}", STEPS)
    one, two = weights(project / "by-1", 4), weights(project / "by-2", 4)
    assert largest_difference(one, two) <= 1e-6
    assert largest_difference(one, weights(project / "by-1", 2)) > 1e-4
