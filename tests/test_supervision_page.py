"""The page of the supervision table: the tree with what each set teaches."""

import re
from pathlib import Path

import pytest

from harmonize import cli
from harmonize.config.strict_yaml import dump
from tiny import tiny_values, write_project

ROW = re.compile(r'<span class="name"[^>]*>([^<]+)</span>(.*)')
CELL = re.compile(r'<span class="cell"[^>]*>([^<]*)</span>')


@pytest.fixture
def page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """The page of the two tiny sets."""
    project = write_project(tmp_path)
    (project / "run.yaml").write_text(dump(tiny_values(project, "run")))
    assert cli.main(["check", str(project / "run.yaml"), "--page", str(project / "s.html")]) == 0
    capsys.readouterr()
    assert cli.main(["check", str(project / "run.yaml"), "--page", str(project / "s.html")]) == 0
    return (project / "s.html").read_text()


def test_every_node_has_a_row_with_the_share_of_each_set(page: str) -> None:
    rows = {name: CELL.findall(rest) for name, rest in ROW.findall(page)}
    assert list(rows) == ["node", "background", "thing", "left", "right"]
    # 480 pixels a picture, 168 of them of the thing; a set has one void pixel in the background
    assert rows["background"] == [f"{100 * 311 / 479:.1f}", f"{100 * 312 / 480:.1f}"]
    assert rows["thing"] == [f"{100 * 168 / 479:.1f}", f"{100 * 168 / 480:.1f}"]
    assert rows["left"] == rows["right"] == [f"{100 * 84 / 479:.1f}", ""]


def test_inner_nodes_unfold_and_cells_say_what_they_count(page: str) -> None:
    assert page.count("<details") == 1
    assert 'title="fine: 840 pixels of left"' in page
    assert 'title="coarse: 1344 pixels of thing"' in page
    assert page.count("<!DOCTYPE html>") == 1
    assert not re.search(r'(src|href)="(?!#)', page)
