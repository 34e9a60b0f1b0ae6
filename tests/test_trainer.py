"""Training from config to tables, in one process and in two."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from arithmetic import ORDER_OF_SUMS
from group import TIMEOUT, run_script
from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dump
from harmonize.evaluation.saved_scores import DETAILS
from harmonize.pipeline.train import train
from run_files import largest_difference, metrics, weights
from tiny import tiny_config, tiny_values, write_project

REPO = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def test_a_run_leaves_everything_the_design_names(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ("train.evaluate_every=3", "train.report=true")
    config = tiny_config(project, project / "run", *overrides)
    run = train(config, name="tiny")
    printed = capsys.readouterr().out
    assert "fine, val: 5 pictures" in printed
    assert f"The run lies in {run}" in printed
    assert {path.name for path in run.iterdir()} == {
        "calibration.json",
        "evaluation.pictures.npz",
        "checkpoints",
        "config.yaml",
        "evaluation.json",
        "metrics.jsonl",
        "pictures",
        "report.html",
    }
    scored = json.loads((run / "evaluation.json").read_text())["datasets"]
    assert list(scored) == ["fine", "coarse"]
    assert list(scored["fine"]["iou"]) == ["background", "left", "right"]
    lines = metrics(run)
    assert [(line["event"], line["step"]) for line in lines] == [
        ("train", 2),
        ("evaluation", 3),
        ("train", 4),
        ("train", 6),
        ("evaluation", 6),
    ]
    details = set(DETAILS)
    logged = lines[-1]["datasets"]
    assert logged == {
        name: {key: value for key, value in one.items() if key not in details}
        for name, one in scored.items()
    }
    assert all(details <= one.keys() for one in scored.values())
    first = lines[0]
    assert isinstance(first["loss_by_depth"], list)
    assert len(first["loss_by_depth"]) == 2
    assert isinstance(first["datasets"], dict)
    assert set(first["datasets"]) == {"fine", "coarse"}
    # A label of `thing` says nothing below depth 1, but `background` is a leaf of both sets.
    assert first["datasets"]["coarse"]["loss_by_depth"][1] is not None
    names = {path.name for path in (run / "checkpoints").iterdir()}
    assert names == {
        "best.safetensors",
        "step-00000003.safetensors",
        "step-00000006.safetensors",
    }


def test_the_same_config_and_seed_give_the_same_weights(project: Path) -> None:
    one = train(tiny_config(project, project / "one"), name="tiny")
    two = train(tiny_config(project, project / "two", "data.workers=2"), name="tiny")
    other = train(tiny_config(project, project / "other", "seed=1"), name="tiny")
    assert largest_difference(weights(one, 6), weights(two, 6)) == 0
    assert largest_difference(weights(one, 6), weights(other, 6)) > 1e-3


def test_accumulation_gives_the_same_mathematics(project: Path) -> None:
    whole = train(tiny_config(project, project / "whole"), name="tiny")
    parts = train(tiny_config(project, project / "parts", "train.accumulate=3"), name="tiny")
    assert largest_difference(weights(whole, 6), weights(parts, 6)) < ORDER_OF_SUMS
    before, after = metrics(whole)[0]["loss"], metrics(parts)[0]["loss"]
    assert before == pytest.approx(after, rel=ORDER_OF_SUMS)


def test_deterministic_changes_nothing_on_a_cpu(project: Path) -> None:
    one = train(tiny_config(project, project / "one"), name="tiny")
    two = train(tiny_config(project, project / "two", "train.deterministic=true"), name="tiny")
    assert largest_difference(weights(one, 6), weights(two, 6)) == 0
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_network_that_cannot_be_built_leaves_no_run_folder(project: Path) -> None:
    for wrong in ("model.name=unett", "loss.depth_weights=[1]", "model.width=12"):
        with pytest.raises(HarmonizeError):
            train(tiny_config(project, project / "run", wrong), name="tiny")
    assert not (project / "run").exists()


def test_an_output_that_exists_is_refused_with_both_ways_on(project: Path) -> None:
    (project / "run").mkdir()
    with pytest.raises(HarmonizeError, match=r"train\.resume=true, or choose another name"):
        train(tiny_config(project, project / "run"), name="tiny")


def test_run_folders_are_numbered(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    config = tiny_config(project, "x", "output=null", "train.steps=1")
    assert train(config, name="tiny") == Path("runs/tiny")
    assert train(config, name="tiny") == Path("runs/tiny-2")


def test_a_bad_file_is_named_without_a_loaders_traceback(project: Path) -> None:
    (project / "fine_data" / "03.png").write_bytes(b"not a picture")
    config = tiny_config(project, project / "run", "data.workers=1")
    with pytest.raises(HarmonizeError, match=r"^\S*03\.png: not a readable picture") as caught:
        train(config, name="tiny")
    assert "Traceback" not in str(caught.value)


def test_a_batch_smaller_than_its_parts_is_refused(project: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"at least 5.*1 processes x 5 accumulation"):
        train(tiny_config(project, project / "run", "train.accumulate=5"), name="tiny")


def test_a_diverged_run_says_so(project: Path) -> None:
    config = tiny_config(project, project / "run", "optim.lr=1e6", "train.log_every=1")
    with pytest.raises(HarmonizeError, match=r"step \d+: the (loss|gradient) is not.*optim\.lr"):
        train(config, name="tiny")


def test_tensorboard_is_written_when_asked(project: Path) -> None:
    config = tiny_config(project, project / "run", "train.track=[tensorboard]", "train.steps=2")
    run = train(config, name="tiny")
    assert list(run.rglob("events.out.tfevents*"))


@pytest.mark.parametrize(("tracker", "message"), [("tensorbord", "did you mean"), ("aim", "pip")])
def test_a_tracker_that_cannot_be_is_refused(project: Path, tracker: str, message: str) -> None:
    config = tiny_config(project, project / "run", f"train.track=[{tracker}]")
    with pytest.raises(HarmonizeError, match=message):
        train(config, name="tiny")


def test_a_set_that_is_not_trained_on_is_scored(project: Path) -> None:
    values = tiny_values(project, project / "run")
    assert isinstance(values["datasets"], list)
    values["evaluate_also"] = [{"spec": str(project / "coarse.yaml"), "evaluate": "val"}]
    values["datasets"] = values["datasets"][:1]
    (project / "run.yaml").write_text(dump(values))
    run = train(RunConfig.from_file(project / "run.yaml"), name="tiny")
    scored = json.loads((run / "evaluation.json").read_text())["datasets"]
    assert list(scored) == ["fine", "coarse"]
    assert list(scored["coarse"]["iou"]) == ["background", "thing"]


def run_two_processes(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(REPO)}
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def same_files(one: Path, two: Path) -> None:
    """Make sure that two runs left the same files, and scores that are nearly the same."""
    kept = [
        {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
        for run in (one, two)
    ]
    assert kept[0] == kept[1]
    assert {"report.html", "calibration.json", "pictures/fine/000003/truth.png"} <= kept[0]
    scored = [json.loads((run / "evaluation.json").read_text())["datasets"] for run in (one, two)]
    for name in scored[0]:
        alone, together = scored[0][name], scored[1][name]
        assert alone["loss_by_depth"] == pytest.approx(together["loss_by_depth"], rel=1e-3)
        for mine, other in zip(alone["depths"], together["depths"], strict=True):
            assert mine["mean_iou"] == pytest.approx(other["mean_iou"], abs=0.01)


@pytest.mark.slow
def test_two_processes_reach_the_weights_and_scores_of_one(project: Path) -> None:
    values = tiny_values(project, project / "two")
    (project / "run.yaml").write_text(dump(values))
    script = str(REPO / "scripts" / "train_mixed.py")
    overrides = ["train.steps=20", "data.batch_size=6", "train.checkpoint_every=20"]
    overrides += ["train.digest=true", "train.report=true", "evaluate.pictures=2"]
    done = run_two_processes([script, "--config", "run.yaml", *overrides], project)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "2 x cpu" in done.stdout
    one = train(tiny_config(project, project / "one", *overrides), name="tiny")
    assert largest_difference(weights(one, 20), weights(project / "two", 20)) < ORDER_OF_SUMS
    alone, together = metrics(one), metrics(project / "two")
    for line, other in zip(alone, together, strict=True):
        if line["event"] == "train":
            assert isinstance(line["loss"], float)
            assert line["loss"] == pytest.approx(other["loss"], rel=ORDER_OF_SUMS)
            assert line["input"] == other["input"]
    same_files(one, project / "two")
    scored = run_script(REPO / "scripts" / "evaluate.py", project, "two", "--json", "two.json")
    assert [one.status for one in scored] == [0, 0], scored
    results = json.loads((project / "two.json").read_text())
    assert results == json.loads((project / "two" / "evaluation.json").read_text())
    assert not math.isnan(results["datasets"]["fine"]["mean_iou"])
