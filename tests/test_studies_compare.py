"""The comparison of losses from its config to its tables and figures, on tiny data."""

import json
import re
import runpy
import signal
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from group import run_script
from PIL import Image
from study_cases import FILES, NAMES, study
from tiny import tiny_values

from harmonize import HarmonizeError
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dump
from harmonize.pipeline import finish
from harmonize.pipeline import train as training
from harmonize.tools.studies.finished_runs import read_run

REPO = Path(__file__).parents[1]


def facts(folder: Path) -> Any:
    return json.loads((folder / "comparison.json").read_text())


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
    runs = {name: read_run(finished / name) for name in NAMES}
    weights = {name: run.start["weights"] for name, run in runs.items()}
    inputs = {name: [line["input"] for line in run.training] for name, run in runs.items()}
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
    assert "mean of two seeds ± half their difference" in table


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


@pytest.mark.usefixtures("signals_heard")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("during", ["report_results", "calibrate"])
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


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str, status: int | None = None) -> None:
    monkeypatch.setattr(sys, "argv", ["compare_losses.py", *arguments])
    script = str(REPO / "scripts" / "compare_losses.py")
    if status is None:
        runpy.run_path(script, run_name="__main__")
        return
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
