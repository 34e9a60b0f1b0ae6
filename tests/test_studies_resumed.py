"""Studies that are stopped and go on, or whose runs are not what they should be."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from study_cases import FILES, NAMES, study

from harmonize import HarmonizeError
from harmonize.runs import checkpoints


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A finished study that may be changed."""
    return shutil.copytree(finished, tmp_path / "study")


def modified(folder: Path) -> dict[str, int]:
    return {name: (folder / name / "evaluation.json").stat().st_mtime_ns for name in NAMES}


def edit_metrics(run: Path, old: str, new: str) -> None:
    path = run / "metrics.jsonl"
    text, number = re.subn(old, new, path.read_text(), count=1)
    assert number == 1
    path.write_text(text)


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
    assert (copied / "table.md").read_text().strip() in printed
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
    with pytest.raises(HarmonizeError, match=r"evaluation\.json: cannot be read: datasets is mis"):
        study(project, copied)
    (run / "config.yaml").unlink()
    with pytest.raises(HarmonizeError, match="flat-seed0: exists and is no run folder; remove it"):
        study(project, copied)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda all_: all_.pop("fine"), "has no scores of fine; remove "),
        (lambda all_: all_["fine"].pop("split"), "cannot be read: fine: split is missing; remove "),
        (lambda all_: all_["fine"]["iou"].pop("left"), "says nothing of left of fine; remove "),
        (lambda all_: all_["fine"].pop("mistakes"), "says nothing of hierarchical F, % of fine; "),
        (lambda all_: all_["fine"].update(mean_iou="x"), "cannot be read: fine: an IoU is 'x'; r"),
        (
            lambda all_: all_["fine"].update(mean_iou=float("nan")),
            "cannot be read: fine: an IoU is 'nan'",
        ),
        (lambda all_: all_["fine"].update(pictures="x"), "cannot be read: fine: pictures 'x' is"),
        (lambda all_: all_["fine"]["depths"][0].update(iou=3), "cannot be read: 'int' object has"),
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
    with pytest.raises(HarmonizeError, match=r"jsonl: step 1: says nothing of mean IoU of fine; "):
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
