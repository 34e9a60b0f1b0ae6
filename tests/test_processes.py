"""The scripts and the ``harmonize`` command as a user calls them."""

import json
import os
import runpy
import sys
from pathlib import Path

import pytest
import torch

from harmonize import HarmonizeError, cli
from harmonize.config.strict_yaml import Value, dump
from harmonize.demo import demo_data as demo
from harmonize.pipeline.train import train
from harmonize.system.processes import processes
from harmonize.system.shown_errors import errors_shown
from tiny import tiny_config, tiny_values, write_project

REPO = Path(__file__).parents[1]


def call(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: object, status: int = 0) -> None:
    """Run a script in this process, as ``python scripts/NAME ARGUMENTS`` would."""
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(REPO / "scripts" / script), run_name="__main__")
    assert exit_.value.code == status


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_project(tmp_path)


def test_train_mixed_without_arguments_runs_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "NUM_PICTURES", {"train": 3, "validation": 3, "test": 3})
    small = ["train.steps=2", "data.size=32", "data.workers=0", "model.width=8"]
    call(monkeypatch, "train_mixed.py", *small)
    printed = capsys.readouterr().out
    assert "helen, val: 3 pictures" in printed
    assert "lfw_parts, val: 3 pictures" in printed
    assert printed.rstrip().endswith(
        "The run lies in runs/demo\n"
        "Next: harmonize report runs/demo, harmonize predict runs/demo PICTURES -o answers"
    )
    assert (tmp_path / "data" / "demo" / "helen" / "exemplars.txt").is_file()


def test_a_mistake_is_one_line_and_status_2(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "run.yaml").write_text(dump(tiny_values(project, "run")))
    call(monkeypatch, "train_mixed.py", "--config", "run.yaml", "train.stps=3", status=2)
    shown = capsys.readouterr().err.strip()
    assert shown == "error: command line: train.stps: unknown key; did you mean steps?"
    call(monkeypatch, "train_mixed.py", "--config", "none.yaml", status=2)
    assert capsys.readouterr().err.strip() == "error: none.yaml: no such file"


def test_a_run_is_resumed_from_its_own_config(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "run.yaml").write_text(dump(tiny_values(project, "run")))
    call(monkeypatch, "train_mixed.py", "--config", "run.yaml", "train.steps=4")
    capsys.readouterr()
    (project / "run" / "evaluation.json").unlink()
    call(monkeypatch, "train_mixed.py", "train.resume=true", "output=run")
    assert "steps 4 to 4 of 4 pictures" in capsys.readouterr().out
    assert (project / "run" / "evaluation.json").is_file()


@pytest.mark.parametrize("word", ["true", "True", " TRUE"])
def test_resuming_never_falls_back_to_the_demo(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], word: str
) -> None:
    call(monkeypatch, "train_mixed.py", f"train.resume={word}", "output=typo", status=2)
    assert "typo: no run folder to resume" in capsys.readouterr().err
    call(monkeypatch, "train_mixed.py", f"train.resume={word}", status=2)
    assert "output=RUN_DIR" in capsys.readouterr().err
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 2, "error: out of memory; lower data.batch_size"),
        (OSError(28, "No space left on device", "x/y"), 2, "error: x/y: No space left on device"),
        (OSError("cannot identify it"), 2, "error: file system: cannot identify it"),
        (HarmonizeError("a: wrong", "b: wrong"), 2, "error: a: wrong\nerror: b: wrong"),
    ],
)
def test_what_ends_a_command_is_told_in_plain_lines(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, message: str
) -> None:
    with pytest.raises(SystemExit) as exit_, errors_shown():
        raise error
    assert exit_.value.code == status
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("launched", "given", "all_cores"), [(True, "1", True), (True, "3", False), (False, "1", False)]
)
def test_a_single_process_gets_the_cores_that_the_launcher_withholds(
    monkeypatch: pytest.MonkeyPatch, launched: bool, given: str, all_cores: bool
) -> None:
    chosen: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.setenv("OMP_NUM_THREADS", given)
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    if launched:
        monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    processes()
    assert chosen == ([os.cpu_count()] if all_cores else [])


