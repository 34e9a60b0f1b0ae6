"""The comparison of losses from its config to its tables and figures, on tiny data."""

import json
import re
import runpy
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from accelerate.state import AcceleratorState
from PIL import Image

from group import run_script
from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dump
from harmonize.pipeline import finish
from harmonize.pipeline import train as training
from harmonize.runs import checkpoints
from harmonize.tools.studies.compare_losses import compare_losses
from harmonize.tools.studies.finished_runs import read_finished_run
from tiny import tiny_config, tiny_values, write_project

REPO = Path(__file__).parents[1]
NAMES = [f"{loss}-seed{seed}" for seed in (0, 1) for loss in ("flat", "finest", "hierarchical")]
FILES = {
    "comparison.json",
    "table.md",
    "figure_mean_iou.svg",
    "figure_loss_by_depth.svg",
    "figure_pictures.png",
}


def shared(project: Path, *overrides: str) -> RunConfig:
    every = ["train.evaluate_every=1", "train.checkpoint_every=1", "train.log_every=1"]
    few = ["train.steps=2", "evaluate.pictures=1"]
    return tiny_config(project, "unused", *few, *every, *overrides)


def study(project: Path, folder: Path, *overrides: str, seeds: tuple[int, ...] = (0, 1)) -> Path:
    return compare_losses(
        shared(project, *overrides), name="compare_tiny", seeds=seeds, folder=folder
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def finished(project: Path) -> Path:
    """A finished study of three losses and two seeds; not to be changed."""
    AcceleratorState._reset_state(reset_partial_state=True)
    return study(project, project / "finished")


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A finished study that may be changed."""
    return shutil.copytree(finished, tmp_path / "study")


def facts(folder: Path) -> Any:
    return json.loads((folder / "comparison.json").read_text())


def modified(folder: Path) -> dict[str, int]:
    return {name: (folder / name / "evaluation.json").stat().st_mtime_ns for name in NAMES}


def edit_metrics(run: Path, old: str, new: str) -> None:
    path = run / "metrics.jsonl"
    text, number = re.subn(old, new, path.read_text(), count=1)
    assert number == 1
    path.write_text(text)


def test_three_losses_and_two_seeds_are_ordinary_runs(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == {*NAMES, *FILES}
    for name in NAMES:
        config = RunConfig.from_file(finished / name / "config.yaml")
        loss, _, seed = name.partition("-seed")
        assert config.seed == int(seed)
        assert (config.loss.terms == "all") == (loss == "hierarchical")
        assert (config.loss.coarse == "ignore") == (loss == "flat")
        assert (finished / name / "checkpoints" / "best.safetensors").is_file()


def test_the_input_is_proven_identical_within_a_seed_alone(finished: Path) -> None:
    runs = {name: read_finished_run(finished / name) for name in NAMES}
    weights = {name: run.start.weights for name, run in runs.items()}
    inputs = {name: [line.input for line in run.training] for name, run in runs.items()}
    assert weights["flat-seed0"] == weights["hierarchical-seed0"] != weights["flat-seed1"]
    assert inputs["flat-seed1"] == inputs["finest-seed1"] == inputs["hierarchical-seed1"]
    assert not set(inputs["flat-seed0"]) & set(inputs["flat-seed1"])
    proof = facts(finished)["identical_input"]
    assert {seed: (one["steps"], one["of"]) for seed, one in proof.items()} == {
        "0": (2, 2),
        "1": (2, 2),
    }
    assert proof["0"]["weights"] == weights["flat-seed0"]


def test_the_results_are_those_of_the_runs(finished: Path) -> None:
    found = facts(finished)
    assert (found["losses"], found["seeds"]) == (["flat", "finest", "hierarchical"], [0, 1])
    means = {
        name: json.loads((finished / name / "evaluation.json").read_text())["datasets"]["coarse"]
        for name in NAMES
    }
    coarse = found["datasets"]["coarse"]
    assert coarse["mean_iou"]["values"]["finest"]["values"] == [
        means["finest-seed0"]["mean_iou"],
        means["finest-seed1"]["mean_iou"],
    ]
    assert set(coarse["mean_iou"]["gains"]) == {"hierarchical − flat", "hierarchical − finest"}
    table = (finished / "table.md").read_text()
    assert table.startswith("# tiny: flat and finest and hierarchical\n")
    assert "## coarse, val: 4 pictures" in table
    about = "mean of two seeds ± half their difference"
    assert f"IoU of each class, in percent: {about}.\n\n| IoU, %" in table
    assert f"Further scores: {about}.\n\n| besides" in table


def test_the_figures_show_all_losses_at_all_depths(finished: Path) -> None:
    curves = (finished / "figure_loss_by_depth.svg").read_text()
    texts = [text.strip() for text in ElementTree.fromstring(curves).itertext()]
    assert {"finest", "hierarchical", "flat, of leaf labels"} <= set(texts)
    for kind in ("validation", "training"):
        for name in ("fine", "coarse"):
            assert {f"{name}: loss at depth {d} in {kind}" for d in (1, 2)} <= set(texts)
    means = ElementTree.fromstring((finished / "figure_mean_iou.svg").read_text())
    assert "fine: mean IoU in validation" in [text.strip() for text in means.itertext()]
    with Image.open(finished / "figure_pictures.png") as figure:
        # Input, truth and three losses at two steps, each 158 x 132; two sets of one picture.
        assert figure.width > 8 * 158
        assert figure.height > 2 * 132


def test_a_finished_study_is_not_trained_again(
    project: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = modified(copied)
    shutil.copy(copied / "table.md", copied / "expected.md")
    for name in FILES:
        (copied / name).unlink()
    study(project, copied, "data.workers=1")
    printed = capsys.readouterr().out
    assert "6 runs of 2 steps, 0 to be trained:" in printed
    assert (copied / "table.md").read_text() == (copied / "expected.md").read_text()
    assert (copied / "table.md").read_text().partition("\n<!-- harmonize")[0].strip() in printed
    assert modified(copied) == before
    assert all((copied / name).is_file() for name in FILES)


def test_an_interrupted_study_goes_on_where_it_was(
    project: Path, copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected, before = (copied / "table.md").read_text(), modified(copied)
    stopped, missing = copied / "finest-seed0", copied / "hierarchical-seed1"
    checkpoints.step_path(stopped, 2).unlink()
    (stopped / "evaluation.json").unlink()
    with (stopped / "metrics.jsonl").open("a") as file:
        file.write('{"event": "tra')
    shutil.rmtree(missing)
    study(project, copied)
    printed = capsys.readouterr().out
    assert "6 runs of 2 steps, 2 to be trained:" in printed
    assert re.search(r"finest-seed0 +goes on\n", printed)
    assert re.search(r"hierarchical-seed1 +new\n", printed)
    assert "steps 1 to 2" in printed
    assert (copied / "table.md").read_text() == expected
    after = modified(copied)
    changed = {name for name in NAMES if after[name] != before[name]}
    assert changed == {"finest-seed0", "hierarchical-seed1"}


def test_input_that_was_not_the_same_is_refused(project: Path, copied: Path) -> None:
    edit_metrics(copied / "hierarchical-seed1", r'(?s)("step": 2.*?"input": ")\w+', r"\1bad")
    with pytest.raises(HarmonizeError, match=r"seed 1: hierarchical was fed other .* 2 to 2, so"):
        study(project, copied)
    edit_metrics(copied / "finest-seed0", r'("weights": ")\w+', r"\1bad")
    with pytest.raises(HarmonizeError, match="seed 0: finest started from other weights than flat"):
        study(project, copied)


def test_runs_of_another_config_are_refused_and_stay(project: Path, copied: Path) -> None:
    before = modified(copied)
    changed = ["optim.lr=0.1", "evaluate.crop=true"]
    with pytest.raises(HarmonizeError, match=r"another optim\.lr, evaluate\.crop; remove that f"):
        study(project, copied, *changed)
    assert modified(copied) == before


def test_what_changes_no_result_may_change_from_one_run_to_the_next(
    project: Path, copied: Path
) -> None:
    before = modified(copied)
    shutil.rmtree(copied / "hierarchical-seed0")
    del before["hierarchical-seed0"]
    study(project, copied, "train.report=true", "evaluate.pictures=2", "train.checkpoint_every=2")
    assert before.items() <= modified(copied).items()
    assert (copied / "hierarchical-seed0" / "report.html").is_file()
    # The new run has two pictures of each set that are not the one that the others have.
    kept = [
        {path.name for path in (copied / run / "pictures" / "fine").iterdir()}
        for run in ("flat-seed0", "hierarchical-seed0")
    ]
    assert [len(names) for names in kept] == [1, 2]
    assert not kept[0] & kept[1]


@pytest.fixture(params=["tree", "mapping"])
def edited(project: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The kind of a file that is another one during a test."""
    file, old, new = {
        "tree": ("tiny.txt", "left\n\tright", "right\n\tleft"),
        "mapping": ("coarse.yaml", 'thing: "#ffffff"', 'thing: "#fefefe"'),
    }[request.param]
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new, 1))
    yield request.param
    (project / file).write_text(text)


