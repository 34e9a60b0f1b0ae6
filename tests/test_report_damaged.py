"""Reports of runs that are unfinished, damaged, old or without their data."""

import json
import math
import shutil
from pathlib import Path

import pytest

import report_cases
from harmonize.cli import main
from harmonize.errors import HarmonizeError
from harmonize.report.make_report import make_report
from report_cases import Page

project, run = report_cases.project, report_cases.run  # fixtures


def test_without_the_data_there_is_everything_but_pictures(
    project: Path, run: Path, tmp_path: Path
) -> None:
    moved = project / "elsewhere"
    (project / "fine_data").rename(moved)
    try:
        made = Page(make_report([run], tmp_path / "x.html"))
        found = Page(make_report([run], tmp_path / "y.html", roots={"fine": str(moved)}))
    finally:
        moved.rename(project / "fine_data")
    assert "fine is not shown: fine: the data set's folder was not found" in made.text
    assert len([a for a in made.all("figure") if "data-scene" in a]) == 4
    assert "is not shown" not in found.text
    assert len([a for a in found.all("figure") if "data-scene" in a]) == 8


def test_a_picture_that_cannot_be_read_is_told(project: Path, run: Path, tmp_path: Path) -> None:
    victim = project / "coarse_data" / "c8.png"
    data = victim.read_bytes()
    victim.write_bytes(data[:50])
    try:
        made = Page(make_report([run], tmp_path / "x.html"))
    finally:
        victim.write_bytes(data)
    assert "A picture is missing:" in made.text
    assert len([a for a in made.all("figure") if "data-scene" in a]) == 7


def test_a_data_set_that_has_changed_shows_no_wrong_picture(run: Path, tmp_path: Path) -> None:
    evaluation = json.loads((run / "evaluation.json").read_text())
    worst = evaluation["datasets"]["coarse"]["worst"]
    worst[0]["picture"] = "another.png"
    worst[1]["number"] = 4000
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    made = Page(make_report([run], tmp_path / "x.html"))
    assert "coarse: another.png is not there any more." in made.text
    assert len(made.classed("extreme")) == 2 * 2 * 2 - 2


def test_a_run_that_goes_on_gets_a_report_of_what_is_there(run: Path, tmp_path: Path) -> None:
    (run / "evaluation.json").unlink()
    lines = (run / "metrics.jsonl").read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["step"] <= 3]
    (run / "metrics.jsonl").write_text("\n".join(kept) + '\n{"event": "trai')
    made = Page(make_report([run], tmp_path / "x.html"))
    assert "There is no evaluation.json yet; the scores are those after step 3." in made.text
    assert "1 line of metrics.jsonl cannot be read" in made.text
    shutil.rmtree(run / "checkpoints")
    (run / "metrics.jsonl").unlink()
    made = Page(make_report([run], tmp_path / "x.html"))
    assert "The run has no scores yet." in made.text
    assert "There are no pictures" in made.text
    assert made.classed("tree")  # from the files that the config names
    shutil.move(run / "config.yaml", run / "metrics.jsonl")  # no line of it is JSON
    made = Page(make_report([run], tmp_path / "x.html"))
    assert "config.yaml cannot be read" in made.text
    assert "lines of metrics.jsonl cannot be read" in made.text
    assert not made.classed("tree")


def test_damaged_checkpoints_cost_the_pictures_alone(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (run / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-9])
    made = Page(make_report([run], tmp_path / "x.html"))
    assert "No pictures are answered:" in made.text
    assert "not a whole checkpoint" in made.text
    assert made.classed("tree")
    assert "warning:" in capsys.readouterr().err


def test_an_older_evaluation_is_shown_as_far_as_it_goes(run: Path, tmp_path: Path) -> None:
    evaluation = json.loads((run / "evaluation.json").read_text())
    kept = ("split", "pictures", "mean_iou", "pixel_accuracy", "iou", "left_out", "skipped")
    old = {name: {key: one[key] for key in kept} for name, one in evaluation["datasets"].items()}
    (run / "evaluation.json").write_text(json.dumps({"datasets": old}))
    made = Page(make_report([run], tmp_path / "x.html"))
    assert "mean IoU" in made.text
    assert "height of mistakes" not in made.text
    assert "confusion" not in [section["id"] for section in made.all("section")]


