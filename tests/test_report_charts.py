"""Charts and heat maps as SVG: their shapes, their numbers, and names that come out as text."""

import math
from xml.etree import ElementTree

import pytest
from harmonize.report.run_scores import Confusion
from harmonize.report.ticks import log_ticks, round_ticks, written

from harmonize import DatasetSpec, Ontology
from harmonize.config.strict_yaml import load_text
from harmonize.report.charts import COLORS, Series, line_chart
from harmonize.report.heat import branch_borders, draw_confusion
from harmonize.report.svg import shortened

HOSTILE = "<script>alert(1)</script> \"&' \x1b"
SVG = "{http://www.w3.org/2000/svg}"


def draw(*series: Series, **options: object) -> ElementTree.Element:
    defaults = {"title": "a title", "x_label": "step", "y_label": "loss"}
    return ElementTree.fromstring(line_chart(series, **{**defaults, **options}))  # type: ignore[arg-type]


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def paths(root: ElementTree.Element) -> list[str]:
    return [element.attrib["d"] for element in root.iter(f"{SVG}path")]


def test_a_line_is_broken_where_values_are_missing_or_no_numbers() -> None:
    root = draw(Series("a", [0, 1, 2, 3, 4, 5], [1.0, 2.0, None, 3.0, math.nan, 4.0]))
    assert paths(root)[0].count("M") == 3
    assert "nan" not in ElementTree.tostring(root, encoding="unicode").lower()


def test_a_band_goes_up_one_edge_and_back_the_other_and_widens_the_axis() -> None:
    root = draw(Series("a", [0, 1], [5.0, 5.0], low=[0.0, 0.0], high=[10.0, None]))
    (band,) = root.iter(f"{SVG}polygon")
    assert len(band.attrib["points"].split()) == 2  # where either edge is missing there is no band
    assert {"0.0", "10.0"} <= set(texts(root))


def test_points_say_their_values() -> None:
    root = draw(Series("a", [10, 20], [0.125, 0.5]), percent=True)
    titles = [title.text for circle in root.iter(f"{SVG}circle") for title in circle]
    assert titles == ["a: 12.5 % at 10", "a: 50 % at 20"]


def test_values_outside_a_given_range_are_cut_off() -> None:
    root = draw(Series("a", [0, 1, 2], [0.1, 0.4, 0.9]), y_range=(0.3, 0.5))
    assert len(list(root.iter(f"{SVG}circle"))) == 1
    assert "0.9" not in texts(root)


def test_names_come_out_as_text() -> None:
    root = draw(Series(HOSTILE, [0], [1.0]), title=HOSTILE, x_label=HOSTILE, y_label=HOSTILE)
    shown = HOSTILE.replace("\x1b", r"\x1b")
    assert not list(root.iter("script"))
    assert not list(root.iter(f"{SVG}script"))
    assert root.attrib["aria-label"] == shown
    assert sum(shown == text for text in texts(root)) == 3
    assert sum("<script>" in (title.text or "") for title in root.iter(f"{SVG}title")) == 3


def test_a_chart_without_values_says_so() -> None:
    for root in (draw(), draw(Series("a", [1, 2], [None, None]))):
        assert "no values" in texts(root)
    assert "no values" not in texts(draw(Series("a", [1], [1.0])))


def test_logarithmic_axes_leave_out_what_has_no_logarithm() -> None:
    root = draw(Series("a", [0, 1, 10, 100], [1.0, 2.0, 3.0, 4.0]), log_x=True)
    places = [float(circle.attrib["cx"]) for circle in root.iter(f"{SVG}circle")]
    assert len(places) == 3
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.02)


def test_the_background_is_white_for_files_and_none_for_pages() -> None:
    def fills(root: ElementTree.Element) -> list[str]:
        return [rect.attrib["fill"] for rect in root.iter(f"{SVG}rect")]

    assert fills(draw()) == ["#ffffff"]
    page = draw(background=None)
    assert fills(page) == []
    assert "currentColor" in {text.attrib.get("fill") for text in page.iter(f"{SVG}text")}


