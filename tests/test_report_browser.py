"""The report in a real browser: it runs without errors, and its slider changes the pictures."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from harmonize.pipeline.train import train
from harmonize.report.make_report import make_report
from tiny import FINE, tiny_config, write_project

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "<script>document.body.dataset.stolen = 1</script>"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine")

LISTEN = """<script>
window.problems = [];
window.onerror = (message) => { window.problems.push(String(message)); };
const told = console.error;
console.error = (...words) => { window.problems.push(words.join(" ")); told(...words); };
</script>"""

USE = """<script>
function shown() {
  return [...document.querySelectorAll("[data-scene]")].map((scene) => {
    const seen = [...scene.querySelectorAll("[data-answer]")].filter(
      (answer) => getComputedStyle(answer).visibility === "visible");
    return seen.map((answer) => [answer.dataset.answer, answer.querySelector("img").src]);
  });
}
function move(slider, position) {
  slider.focus();
  slider.value = position;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  return { focused: document.activeElement === slider, shown: shown(),
           says: slider.getAttribute("aria-valuetext"),
           output: slider.parentElement.querySelector("output").textContent };
}
addEventListener("load", () => {
  const all = document.getElementById("all");
  const one = document.querySelector("[data-scene] input");
  const found = { start: shown() };
  found.coarse = move(all, 0);
  found.alone = move(one, 1);
  found.backed_off = move(all, 2);
  found.broken = [...document.images].filter((image) => !image.naturalWidth).length;
  found.images = document.images.length;
  found.wide = document.documentElement.scrollWidth;
  found.window = innerWidth;
  found.tallest = Math.max(
    ...[...document.querySelectorAll(".scores th")].map((name) => name.offsetHeight));
  const heat = document.querySelector("[data-heat]");
  const drawing = heat.querySelector("svg");
  const facts = JSON.parse(heat.dataset.heat);
  const box = drawing.getBoundingClientRect();
  const scale = box.width / drawing.viewBox.baseVal.width;
  const middle = (number) => (facts.corner + (number + 0.5) * facts.cell) * scale;
  const point = (x, y) => {
    const where = { clientX: box.left + x, clientY: box.top + y };
    drawing.dispatchEvent(new PointerEvent("pointermove", where));
    return heat.querySelector(".cell").textContent;
  };
  found.facts = facts;
  found.cell = [point(1, 1), point(middle(1), middle(0))];
  found.headings = [...document.querySelectorAll("h1, h2")].map((one) => one.textContent);
  found.problems = window.problems;
  document.body.dataset.found = JSON.stringify(found);
});
</script>"""


class _Body(HTMLParser):
    """Keeps the attributes of the body."""

    attributes: dict[str, str | None]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":
            self.attributes = dict(attrs)


@dataclass
class Visit:
    """What a page wrote on its body, and the lines of the browser's console."""

    body: dict[str, str | None]
    console: list[str]

    @property
    def found(self) -> dict[str, Any]:
        return json.loads(self.body["data-found"] or "{}")


def visit(page: Path, folder: Path, extra: str = "", *, width: int = 1280) -> Visit:
    """Open a copy of a page that is listened to and used."""
    source = page.read_text()
    assert "<body>\n" in source
    copy = folder / "copy.html"
    copy.write_text(
        source.replace("<body>\n", f"<body>\n{LISTEN}").replace("</body>", f"{extra}{USE}</body>")
    )
    options = [
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--enable-logging=stderr", "--virtual-time-budget=5000", f"--window-size={width},900"),
    ]
    done = subprocess.run(
        [str(CHROMIUM), *options, f"--user-data-dir={folder / 'browser'}", "--dump-dom", str(copy)],
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    body = _Body()
    body.feed(done.stdout)
    return Visit(body.attributes, [line for line in done.stderr.splitlines() if "CONSOLE" in line])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("browser"))
    fine = FINE.replace("left: ", f"{json.dumps(HOSTILE)}: ", 2)
    (folder / "fine.yaml").write_text(f"root: {folder}/fine_data\n{fine}")
    run = train(tiny_config(folder, folder / "run", "train.steps=25", "optim.lr=0.1"), name="tiny")
    return make_report([run])


def test_the_slider_changes_the_pictures_without_any_error(report: Path, tmp_path: Path) -> None:
    seen = visit(report, tmp_path)
    found = seen.found
    assert found["problems"] == []
    assert seen.console == []
    assert "data-stolen" not in seen.body
    assert found["images"] > 40
    assert found["broken"] == 0
    assert "Pictures, from coarse to fine" in found["headings"]

    def names(shown: list[list[list[str]]]) -> list[str]:
        assert all(len(scene) == 1 for scene in shown)  # one answer is seen of each picture
        return [scene[0][0] for scene in shown]

    assert names(found["start"]) == ["leaves"] * 8
    assert names(found["coarse"]["shown"]) == ["depth 1"] * 8
    assert names(found["alone"]["shown"]) == ["leaves"] + ["depth 1"] * 7
    assert names(found["backed_off"]["shown"]) == ["backed off"] * 8
    pictures = zip(found["start"], found["coarse"]["shown"], strict=True)
    assert any(fine[0][1] != coarse[0][1] for fine, coarse in pictures)
    for move, name in (("coarse", "depth 1"), ("alone", "leaves"), ("backed_off", "backed off")):
        assert found[move]["says"] == found[move]["output"] == name
        assert found[move]["focused"]


def test_a_cell_of_the_confusion_that_is_pointed_at_says_its_count(
    report: Path, tmp_path: Path
) -> None:
    found = visit(report, tmp_path).found
    (truth, answer, *_), (row, *_) = found["facts"]["classes"], found["facts"]["counts"]
    share = f"{100 * row[1] / sum(row):.3g}"
    says = f"{truth} answered as {answer}: {row[1]} pixels, {float(share):g} %"
    assert found["cell"] == ["", says]  # there is no cell in the corner


def test_the_page_does_not_scroll_sideways_on_a_phone(report: Path, tmp_path: Path) -> None:
    found = visit(report, tmp_path, width=390).found
    assert found["window"] <= 500  # some browsers have no narrower windows
    assert found["wide"] <= found["window"]
    assert found["tallest"] < 50  # names are not broken letter by letter


def test_errors_would_be_seen(report: Path, tmp_path: Path) -> None:
    seen = visit(report, tmp_path, "<script>console.error('oh'); nothing_of_this_name();</script>")
    problems = " ".join(seen.found["problems"])
    assert "oh" in problems
    assert "nothing_of_this_name" in problems
    assert len(seen.console) == 2