def test_evaluate_needs_the_run_folder_and_the_data_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny_config(project, "run"), name="tiny")
    for name in ("tiny.txt", "fine.yaml", "coarse.yaml"):
        (project / name).unlink()
    capsys.readouterr()
    call(monkeypatch, "evaluate.py", "run", "--json", "scores.json")
    assert "fine, val: 5 pictures" in capsys.readouterr().out
    scores = json.loads((project / "scores.json").read_text())
    assert scores == json.loads((project / "run" / "evaluation.json").read_text())


def test_evaluate_takes_names_splits_and_new_mappings(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny_config(project, "run"), name="tiny")
    text = (project / "coarse.yaml").read_text().replace("name: coarse", "name: unseen")
    (project / "unseen.yaml").write_text(text)
    capsys.readouterr()
    arguments = ["run", "--dataset", "fine", "unseen.yaml", "--split", "train"]
    call(monkeypatch, "evaluate.py", *arguments, "--checkpoint", "best")
    printed = capsys.readouterr().out
    assert "fine, train: 10 pictures" in printed
    assert "unseen, train: 8 pictures" in printed
    assert "coarse, " not in printed
    assert "best.safetensors, after 6 steps" in printed


def test_evaluate_finds_data_where_the_command_line_says(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny_config(project, "run"), name="tiny")
    (project / "fine_data").rename(project / "elsewhere")
    capsys.readouterr()
    call(monkeypatch, "evaluate.py", "run", "--dataset", "fine", status=2)
    assert "data.roots.fine=FOLDER" in capsys.readouterr().err
    call(monkeypatch, "evaluate.py", "run", "--dataset", "fine", "data.roots.fine=elsewhere")
    assert "fine, val: 5 pictures" in capsys.readouterr().out


def coarse_alone(project: Path) -> dict[str, Value]:
    """Return the values of a config that trains on ``coarse``, which does not part the thing."""
    values = tiny_values(project, "run")
    assert isinstance(values["datasets"], list)
    return {**values, "datasets": values["datasets"][1:]}


def test_evaluate_scores_of_a_new_set_what_the_trained_ones_teach(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "run.yaml").write_text(dump(coarse_alone(project)))
    call(monkeypatch, "train_mixed.py", "--config", "run.yaml")
    capsys.readouterr()
    call(monkeypatch, "evaluate.py", "run", "--dataset", "fine.yaml", "--json", "scores.json")
    printed = capsys.readouterr().out
    assert "background is scored alone, so that every answer is right" in printed
    assert "left out: left, only as thing\nleft out: right, only as thing\n" in printed
    scores = json.loads((project / "scores.json").read_text())["datasets"]["fine"]
    assert scores["iou"] == {"background": None}
    assert scores["mean_iou"] is None
    assert scores["left_out"] == {"left": "only as thing", "right": "only as thing"}
    own = json.loads((project / "run" / "evaluation.json").read_text())["datasets"]["coarse"]
    assert own["left_out"] == {}


NOTHING = (
    "fine: cannot be scored: what is trained on teaches none of its classes "
    "(left: only as thing; right: only as thing); leave it out, or see `harmonize transfer CONFIG`"
)


def test_evaluate_refuses_a_set_of_which_nothing_can_be_answered(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "run.yaml").write_text(dump(coarse_alone(project)))
    call(monkeypatch, "train_mixed.py", "--config", "run.yaml", "train.steps=1")
    text = (project / "fine.yaml").read_text()
    (project / "fine.yaml").write_text(text.replace("background: background", "background: ignore"))
    capsys.readouterr()
    call(monkeypatch, "evaluate.py", "run", "--dataset", "fine.yaml", status=2)
    assert NOTHING in capsys.readouterr().err


