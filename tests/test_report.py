"""The report of runs: what is on the page, what is missing from it, and what is refused."""

import json
import math
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tiny import COARSE, FINE, TREE, tiny_config, write_project

from harmonize.cli import main
from harmonize.config.schema import build
from harmonize.config.strict_yaml import Document
from harmonize.errors import HarmonizeError
from harmonize.inference.tiled_network import TiledNetwork
from harmonize.pipeline.train import train
from harmonize.report import make_report as make
from harmonize.report.make_report import make_report
from harmonize.runs.metrics_log import EVENTS

HOSTILE = "<script>alert(1)</script>"
QUOTES = "\"&'><b>"
NODE = "thing\"&'<i>"
VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Reads a page and keeps its elements, its text, and what does not nest."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.source = path.read_text()
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def classed(self, name: str) -> list[dict[str, str]]:
        return [a for _, a in self.elements if name in a.get("class", "").split()]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose nodes, classes and run have names that are code elsewhere."""
    folder = write_project(tmp_path_factory.mktemp("report"))
    (folder / "tiny.txt").write_text(TREE.replace("thing", NODE))
    fine = FINE.replace("left: ", f"{json.dumps(HOSTILE)}: ", 2)
    coarse = COARSE.replace("thing: thing", f"thing: {json.dumps(NODE)}")
    (folder / "fine.yaml").write_text(f"root: {folder}/fine_data\n{fine}")
    (folder / "coarse.yaml").write_text(f"root: {folder}/coarse_data\n{coarse}")
    config = tiny_config(folder, folder / f"run{QUOTES}", "train.evaluate_every=3")
    train(config, name="tiny")
    return folder


@pytest.fixture
def run(project: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be spoiled."""
    return Path(shutil.copytree(project / f"run{QUOTES}", tmp_path / f"run{QUOTES}"))


