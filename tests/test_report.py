"""The report of runs: what is on the page, what is missing from it, and what is refused."""

import json
from pathlib import Path

import pytest

import report_cases
from harmonize.config.schema import build
from harmonize.config.strict_yaml import Document
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.report import make_report as make
from harmonize.report.make_report import make_report
from harmonize.runs.metrics_log import EVENTS
from report_cases import HOSTILE, NODE, QUOTES, Page

project, run = report_cases.project, report_cases.run  # fixtures


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
    assert "Runs are not compared: " in made.text  # the scores are not those of its pictures
    assert "evaluation.json holds other scores" in made.text
    ids = [a["id"] for _, a in made.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_several_runs_are_compared_picture_by_picture(
    project: Path, run: Path, tmp_path: Path
) -> None:
    made = Page(make_report([project / f"run{QUOTES}", run], tmp_path / "both.html"))
    assert made.wrong == []
    assert "Differences Mean IoU less that of" in made.text
    assert "fine classes 5 +0.00 [+0.00, +0.00] does not differ" in made.text
    assert "fine depth 1 5 +0.00 [+0.00, +0.00] does not differ" in made.text
    assert len(made.classed("interval")) >= 2 * 2 * 3  # of two sets, two runs, with two depths


def test_the_log_of_a_run_holds_nothing_that_its_reader_does_not_know(run: Path) -> None:
    events: set[str] = set()
    for line in (run / "metrics.jsonl").read_text().splitlines():
        value = json.loads(line)
        event = value.pop("event")
        build(EVENTS[event], Document(event, value))  # refuses unknown keys
        events.add(event)
    assert events == {"train", "evaluation"}


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