def test_runs_of_another_tree_or_mapping_are_refused(
    project: Path, copied: Path, edited: str
) -> None:
    before = modified(copied)
    message = (
        rf"flat-seed0/config\.yaml: was made with another {edited} \(its text has changed\); r"
    )
    with pytest.raises(HarmonizeError, match=message):
        study(project, copied)
    assert modified(copied) == before


def test_a_run_that_goes_on_is_compared_before_another_is_trained(
    project: Path, copied: Path, edited: str
) -> None:
    for name in NAMES[:-1]:
        shutil.rmtree(copied / name)
    (copied / NAMES[-1] / "evaluation.json").unlink()
    with pytest.raises(HarmonizeError, match=f"{NAMES[-1]}.*: was made with another {edited} "):
        study(project, copied)
    assert not (copied / NAMES[0]).exists()


def test_what_is_no_run_or_a_damaged_one_is_named(project: Path, copied: Path) -> None:
    run = copied / "flat-seed0"
    edit_metrics(run, r'^.*"event": "start".*\n', "")
    with pytest.raises(HarmonizeError, match=r"says nothing of the initial weights; remove .*0, "):
        study(project, copied)
    (run / "evaluation.json").write_text("{}")
    with pytest.raises(HarmonizeError, match=r"evaluation\.json: is damaged: the key 'datasets' "):
        study(project, copied)
    (run / "config.yaml").unlink()
    with pytest.raises(HarmonizeError, match="flat-seed0: exists and is no run folder; remove it"):
        study(project, copied)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda all_: all_.pop("fine"), "has no scores of fine; remove "),
        (
            lambda all_: all_["fine"].pop("split"),
            "is damaged: datasets.fine: the key 'split' is missing; remove .*-seed1, and it is tr",
        ),
        (lambda all_: all_["fine"]["iou"].pop("left"), "says nothing of left of fine; remove "),
        (lambda all_: all_["fine"].pop("mistakes"), "says nothing of hierarchical F, % of fine; "),
        (
            lambda all_: all_["fine"].update(mean_iou="x"),
            "is damaged: datasets.fine.mean_iou: expected a number, got 'x'; remove ",
        ),
        (
            lambda all_: all_["fine"].update(mean_iou=float("nan")),
            "is damaged: datasets.fine.mean_iou: expected a number at least 0 and at most 1, got n",
        ),
        (
            lambda all_: all_["fine"].update(pictures="x"),
            "is damaged: datasets.fine.pictures: expected a whole number, got 'x'",
        ),
        (
            lambda all_: all_["fine"]["depths"][0].update(iou=3),
            "is damaged: datasets.fine.depths.0.iou: expected a mapping of keys, got 3",
        ),
        (lambda all_: all_["fine"]["depths"].pop(), r"says nothing of mean IoU at depth 1 \(2 gr"),
    ],
)
def test_scores_that_lack_something_are_named(
    project: Path, copied: Path, damage: Callable[[Any], object], message: str
) -> None:
    path = copied / "hierarchical-seed1" / "evaluation.json"
    whole = json.loads(path.read_text())
    whole["datasets"]["fine"]["depths"] = whole["datasets"]["fine"]["depths"][:1]
    damage(whole["datasets"])
    path.write_text(json.dumps(whole))
    with pytest.raises(HarmonizeError, match=rf"hierarchical-seed1/evaluation\.json: {message}"):
        study(project, copied)


