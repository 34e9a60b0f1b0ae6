"""Training from config to tables, in one process and in two."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from group import TIMEOUT, run_script
from PIL import Image
from safetensors.torch import load_file
from tiny import tiny_config, tiny_values, write_project

from harmonize import HarmonizeError
from harmonize.config.run_config import OptimConfig, RunConfig
from harmonize.config.strict_yaml import dump
from harmonize.data.samples import Batch
from harmonize.pipeline.train import train
from harmonize.runs import checkpoint, checkpoints
from harmonize.system.atomic_files import write_whole
from harmonize.training.optimizer import learning_rate
from harmonize.training.trainer import Trainer

REPO = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


def weights(run: Path, step: int) -> dict[str, torch.Tensor]:
    tensors = load_file(checkpoints.step_path(run, step))
    return {name: tensor.clone() for name, tensor in tensors.items() if name.startswith("model/")}


def metrics(run: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "pictures_per_second"} for line in lines]


def largest_difference(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    assert one.keys() == two.keys()
    return max((one[name].double() - two[name].double()).abs().max().item() for name in one)


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
    details = {"confusion", "worst", "best"}
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
    assert largest_difference(weights(whole, 6), weights(parts, 6)) < 1e-5
    before, after = metrics(whole)[0]["loss"], metrics(parts)[0]["loss"]
    assert before == pytest.approx(after, rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_resumed_run_equals_an_undisturbed_one(project: Path, optimizer: str) -> None:
    overrides = [f"optim.name={optimizer}", "optim.lr=0.01"]
    undisturbed = train(tiny_config(project, project / "run", *overrides), name="tiny")
    expected, expected_metrics = weights(undisturbed, 6), metrics(undisturbed)
    checkpoints.step_path(undisturbed, 6).unlink()
    (undisturbed / "evaluation.json").unlink()
    with (undisturbed / "metrics.jsonl").open("a") as file:
        file.write('{"event": "tra')  # as if interrupted while writing
    again = tiny_config(project, project / "run", *overrides, "train.resume=true")
    train(again, name="tiny")
    assert largest_difference(expected, weights(undisturbed, 6)) == 0
    assert metrics(undisturbed) == expected_metrics


def test_a_run_interrupted_between_saving_and_scoring_is_scored(project: Path) -> None:
    overrides = ["train.evaluate_every=3"]
    run = train(tiny_config(project, project / "run", *overrides), name="tiny")
    expected = metrics(run)
    best = (run / "checkpoints" / "best.safetensors").read_bytes()
    checkpoints.step_path(run, 6).unlink()
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["step"] < 3]
    (run / "metrics.jsonl").write_text("".join(kept))
    (run / "checkpoints" / "best.safetensors").unlink()
    train(tiny_config(project, project / "run", *overrides, "train.resume=true"), name="tiny")
    assert metrics(run) == expected
    assert (run / "checkpoints" / "best.safetensors").read_bytes() == best


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_after_the_step_and_the_run_goes_on_from_there(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    expected = train(tiny_config(project, project / "alone", "data.workers=1"), name="tiny")
    original = Trainer.train_step

    def interrupted(trainer: Trainer, batches: Iterator[Batch]) -> float:
        lr = original(trainer, batches)
        if trainer.step == 4:
            signal.raise_signal(number)
        return lr

    monkeypatch.setattr(Trainer, "train_step", interrupted)
    with pytest.raises(SystemExit) as exit_:
        train(tiny_config(project, project / "run", "data.workers=1"), name="tiny")
    assert exit_.value.code == 128 + number
    line = f"stopped by {number.name} after step 5; go on with train.resume=true output="
    assert line in capsys.readouterr().out
    monkeypatch.undo()
    run = train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert largest_difference(weights(expected, 6), weights(run, 6)) == 0
    assert metrics(run) == metrics(expected)


def fill_the_disk(monkeypatch: pytest.MonkeyPatch, *, failing: set[int]) -> None:
    """Have the checkpoints after some steps fail as on a full disk."""

    def write(path: Path, data: bytes) -> None:
        if any(path.name == checkpoints.step_path(path, step).name for step in failing):
            raise OSError(28, "No space left on device", str(path))
        write_whole(path, data)

    monkeypatch.setattr(checkpoint, "write_whole", write)


FULL = r"step-00000006\.saf.*: .* No space left on device; step-00000003\.saf.* stays; make room"


def test_a_full_disk_stops_a_run_which_can_then_go_on(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_the_disk(monkeypatch, failing={6})
    with pytest.raises(HarmonizeError, match=FULL):
        train(tiny_config(project, project / "run"), name="tiny")
    monkeypatch.undo()
    train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert (project / "run" / "evaluation.json").is_file()


def test_a_run_goes_on_past_a_full_disk_if_told_so(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = ["train.on_failed_checkpoint=continue"]
    fill_the_disk(monkeypatch, failing={3})
    run = train(tiny_config(project, project / "run", *told), name="tiny")
    warning = "warning: .*step-00000003.*there is none before it; training goes on"
    assert re.search(warning, capsys.readouterr().err)
    fill_the_disk(monkeypatch, failing=set())
    expected = train(tiny_config(project, project / "alone"), name="tiny")
    assert largest_difference(weights(expected, 6), weights(run, 6)) == 0
    fill_the_disk(monkeypatch, failing={6})
    with pytest.raises(HarmonizeError, match=FULL):
        train(tiny_config(project, project / "last", *told), name="tiny")
    assert "fine, val: 5 pictures" in capsys.readouterr().out


def test_deterministic_changes_nothing_on_a_cpu(project: Path) -> None:
    one = train(tiny_config(project, project / "one"), name="tiny")
    two = train(tiny_config(project, project / "two", "train.deterministic=true"), name="tiny")
    assert largest_difference(weights(one, 6), weights(two, 6)) == 0
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_finished_run_is_only_scored_again(project: Path) -> None:
    run = train(tiny_config(project, project / "run"), name="tiny")
    expected = metrics(run)
    (run / "evaluation.json").unlink()
    train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert metrics(run) == expected
    assert (run / "evaluation.json").is_file()


def test_a_damaged_checkpoint_is_passed_over_with_a_warning(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = train(tiny_config(project, project / "run"), name="tiny")
    expected = weights(run, 6)
    newest = checkpoints.step_path(run, 6)
    newest.write_bytes(newest.read_bytes()[:1000])
    train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert "step-00000006.safetensors: not a whole checkpoint" in capsys.readouterr().err
    assert largest_difference(expected, weights(run, 6)) == 0


def test_resuming_as_another_run_is_refused_and_changes_nothing(project: Path) -> None:
    run = train(tiny_config(project, project / "run"), name="tiny")
    config = (run / "config.yaml").read_text()
    changed = tiny_config(project, project / "run", "model.width=16", "train.resume=true")
    with pytest.raises(HarmonizeError, match="was made with another model;"):
        train(changed, name="tiny")
    tree = project / "tiny.txt"
    tree.write_text(tree.read_text().replace("background\n", "background  # all else\n"))
    with pytest.raises(HarmonizeError, match=r"another tree \(its text has changed\)"):
        train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert (run / "config.yaml").read_text() == config


def test_a_damaged_log_does_not_stop_a_resumed_run(project: Path) -> None:
    run = train(tiny_config(project, project / "run"), name="tiny")
    expected = metrics(run)
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'\x00\xff\xfe\n[[[[\n{"step": Infinity, "event": "train"}\n')
    train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert metrics(run) == expected


def test_a_run_without_a_checkpoint_starts_again_but_only_as_itself(project: Path) -> None:
    run = train(tiny_config(project, project / "run"), name="tiny")
    expected = weights(run, 6)
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    other = tiny_config(project, project / "run", "train.resume=true", "seed=5")
    with pytest.raises(HarmonizeError, match=r"config\.yaml: was made with another seed"):
        train(other, name="tiny")
    train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert largest_difference(expected, weights(run, 6)) == 0


def test_a_folder_in_which_nothing_was_trained_may_be_used_again(project: Path) -> None:
    aside = project / "fine_data_aside"
    shutil.copytree(project / "fine_data", aside)
    for picture in (project / "fine_data").glob("0?.png"):
        picture.write_bytes(b"")
    config = tiny_config(project, project / "run")
    with pytest.raises(HarmonizeError, match="not a readable picture"):
        train(config, name="tiny")
    shutil.copytree(aside, project / "fine_data", dirs_exist_ok=True)
    train(config, name="tiny")
    assert (project / "run" / "evaluation.json").is_file()


def test_a_bad_label_met_while_scoring_does_not_lose_the_training(project: Path) -> None:
    label = project / "fine_data" / "12_ids.png"
    good = label.read_bytes()
    Image.new("L", (24, 20), 77).save(label)
    with pytest.raises(HarmonizeError, match=r"12_ids\.png: ids that no class of fine stands for"):
        train(tiny_config(project, project / "run"), name="tiny")
    label.write_bytes(good)
    train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert (project / "run" / "evaluation.json").is_file()


def test_a_network_that_cannot_be_built_leaves_no_run_folder(project: Path) -> None:
    for wrong in ("model.name=unett", "loss.depth_weights=[1]", "model.width=12"):
        with pytest.raises(HarmonizeError):
            train(tiny_config(project, project / "run", wrong), name="tiny")
    assert not (project / "run").exists()


def test_an_output_that_exists_is_refused_with_both_ways_on(project: Path) -> None:
    (project / "run").mkdir()
    with pytest.raises(HarmonizeError, match=r"train\.resume=true, or choose another name"):
        train(tiny_config(project, project / "run"), name="tiny")


def test_resuming_nothing_is_refused(project: Path) -> None:
    with pytest.raises(HarmonizeError, match="no run folder to resume"):
        train(tiny_config(project, project / "none", "train.resume=true"), name="tiny")
    with pytest.raises(HarmonizeError, match="output=RUN_DIR"):
        train(tiny_config(project, "x", "train.resume=true", "output=null"), name="tiny")


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


def test_schedules_start_and_end_where_they_should() -> None:
    assert learning_rate(OptimConfig(lr=2, schedule="constant"), 99, 100) == 2
    assert learning_rate(OptimConfig(lr=2, schedule="poly"), 0, 100) == 2
    assert learning_rate(OptimConfig(lr=2, schedule="poly"), 50, 100) == pytest.approx(2 * 0.5**0.9)
    assert learning_rate(OptimConfig(lr=2, schedule="cosine"), 50, 100) == pytest.approx(1)
    warm = OptimConfig(lr=2, schedule="constant", warmup=3)
    assert [learning_rate(warm, step, 100) for step in range(5)] == [0.5, 1.0, 1.5, 2.0, 2.0]


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
    assert largest_difference(weights(one, 20), weights(project / "two", 20)) < 1e-5
    alone, together = metrics(one), metrics(project / "two")
    for line, other in zip(alone, together, strict=True):
        if line["event"] == "train":
            assert isinstance(line["loss"], float)
            assert line["loss"] == pytest.approx(other["loss"], rel=1e-5)
            assert line["input"] == other["input"]
    same_files(one, project / "two")
    scored = run_script(REPO / "scripts" / "evaluate.py", project, "two", "--json", "two.json")
    assert [one.status for one in scored] == [0, 0], scored
    results = json.loads((project / "two.json").read_text())
    assert results == json.loads((project / "two" / "evaluation.json").read_text())
    assert not math.isnan(results["datasets"]["fine"]["mean_iou"])


def test_a_run_of_one_process_goes_on_with_two(project: Path) -> None:
    overrides = ["train.steps=8", "data.batch_size=6", "train.checkpoint_every=3"]
    one = train(tiny_config(project, project / "one", *overrides), name="tiny")
    shutil.copytree(one, project / "two")
    checkpoints.step_path(project / "two", 8).unlink()
    (project / "run.yaml").write_text(dump(tiny_values(project, project / "two")))
    arguments = ["--config", "run.yaml", *overrides, "train.resume=true"]
    ended = run_script(REPO / "scripts" / "train_mixed.py", project, *arguments)
    assert [one.status for one in ended] == [0, 0], ended
    assert "steps 6 to 8" in ended[0].stdout
    assert largest_difference(weights(one, 8), weights(project / "two", 8)) < 1e-5
