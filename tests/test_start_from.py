"""Runs that begin as another run's network, on the same tree or a changed one."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harmonize import cli
from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError
from harmonize.pipeline.train import train
from harmonize.runs.checkpoint import load
from harmonize.runs.checkpoints import newest
from harmonize.runs.opened import open_run
from harmonize.training.trainer import Trainer
from tiny import tiny_config, write_project

GROWN = "background\nthing\n\tleft\n\t\tupper\n\t\tlower\n\tright\n"


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project in which the config is trained as ``first``; leave it as it is."""
    project = write_project(tmp_path_factory.mktemp("begun"))
    train(tiny_config(project, project / "first"), name="tiny")
    return project


@pytest.fixture
def project(begun: Path, tmp_path: Path) -> Path:
    """Return a copy of that project, whose pictures lie in the original."""
    return shutil.copytree(begun, tmp_path / "project")


def grown(project: Path, output: str, start: Path, *overrides: str) -> RunConfig:
    """Return a config whose tree has one leaf split into two."""
    folder = project / "grown"
    folder.mkdir(exist_ok=True)
    (folder / "tiny.txt").write_text(GROWN)
    changes = (f"ontology={folder / 'tiny.txt'}", f"train.start_from={start}", *overrides)
    return tiny_config(project, project / output, "augment.flip=0", *changes)


def at_start(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> Trainer:
    """Return a run's trainer as it is before its first step."""
    seen: list[Trainer] = []

    def note(trainer: Trainer) -> None:
        seen.append(trainer)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "run", note)
        with pytest.raises(KeyboardInterrupt):
            train(config, name="tiny")
    return seen[0]