def test_colours_can_be_seen_on_white_and_on_black() -> None:
    def luminance(color: str) -> float:
        parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for color in COLORS:
        for paper in ("#fdfdfc", "#131619"):
            one, other = sorted((luminance(color), luminance(paper)))
            assert (other + 0.05) / (one + 0.05) > 3, (color, paper)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2.5, 5, 7.5, 10]),
        (0.12, 0.31, [0.1, 0.15, 0.2, 0.25, 0.3, 0.35]),
        (3, 3, [1.0, 2.0, 3.0, 4.0, 5.0]),
        (0, 0, [-1.0, -0.5, 0.0, 0.5, 1.0]),
    ],
)
def test_ticks_are_round_and_reach_beyond_the_values(
    low: float, high: float, expected: list[float]
) -> None:
    assert round_ticks(low, high, 5) == pytest.approx(expected)


def test_numbers_along_an_axis_have_as_many_decimals_as_tell_them_apart() -> None:
    assert written([0, 2.5, 5]) == ["0.0", "2.5", "5.0"]
    assert written([0, 10000]) == ["0", "10 000"]
    assert written([0, 0.025, 0.05], percent=True) == ["0.0 %", "2.5 %", "5.0 %"]
    assert log_ticks(1, 150) == [1, 2, 5, 10, 20, 50, 100]
    assert log_ticks(1, 1e6) == [1, 10, 100, 1000, 1e4, 1e5, 1e6]


def test_long_names_keep_their_ends() -> None:
    assert shortened("construction--flat--bike-lane", 16) == "const…-bike-lane"
    assert shortened("short", 16) == "short"


def heat(confusion: Confusion, **options: object) -> ElementTree.Element:
    return ElementTree.fromstring(draw_confusion(confusion, title="t", **options))  # type: ignore[arg-type]


def test_each_row_of_the_heat_map_is_shares_of_its_truth() -> None:
    root = heat(Confusion(("a", HOSTILE), ((30, 10), (0, 5))))
    cells = [rect for rect in root.iter(f"{SVG}rect") if rect.attrib.get("class") == "heat"]
    assert [float(cell.attrib["fill-opacity"]) for cell in cells] == [0.87, 0.5, 1.0]
    shown = HOSTILE.replace("\x1b", r"\x1b")
    assert [cell[0].text for cell in cells] == [
        "a answered as a: 30 pixels, 75 %",
        f"a answered as {shown}: 10 pixels, 25 %",
        f"{shown} answered as {shown}: 5 pixels, 100 %",
    ]
    assert {"75", "25", "100"} <= set(texts(root))


def test_many_classes_make_small_cells_without_numbers() -> None:
    names = tuple(f"class_{number}" for number in range(66))
    counts = tuple(tuple(int(row == column) for column in range(66)) for row in range(66))
    root = heat(Confusion(names, counts))
    assert float(root.attrib["width"]) < 1000
    assert "100" not in texts(root)
    assert len([r for r in root.iter(f"{SVG}rect") if r.attrib.get("class") == "heat"]) == 66


def test_lines_part_the_branches_of_the_tree() -> None:
    tree = Ontology("road\nthing\n\tcar\n\tperson\n\t\trider\n\t\twalker\nsky\n", name="t")
    mapping = """
name: m
picture: "{id}.png"
label: "{id}_l.png"
encoding: ids
splits: {val: {range: [0, 1]}}
classes: {street: 0, auto: 1, rider: 2, walker: 3, air: 4}
meaning: {t: {street: road, auto: car, rider: rider, walker: walker, air: sky}}
"""
    spec = DatasetSpec.from_document(load_text(mapping, "m"))
    borders = branch_borders(tree, spec, ["street", "auto", "rider", "walker", "air"])
    assert borders == [(1, 1), (2, 2), (4, 1)]
    counts = tuple(tuple(1 for _ in range(5)) for _ in range(5))
    root = heat(Confusion(("street", "auto", "rider", "walker", "air"), counts), borders=borders)
    strengths = [line.attrib["opacity"] for line in root.iter(f"{SVG}line")]
    assert strengths == ["1", "1", "0.35", "0.35", "1", "1"]
