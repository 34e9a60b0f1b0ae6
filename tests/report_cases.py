"""A trained run whose names are code elsewhere, and the page of its report."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harmonize.pipeline.train import train
from tiny import COARSE, FINE, TREE, tiny_config, write_project

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