@pytest.mark.parametrize("extra", [(), ("train.ema=0.9",)])
def test_a_run_begins_with_every_old_group_as_probable_as_it_was(
    extra: tuple[str, ...], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project / "first"
    if extra:
        first = train(tiny_config(project, project / "averaged", *extra), name="tiny")
    trainer = at_start(grown(project, "second", first, *extra), monkeypatch)
    network, pictures = trainer.learner.network.eval(), torch.rand(2, 3, 20, 24) * 255
    with torch.no_grad():
        before = open_run(first).network()(pictures).softmax(1)
        after = network(pictures).softmax(1)
        merged = torch.stack([after[:, 0], after[:, 1:3].sum(1), after[:, 3]], 1)
        assert (merged - before).abs().max() < 1e-6
        assert before.std() > 1e-3
        if trainer.learner.average is not None:
            with trainer.learner.average.in_network():
                assert torch.equal(network(pictures).softmax(1), after)


def test_the_first_step_sets_leaves_apart_that_begin_alike_and_nothing_else(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In front of leaves with equal weights no layer learns what tells them apart.
    trainers = [
        at_start(grown(project, f"second-{n}", project / "first", f"seed={seed}"), monkeypatch)
        for n, seed in enumerate((1, 1, 2))
    ]
    found: list[Tensor] = []
    for trainer in trainers:
        learner = trainer.learner
        before = {name: tensor.clone() for name, tensor in learner.network.state_dict().items()}
        learner.begin(1)
        assert all(torch.equal(before[name], t) for name, t in learner.network.state_dict().items())
        learner.begin(0)
        after = learner.network.state_dict()
        (changed,) = (name for name in before if not torch.equal(before[name], after[name]))
        rows, apart = before[changed], after[changed]
        assert changed.endswith("weight")
        assert torch.equal(rows[1], rows[2])
        assert torch.equal(rows[[0, 3]], apart[[0, 3]])
        assert torch.allclose(apart[1:3].mean(0), rows[1], atol=1e-6)
        assert (apart[1] - apart[2]).std() > 0.5 * rows.std()
        found.append(apart)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_the_run_says_and_keeps_what_became_of_each_leaf(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = project / "first"
    second = train(grown(project, "second", first), name="tiny")
    said = capsys.readouterr().out
    assert f"starts from {first / 'checkpoints' / 'step-00000006.safetensors'}, step 6:\n" in said
    assert "  upper  split  one of 2 that left is split into\n" in said
    assert "  2 leaves kept as they were\n" in said
    third = train(grown(project, "third", second), name="tiny")
    assert "step 6: the leaves are the same" in capsys.readouterr().out
    kept = json.loads((third / "ancestry.json").read_text())
    assert [one["run"] for one in kept["ancestors"]] == [str(second), str(first)]
    assert kept["ancestors"][1]["ontology"] == (project / "tiny.txt").read_text()
    assert [leaf["kind"] for leaf in kept["leaves"]] == ["kept"] * 4
    (project / "later.txt").write_text("person\nthing\n@was person background\n")
    for since in (first, project / "tiny.txt"):
        assert cli.main(["tree", str(project / "later.txt"), "--since", str(since)]) == 0
        assert capsys.readouterr().out.splitlines() == [
            "person  renamed  from background",
            "thing   merged   from left, right",
            "0 leaves kept as they were",
        ]
    assert load(newest(third) or third).run_config().train.start_from == str(second)


def weights(run: Path) -> dict[str, Tensor]:
    path = newest(run)
    assert path is not None
    return load(path).model


def test_resuming_goes_on_from_the_own_checkpoint_or_begins_as_the_other_run(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = project / "first"
    whole = train(grown(project, "whole", first), name="tiny")
    # Interrupted before its first checkpoint.
    at_start(grown(project, "early", first), monkeypatch)
    again = grown(project, "early", first, "train.resume=true")
    early = train(again, name="tiny")
    (whole / "checkpoints" / "step-00000006.safetensors").unlink()
    for path in (whole / "checkpoints").glob("best*"):
        path.unlink()
    late = train(grown(project, "whole", first, "train.resume=true"), name="tiny")
    found = [weights(run) for run in (early, late)]
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_a_run_interrupted_before_its_first_checkpoint_keeps_its_pretrained_weights(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = pytest.importorskip("timm")
    pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(1)
    torch.save(timm.create_model("resnet10t").state_dict(), project / "resnet.pth")
    network = ("model.encoder=resnet10t", f"model.weights={project / 'resnet.pth'}")
    changes = (*network, "model.width=null", "model.norm=batch", "data.size=32")
    fresh = at_start(tiny_config(project, project / "a", *changes), monkeypatch).learner.network
    resumed = tiny_config(project, project / "a", *changes, "train.resume=true")
    network = at_start(resumed, monkeypatch).learner.network
    one, other = fresh.state_dict(), network.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def edit_width(_: Path) -> tuple[str, ...]:
    return ("model.width=16",)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda _: ("train.start_from=nowhere",),
            r"^train\.start_from: nowhere: no such run folder$",
        ),
        (
            edit_width,
            r"^train\.start_from: .*safetensors: belongs to another network: network\.\S+ is \(8,"
            r".*\) there and \(16, .*\) here; write model: as .*first/config\.yaml has it$",
        ),
    ],
)
def test_what_cannot_be_begun_is_told_before_anything_is_made(
    change: Callable[[Path], tuple[str, ...]], expected: str, project: Path
) -> None:
    first = project / "first"
    with pytest.raises(HarmonizeError) as caught:
        train(grown(project, "second", first, *change(project)), name="tiny")
    assert any(re.search(expected, line) for line in caught.value.problems), caught.value.problems
    assert not (project / "second").exists()


def test_statistics_for_each_data_set_need_the_same_sets(project: Path) -> None:
    norms = ("model.norm=batch_per_dataset",)
    first = train(tiny_config(project, project / "norms", *norms), name="tiny")
    other = (f"datasets.0.spec={project}/coarse.yaml", f"datasets.1.spec={project}/fine.yaml")
    config = grown(project, "second", first, *norms, *other)
    with pytest.raises(HarmonizeError, match=r"has batch norms of fine, coarse, not of coarse, f"):
        train(config, name="tiny")
    train(grown(project, "third", first, *norms), name="tiny")


def test_a_network_from_python_is_begun_as_on_the_same_leaves_only(project: Path) -> None:
    def network(leaves: int) -> torch.nn.Module:
        return torch.nn.Conv2d(3, leaves, 3, padding=1)

    plain = ("model.width=null", "model.norm=batch")
    config = tiny_config(project, project / "python", *plain)
    first = train(config, name="tiny", model=network(3))
    same = tiny_config(project, project / "same", *plain, f"train.start_from={first}")
    train(same, name="tiny", model=network(3))
    with pytest.raises(HarmonizeError, match=r"start_from: the network was passed from Python"):
        train(grown(project, "second", first, *plain), name="tiny", model=network(4))