def test_training_refuses_beforehand_a_set_of_which_nothing_could_be_scored(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project / "fine.yaml").read_text()
    (project / "fine.yaml").write_text(text.replace("background: background", "background: ignore"))
    also: list[Value] = [{"spec": str(project / "fine.yaml"), "evaluate": "val"}]
    (project / "run.yaml").write_text(dump({**coarse_alone(project), "evaluate_also": also}))
    call(monkeypatch, "train_mixed.py", "--config", "run.yaml", status=2)
    assert NOTHING in capsys.readouterr().err
    assert not (project / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: no such run folder"),
        (["run", "--dataset", "fin"], "did you mean fine?"),
        (["run", "--split", "tset"], "no split 'tset'"),
        (["run", "data.rots.fine=x"], "data.rots: unknown key"),
        (["run", "datasets.0.evaluate=train"], "chosen with --dataset and --split"),
        (["run", "--json", "none/scores.json"], "its folder does not exist"),
        (["run", "--json", "run"], "is a folder; name a file"),
        (["run", "--dataset", "fine", "fine"], "fine: named twice"),
        (["run", "data.roots.fien=x"], "data.roots.fien: nothing of this name is scored"),
    ],
)
def test_evaluate_explains_mistakes(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    train(tiny_config(project, "run", "train.steps=1"), name="tiny")
    call(monkeypatch, "evaluate.py", *arguments, status=2)
    assert message in capsys.readouterr().err


def test_tree_draws_the_tree_and_its_groups(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tree", str(REPO / "trees" / "faces.txt")]) == 0
    printed = capsys.readouterr().out
    assert "├── background" in printed
    assert "depth 3: 6 groups" in printed
    assert "  mouth = upper_lip, inner_mouth, lower_lip" in printed


def test_tree_of_a_config_shows_who_labels_which_node(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["tree", str(REPO / "configs" / "demo.yaml")]) == 0
    lines = capsys.readouterr().out.splitlines()
    face = next(line for line in lines if "── face " in line)
    assert face.split()[-1] == "lfw_parts:skin+"
    background = next(line for line in lines if "── background" in line)
    assert background.split()[-2:] == ["helen:background+", "lfw_parts:background+"]


def test_check_passes_everything_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    files = [
        str(path)
        for name in ("trees", "datasets", "configs")
        for path in (REPO / name).rglob("*")
        if path.is_file()
    ]
    assert cli.main(["check", "--scan", "0", *files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if not line.startswith("  note: ")]) == len(files)


def test_check_shows_all_problems_of_all_files(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "bad.txt").write_text("a\na\n")
    text = (project / "fine.yaml").read_text()
    (project / "bad.yaml").write_text(text.replace("left: 1", "left: 0").replace("thing", "thng"))
    assert cli.main(["check", "bad.txt", "bad.yaml", "tiny.txt"]) == 1
    printed = capsys.readouterr().out
    assert "bad.txt:2:1: 'a' stands on line 1 already" in printed
    assert "bad.yaml:8:26: classes.left: 0 stands for 'background' already" in printed
    assert "tiny.txt: a tree of 3 leaves" in printed
    assert "2 problems" in printed


def test_check_holds_a_mapping_against_its_trees(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (project / "coarse.yaml").read_text()
    (project / "coarse.yaml").write_text(text.replace("thing: thing", "thing: thng"))
    assert cli.main(["check", "coarse.yaml"]) == 1
    told = "coarse.yaml:9:42: meaning.tiny.thing: no node 'thng' in tiny; did you mean thing?"
    assert told in capsys.readouterr().out
    (project / "coarse.yaml").write_text(text.replace("tiny:", "other:"))
    assert cli.main(["check", "coarse.yaml"]) == 1
    assert "there is no tree other.txt" in capsys.readouterr().out
    (project / "tiny.txt").rename(project / "other.txt")
    assert cli.main(["check", "coarse.yaml", "other.txt"]) == 0


def test_check_finds_what_a_config_cannot_build(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = tiny_values(project, "run")
    (project / "run.yaml").write_text(dump({**values, "model": {"name": "unett"}}))
    assert cli.main(["check", "run.yaml"]) == 1
    assert "no network 'unett'; did you mean unet or upernet or manet?" in capsys.readouterr().out


def test_demo_data_writes_both_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "NUM_PICTURES", {"train": 1, "validation": 1, "test": 1})
    assert cli.main(["demo-data", str(tmp_path / "d")]) == 0
    assert (tmp_path / "d" / "lfw_parts" / "parts_train.txt").is_file()
    assert "are there" in capsys.readouterr().out
