"""Class files that leave out some of the labels' values keep the names of the others."""

from pathlib import Path

import numpy as np
import pytest

from folder_cases import SCENE, draft, label, photo, save
from harmonize.tools.draft.class_tables import Entry, FoundClasses
from harmonize.tools.draft.draft_classes import best_table

SKY, BUILDING, ROAD, TREE = (r << 16 | g << 8 | b for r, g, b in [*SCENE.values()][:4])


def write_colors(folder: Path, colors: list[tuple[int, int, int]]) -> None:
    for number in range(4):
        save(folder / "images" / f"x{number}y.jpg", photo())
        save(folder / "labels" / f"x{number}y.png", np.array(colors)[label(range(len(colors)))])


@pytest.mark.parametrize("rest", [(0, 0, 0), (255, 255, 255), (145, 45, 45)])
def test_a_colour_that_the_class_file_lacks_is_open_and_the_others_have_names(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    rest: tuple[int, int, int],
) -> None:
    write_colors(tmp_path / "set", [SCENE["Sky"], SCENE["Road"], SCENE["Tree"], rest])
    rows = (f"{name},{','.join(map(str, color))}\n" for name, color in SCENE.items())
    text = "".join(row for row in rows if not row.startswith("Void"))
    (tmp_path / "set" / "class_colors.csv").write_text(f"name,r,g,b\n{text}")
    spec = draft(tmp_path / "set", monkeypatch)
    unnamed = "class_" + bytes(rest).hex()
    assert list(spec.classes) == ["Sky", "Building", "Road", "Tree", unnamed]
    assert (
        "TODO name, which class_colors.csv leaves out; 25.0 %"
        in (tmp_path / "set.yaml").read_text()
    )
    assert "1 name of 5" in capsys.readouterr().out


def test_a_class_file_that_names_too_few_colours_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    grey = [(10 * n, 10 * n, 10 * n + 1) for n in range(1, 6)]
    write_colors(tmp_path / "set", [SCENE["Sky"], SCENE["Road"], *grey])
    (tmp_path / "set" / "colors.txt").write_text("128 128 128 sky\n128 64 128 road\n1 2 3 tree\n")
    assert all(one.startswith("class_") for one in draft(tmp_path / "set", monkeypatch).classes)
    told = "not used: colors.txt: names 2 of 7 colours of the labels"
    assert f"# {told}\n" in (tmp_path / "set.yaml").read_text()
    assert f"note: {told}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pixels", "named"),
    [
        ({SKY: 60, ROAD: 30, TREE: 10}, True),  # 90 % of the pixels, by two of three colours
        ({SKY: 20, ROAD: 40, TREE: 40}, True),
        ({SKY: 20, ROAD: 20, TREE: 60}, False),
        ({SKY: 60, TREE: 40}, False),  # one colour may be a chance
        ({SKY: 5, ROAD: 5, 0: 90}, True),  # black, as what is no class often is
        ({SKY: 5, ROAD: 5, 0xFFFFFF: 90}, True),
    ],
)
def test_a_class_file_counts_by_the_pixels_whose_colours_it_names(
    pixels: dict[int, int], named: bool
) -> None:
    table = FoundClasses("c.csv", (Entry("sky", None, SKY), Entry("road", None, ROAD)))
    found = best_table([table], pixels, colors=True)
    assert found.names == ({SKY: "sky", ROAD: "road"} if named else {})


def test_the_class_file_that_names_the_most_colours_is_taken() -> None:
    entries = (Entry("sky", None, SKY), Entry("road", None, ROAD), Entry("void", None, 0))
    tables = [FoundClasses("a.csv", entries[:2]), FoundClasses("b.csv", entries)]
    for order in (tables, tables[::-1]):
        assert best_table(order, {SKY: 5, ROAD: 5, 0: 5}, colors=True).source == "b.csv"


@pytest.mark.parametrize(
    ("by_position", "pixels", "named"),
    [
        (False, {1: 50, 2: 45, 3: 5}, True),
        (False, {1: 50, 2: 40, 3: 10}, True),
        (False, {1: 50, 2: 35, 3: 15}, False),
        (True, {0: 50, 1: 49, 9: 1}, False),  # its lines may count otherwise
    ],
)
def test_an_id_of_few_pixels_may_be_missing_where_the_file_gives_ids(
    by_position: bool, pixels: dict[int, int], named: bool
) -> None:
    table = FoundClasses("c.txt", (Entry("a", 0), Entry("b", 1), Entry("c", 2)), by_position)
    found = best_table([table], pixels, colors=False)
    assert bool(found.names) == named
    assert found.unused == ("" if named else "not used: c.txt: names 2 of 3 ids of the labels")