def test_a_log_that_lacks_something_is_named(project: Path, copied: Path) -> None:
    run = copied / "flat-seed1"
    edit_metrics(run, r'(?s)("event": "evaluation".*?)"mean_iou"', r'\1"meen"')
    with pytest.raises(HarmonizeError, match=r"line \d: datasets\.fine: the key 'mean_iou' is mi"):
        study(project, copied)
    edit_metrics(run, r'(?m)^.*"event": "evaluation".*\n', "")
    message = (
        r"flat-seed1/metrics\.jsonl: has scores of other steps than .*; remove .*/flat-seed1, "
    )
    with pytest.raises(HarmonizeError, match=message):
        study(project, copied)
    edit_metrics(run, r'(?m)^.*"event": "train".*\n', "")
    with pytest.raises(HarmonizeError, match=r"flat-seed1/metrics\.jsonl: has losses of other ste"):
        study(project, copied)


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("during", ["report_results", "calibrate_trees"])
def test_a_signal_while_a_run_is_finished_ends_the_study(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    during: str,
    number: signal.Signals,
) -> None:
    original = getattr(finish, during)

    def interrupted(*arguments: Any) -> Any:
        signal.raise_signal(number)
        return original(*arguments)

    monkeypatch.setattr(finish, during, interrupted)
    with pytest.raises(SystemExit) as exit_:
        study(project, tmp_path / "study", seeds=(0,))
    assert exit_.value.code == 128 + number
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["flat-seed0"]
    assert (tmp_path / "study" / "flat-seed0" / "evaluation.json").is_file()
    assert "run 2 of 3" not in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr(training, "Trainer", None)  # would fail: the next run is not begun here
    with pytest.raises(TypeError):
        study(project, tmp_path / "study", seeds=(0,))
    printed = capsys.readouterr().out
    assert re.search(r"flat-seed0 +finished\n", printed)
    assert "=== finest-seed0: run 1 of 2" in printed