def scored(**changes: object) -> str:
    """Return an evaluation.json of a data set ``a``, with some changes."""
    facts = {"split": "val", "pictures": 1, "mean_iou": 0.5, "pixel_accuracy": 0.5, "iou": {}}
    return json.dumps({"datasets": {"a": {**facts, **changes}}})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"datasets": {"a"', "is damaged: not JSON"),
        ("[]", "expected a mapping of keys, got []"),
        ('{"datasets": {"a": 3}}', "datasets.a: expected a mapping of keys, got 3"),
        ('{"datasets": {"a": {}}}', "datasets.a: the key 'split' is missing; score it again with"),
        (scored(pictures=-1), "a.pictures: expected a number at least 0 and at most 1e+12, got -1"),
        (scored(pictures=10**400), "a.pictures: expected a number at least 0 and at most 1e+12"),
        (scored(mean_iou="x"), "a.mean_iou: expected a number, got 'x'"),
        (scored(mean_iou=math.nan), "a.mean_iou: expected a number at least 0 and at most 1, got"),
        (scored(mean_iou=10**400), "a.mean_iou: expected a number, got 1000"),
        (scored(worst={}), "a.worst: expected a list, got {}"),
        (scored(left_out={"b": 1}), "a.left_out.b: expected text, got 1"),
        (
            scored(confusion={"classes": ["b"], "counts": []}),
            "a.confusion.counts: expected 1 x 1 counts; score it again with",
        ),
        ("[" * 100000, "is damaged"),
        ("\udcff", "is damaged: not JSON: 'utf-8' codec can't decode byte"),
    ],
)
def test_a_damaged_evaluation_is_named(run: Path, text: str, message: str) -> None:
    path = run / "evaluation.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(HarmonizeError) as caught:
        make_report([run])
    assert str(path) in str(caught.value)
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1
    assert not (run / "report.html").exists()


def test_damaged_lines_of_metrics_are_left_out(run: Path, tmp_path: Path) -> None:
    good = (run / "metrics.jsonl").read_bytes()
    bad = b'{"event": "train", "step": "x"}\n[1]\nnull\n\xff\xfe\n'
    worse = b'{"event":"train","step":1,"loss":"a"}\n'
    (run / "metrics.jsonl").write_bytes(bad + worse + good + b"\n\n")
    made = Page(make_report([run], tmp_path / "x.html"))
    assert "5 lines of metrics.jsonl cannot be read, and left out: " in made.text


def test_nothing_but_a_report_is_overwritten(run: Path) -> None:
    made = make_report([run])
    assert made == run / "report.html"
    before = made.read_bytes()
    made.write_bytes(before + b"<!-- first -->")
    assert b"first -->" not in make_report([run]).read_bytes()
    made.write_text("<html>my notes</html>")
    with pytest.raises(
        HarmonizeError, match=r"report\.html: is there already, and not from this command"
    ):
        make_report([run])
    assert made.read_text() == "<html>my notes</html>"


@pytest.mark.parametrize(
    ("runs", "output", "message"),
    [
        (["none"], None, "none: no such run folder"),
        (["empty"], None, "empty: not a run folder; it has neither config.yaml nor metrics"),
        (["{run}", "{run}"], "x.html", "named twice"),
        (["{run}"], "empty", "empty: is a folder; name a file"),
        (["{run}"], "none/x.html", "x.html: its folder does not exist; make it first"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(
    run: Path, tmp_path: Path, runs: list[str], output: str | None, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    folders = [Path(str(tmp_path / name.replace("{run}", run.name))) for name in runs]
    with pytest.raises(HarmonizeError) as caught:
        make_report(folders, None if output is None else tmp_path / output)
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


def test_the_command_takes_roots_and_tells_mistakes(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(run), "-o", str(tmp_path / "x.html")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'x.html'} is there; open it in a browser\n"
    with pytest.raises(SystemExit):
        main(["report", str(run), f"data.roots.corse={tmp_path}"])
    assert "no run has a data set 'corse'; did you mean coarse?" in capsys.readouterr().err
