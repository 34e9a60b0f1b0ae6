"""Runs that are stopped, damaged or left without room, and go on."""

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from arithmetic import ORDER_OF_SUMS
from group import run_script
from harmonize import HarmonizeError
from harmonize.config.strict_yaml import dump
from harmonize.data.samples import Batch
from harmonize.pipeline.train import train
from harmonize.runs import checkpoint, checkpoints
from harmonize.system.atomic_files import part_of, write_whole
from harmonize.training.trainer import Trainer
from run_files import largest_difference, metrics, weights
from tiny import tiny_config, tiny_values, write_project

REPO = Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path)


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


def test_a_run_killed_before_its_first_checkpoint_starts_again_but_only_as_itself(
    project: Path,
) -> None:
    run = train(tiny_config(project, project / "run"), name="tiny")
    expected = weights(run, 6)
    shutil.rmtree(run / "checkpoints")
    (run / "evaluation.json").unlink()
    lines = (run / "metrics.jsonl").read_text().splitlines(keepends=True)
    (run / "metrics.jsonl").write_text(lines[0])  # of step 2; the first checkpoint is of step 3
    part_of(run / "checkpoints").mkdir()
    other = tiny_config(project, project / "run", "train.resume=true", "seed=5")
    with pytest.raises(HarmonizeError, match=r"config\.yaml: was made with another seed"):
        train(other, name="tiny")
    train(tiny_config(project, project / "run", "train.resume=true"), name="tiny")
    assert largest_difference(expected, weights(run, 6)) == 0
    assert not [path for path in run.iterdir() if path.name.startswith(".")]


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


def test_resuming_nothing_is_refused(project: Path) -> None:
    with pytest.raises(HarmonizeError, match="no run folder to resume"):
        train(tiny_config(project, project / "none", "train.resume=true"), name="tiny")
    with pytest.raises(HarmonizeError, match="output=RUN_DIR"):
        train(tiny_config(project, "x", "train.resume=true", "output=null"), name="tiny")


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
    assert largest_difference(weights(one, 8), weights(project / "two", 8)) < ORDER_OF_SUMS