def test_all_runs_are_checked_before_the_first_is_trained(project: Path, tmp_path: Path) -> None:
    weights = "loss.depth_weights=[1, 2, 3]"  # the flat loss would not mind
    with pytest.raises(HarmonizeError, match=r"^loss\.depth_weights: tiny has 2 depths, got 3"):
        study(project, tmp_path / "new", weights)
    assert not (tmp_path / "new").exists()


def test_nothing_scored_is_nothing_to_compare(project: Path, tmp_path: Path) -> None:
    unscored = [f"datasets.{number}.evaluate=null" for number in (0, 1)]
    with pytest.raises(HarmonizeError, match="no data set is scored"):
        study(project, tmp_path / "new", *unscored)


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str, status: int = 0) -> None:
    monkeypatch.setattr(sys, "argv", ["compare_losses.py", *arguments])
    script = str(REPO / "scripts" / "compare_losses.py")
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(script, run_name="__main__")
    assert exit_.value.code == status


def test_the_script_trains_a_loss_once_that_has_two_names(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    values = tiny_values(project, "unused")
    assert isinstance(values["datasets"], list)
    values["datasets"] = values["datasets"][:1]
    Path("compare_leaves.yaml").write_text(dump(values))
    config = ["--config", "compare_leaves.yaml"]
    call(monkeypatch, *config, "--seeds", "5", "train.steps=1", "evaluate.pictures=0")
    printed = capsys.readouterr().out
    assert "flat = finest for these labels, and is trained once" in printed
    folder = Path("runs/compare-leaves")
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {
        "flat-seed5",
        "hierarchical-seed5",
    }
    assert not (folder / "figure_pictures.png").exists()
    assert "| IoU, %       | flat = finest | hierarchical |" in printed
    assert "numbers of one seed, so no spread is known" in printed
    assert printed.endswith("The comparison lies in runs/compare-leaves\n")
    for wrong, message in {
        "seed=1": "seed: is set by the study itself; leave it out",
        "loss.terms=all": "loss.terms: is set by the study itself; leave it out",
        "loss={terms: finest}": "loss: holds loss.terms, which is set by the study itself; change",
        "train={resume: true}": "train: holds train.resume, which is set by the study itself; cha",
        " loss.coarse.use = 1": "loss.coarse.use: is set by the study itself; leave it out",
        "train.stps=1": "unknown",
    }.items():
        call(monkeypatch, *config, "--losses", "flat", "hierarchical", wrong, status=2)
        assert message in capsys.readouterr().err
    for seeds, message in {
        ("0", "0"): "give each seed once, got 0 0",
        ("-1",): "a seed is a whole number from 0 on, got '-1'",
        ("x",): "a seed is a whole number from 0 on, got 'x'",
    }.items():
        words = ["--seeds=" + seeds[0]] if len(seeds) == 1 else ["--seeds", *seeds]
        call(monkeypatch, *config, *words, status=2)
        assert capsys.readouterr().err == f"error: --seeds: {message}\n"


def test_two_processes_train_one_run_after_another(project: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(dump(tiny_values(project, "unused")))
    arguments = ["--config", "tiny.yaml", "--seeds", "0", "--losses", "flat", "hierarchical"]
    script = REPO / "scripts" / "compare_losses.py"
    ended = run_script(script, tmp_path, *arguments, "train.steps=2", "-o", "two")
    assert [one.status for one in ended] == [0, 0], ended
    assert sum(one.stdout.count("2 x cpu") for one in ended) == 2
    assert "Steps proven equal: seed 0: 2 of 2." in (tmp_path / "two" / "table.md").read_text()