@pytest.fixture(scope="module")
def page(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    output = tmp_path_factory.mktemp("page") / "page.html"
    return Page(make_report([project / f"run{QUOTES}"], output))


def test_the_page_is_whole_and_needs_nothing_beside_it(page: Page) -> None:
    assert page.wrong == []
    assert page.open == []
    assert page.source.startswith("<!DOCTYPE html>")
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert not page.all("link")
    assert all("src" not in script for script in page.all("script"))
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert {a["href"] for a in page.all("a")} <= {f"#{one}" for one in ids}
    assert "url(" not in page.source
    drawn = {a["href"][:11] for a in page.all("image")}
    assert drawn == {"data:image/"}
    assert not page.all("use")
    assert "@import" not in page.source
    assert {"name": "generator", "content": "harmonize report"} in page.all("meta")


def test_names_come_out_as_text_everywhere(page: Page) -> None:
    assert len(page.all("script")) == 1  # the page's own
    assert not [a for a in page.all("b") if a]
    assert "<script>alert" not in page.source
    assert HOSTILE in page.text
    assert f"run{QUOTES}" in page.text
    assert any(HOSTILE in image["alt"] for image in page.all("img"))
    assert any(QUOTES in svg.get("aria-label", "") for svg in page.all("svg"))
    assert NODE in page.text
    assert any(NODE in image["alt"] for image in page.all("img"))


def test_names_in_files_that_others_wrote_come_out_as_text(run: Path, tmp_path: Path) -> None:
    evaluation = json.loads((run / "evaluation.json").read_text())
    evaluation["datasets"][HOSTILE] = evaluation["datasets"].pop("fine")
    evaluation["datasets"][HOSTILE]["skipped"] = {QUOTES: f"{HOSTILE} \x1b \u202e"}
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    lines = (run / "metrics.jsonl").read_text().replace('"fine"', json.dumps(QUOTES))
    (run / "metrics.jsonl").write_text(lines)
    (run / "config.yaml").write_text(f"{HOSTILE}</pre>\n")
    made = Page(make_report([run], tmp_path / "x.html"))
    assert made.wrong == []
    assert len(made.all("script")) == 1
    assert len(made.all("pre")) == 1
    assert f"{HOSTILE} \\x1b \\u202e" in made.text
    assert f"{HOSTILE}</pre>" in made.text
    assert QUOTES in made.text


def test_it_can_be_used_without_seeing_and_without_a_mouse(page: Page) -> None:
    assert [a for a in page.all("html") if a.get("lang") == "en"]
    assert len(page.all("h1")) == 1
    labels = {label["for"] for label in page.all("label")}
    assert labels == {slider["id"] for slider in page.all("input")}
    assert all(image["alt"] for image in page.all("img"))
    drawings = [svg for svg in page.all("svg") if "xmlns" in svg]  # others are parts of them
    assert all(svg["role"] == "img" and svg["aria-label"] for svg in drawings)
    assert all("tabindex" in box for box in page.classed("scroll"))


def test_every_section_is_there(page: Page) -> None:
    sections = [section["id"] for section in page.all("section")]
    middle = ["curves", "scores", "confusion", "confidence", "extremes"]
    assert sections == ["summary", "pictures", "tree", *middle, "made"]
    for words in ("hierarchical F", "height of mistakes", "calibration error", "torchvision"):
        assert words in page.text
    assert "ontology:" in page.text  # the config
    assert "void" in page.text  # in the truth's legend


def test_pictures_go_from_coarse_to_fine_to_backed_off(page: Page) -> None:
    scenes = [a for a in page.all("figure") if "data-scene" in a]
    assert len(scenes) == 8  # four of each data set, as many as are there
    answers = [a["data-answer"] for _, a in page.elements if "data-answer" in a]
    assert answers == ["depth 1", "leaves", "backed off"] * 8
    everything = next(a for a in page.all("input") if a["id"] == "all")
    assert json.loads(everything["data-names"]) == ["depth 1", "leaves", "backed off"]
    assert len(page.classed("extreme")) == 2 * 2 * 2  # of four or five pictures each


def test_the_tree_says_what_means_a_node_and_how_well_it_is_told(run: Path, tmp_path: Path) -> None:
    evaluation = json.loads((run / "evaluation.json").read_text())
    one = evaluation["datasets"]["coarse"]
    one["depths"] = [
        {"depth": 1, "mean_iou": 0.5, "iou": {"background": 0.904, NODE: None}},
        {"depth": 2, "mean_iou": 1.0, "iou": {"background": 1.0}},
    ]
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    made = Page(make_report([run], tmp_path / "x.html"))
    cells = [a for _, a in made.elements if "iou" in a.get("class", "").split()]
    coarse = cells[1::2]  # of the rows background, thing, left, right
    assert coarse[0]["style"] == "--v:0.904"
    assert "on" in coarse[0]["class"].split()
    assert coarse[1]["title"] == "in neither truth nor answers"
    assert coarse[2] == coarse[3] == {"class": "iou"}
    assert "90 %" in made.text


def test_backed_off_answers_are_calibrated_if_the_calibration_is_of_the_checkpoint(
    run: Path, tmp_path: Path
) -> None:
    path = run / "calibration.json"
    facts = json.loads(path.read_text())
    one = facts["datasets"]["coarse"]
    one["calibration_error"] = {"before": 0.1, "after": 0.05}
    for point in one["curve"]:
        point["kept"] = point["confidence"] != 0.9
    path.write_text(json.dumps(facts))
    fitting = Page(make_report([run], tmp_path / "x.html"))
    alts = [image["alt"] for image in fitting.all("img")]
    assert len([alt for alt in alts if "calibrated probability 0.9 and more" in alt]) == 8
    assert len([alt for alt in alts if "and more, as for coarse" in alt]) == 4
    assert "calibration error 10.0 % before and 5.0 % after" in fitting.text
    assert "The promise is not kept at 90 %." in fitting.text
    assert "confidence" in [section["id"] for section in fitting.all("section")]
    path.write_text(json.dumps({**facts, "step": 3}))
    stale = Page(make_report([run], tmp_path / "x.html"))
    assert not any("calibrated probability" in image["alt"] for image in stale.all("img"))
    assert "The calibration is that of step 3" in stale.text
    one["curve"][0]["coverage"] = 1.5
    path.write_text(json.dumps(facts))
    damaged = Page(make_report([run], tmp_path / "x.html"))
    assert "coverage: expected a number at least 0 and at most 1, got 1.5" in damaged.text
    path.write_text("{}")
    damaged = Page(make_report([run], tmp_path / "x.html"))
    assert "The calibration is left out:" in damaged.text
    assert len([a for a in damaged.all("figure") if "data-scene" in a]) == 8


def test_several_runs_stand_side_by_side(project: Path, run: Path, tmp_path: Path) -> None:
    lines = (run / "metrics.jsonl").read_text().splitlines()
    evaluation = json.loads((run / "evaluation.json").read_text())
    evaluation["datasets"]["coarse"]["mean_iou"] = 0.987
    evaluation["datasets"]["coarse"]["left_out"] = {"thing": "nobody taught it"}
    (run / "evaluation.json").write_text(json.dumps(evaluation))
    (run / "metrics.jsonl").write_text("\n".join(lines[:3]) + "\n")
    made = Page(make_report([project / f"run{QUOTES}", run], tmp_path / "both.html"))
    assert made.wrong == []
    assert "2 runs side by side" in made.text
    first, second = f"{project.name}/run{QUOTES}", f"{tmp_path.name}/run{QUOTES}"
    assert first in made.text
    assert second in made.text
    assert "98.7 %" in made.text
    assert made.classed("best")
    assert f"thing : nobody taught it ({second})" in made.text
    assert len(made.classed("tree")) == 2
    assert "evaluation.json holds other scores" in made.text
    ids = [a["id"] for _, a in made.elements if "id" in a]
    assert len(ids) == len(set(ids))


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


def test_the_log_of_a_run_holds_nothing_that_its_reader_does_not_know(run: Path) -> None:
    events: set[str] = set()
    for line in (run / "metrics.jsonl").read_text().splitlines():
        value = json.loads(line)
        event = value.pop("event")
        build(EVENTS[event], Document(event, value))  # refuses unknown keys
        events.add(event)
    assert events == {"train", "evaluation"}


def test_nothing_but_a_report_is_overwritten(run: Path) -> None:
    made = make_report([run])
    assert made == run / "report.html"
    before = made.read_bytes()
    made.write_bytes(before + b"<!-- first -->")
    assert b"first -->" not in make_report([run]).read_bytes()
    made.write_text("<html>my notes</html>")
    with pytest.raises(HarmonizeError, match=r"report\.html: is there already and is no report"):
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


def test_it_is_quick_quiet_and_small(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    passes: list[int] = []
    real = TiledNetwork.logits
    monkeypatch.setattr(TiledNetwork, "logits", lambda net, x: passes.append(1) or real(net, x))
    assert make_report([run], tmp_path / "x.html").stat().st_size < 1_000_000
    assert capfd.readouterr() == ("", "")
    assert len(passes) == 2 * (4 + 2 + 2)
    passes.clear()
    monkeypatch.setattr(make, "_BYTES", 5_000)
    made = Page(make_report([run], tmp_path / "x.html"))
    assert 0 < len(passes) < 10
    assert "Some pictures are left out, so that the page stays small." in made.text
