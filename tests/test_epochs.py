"""How many steps an epoch is, by hand."""

from pathlib import Path

import pytest

from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document
from harmonize.data.open_datasets import open_trained
from harmonize.labels.sources import load_sources
from harmonize.pipeline.preflight import check_run
from harmonize.pipeline.train import train
from harmonize.runs.checkpoint import load
from harmonize.runs.checkpoints import step_path
from harmonize.training.epochs import with_steps
from tiny import tiny_config, tiny_values, write_project


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def config(project: Path, *overrides: str) -> RunConfig:
    values = tiny_values(project, project / "run")
    assert isinstance(values["train"], dict)
    del values["train"]["steps"]
    return RunConfig.from_document(Document("tiny", values), overrides)


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        (["train.epochs=1"], 5),  # 10 of fine, 10 of coarse with them, 4 at a time
        (["train.epochs=1.01"], 6),
        (["train.epochs=3", "data.batch_size=10"], 6),
        (["train.epochs=1", "train.epochs_of=coarse"], 4),  # 8 and 8
        (["train.epochs=1", "datasets.1.weight=3"], 10),
        (["train.epochs=1", "datasets.1.weight=3", "train.epochs_of=coarse"], 3),  # 8 and 2.67
        (["train.epochs=1", "datasets.0.take=0.5"], 4),  # coarse is the largest now
        (["train.epochs=0.01"], 1),
        (["train.epochs=3", "datasets.0.weight=0.1", "datasets.1.weight=0.2"], 23),
        (["train.epochs=2", "datasets.0.weight=0.1", "datasets.1.weight=0.2"], 15),  # no 15.000..1
        (["train.steps=7"], 7),
    ],
)
def test_epochs_are_counted_in_pictures_of_one_set(
    project: Path, overrides: list[str], steps: int
) -> None:
    run = config(project, *overrides)
    sources = load_sources(run)
    found = with_steps(run, sources, open_trained(sources, run))
    assert found.train.steps == steps
    assert (found.train.epochs, found.train.epochs_of) == (None, None)


def test_a_run_of_epochs_is_written_and_resumed_with_its_steps(project: Path) -> None:
    run = train(config(project, "train.epochs=1", "train.checkpoint_every=3"), name="x")
    written = RunConfig.from_file(run / "config.yaml")
    assert (written.train.steps, written.train.epochs) == (5, None)
    step_path(run, 5).unlink()
    train(config(project, "train.epochs=1", "train.resume=true"), name="x")
    assert load(step_path(run, 5)).run_config().train.steps == 5
    with pytest.raises(HarmonizeError, match=r"made with another train\.steps"):
        train(config(project, "train.epochs=2", "train.resume=true"), name="x")


def test_a_set_that_is_not_trained_on_has_no_epochs(project: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"epochs_of: no data set 'fin' is .*mean fine\?"):
        check_run(config(project, "train.epochs=1", "train.epochs_of=fin"))
    changes = ["train.epochs=1", "train.epochs_of=coarse", "datasets.1.train=null"]
    with pytest.raises(HarmonizeError, match="no data set 'coarse' is trained on"):
        check_run(config(project, *changes))


def test_a_run_of_epochs_that_ends_before_unfreezing_is_refused(project: Path) -> None:
    run = config(project, "train.epochs=1", "model.freeze=1", "train.unfreeze_at=5")
    sources = load_sources(run)
    with pytest.raises(HarmonizeError, match="unfreeze_at: never comes in a run of 5 steps; give"):
        with_steps(run, sources, open_trained(sources, run))


def test_a_config_of_epochs_is_written_without_steps(project: Path) -> None:
    run = config(project, "train.epochs=1.5")
    assert "steps" not in run.to_dict()["train"]  # type: ignore[operator]
    assert RunConfig.from_document(Document("again", run.to_dict())) == run
    given = tiny_config(project, project / "run").to_dict()["train"]
    assert given["steps"] == 6  # type: ignore[index, call-overload]
