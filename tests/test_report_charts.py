"""Charts and heat maps as SVG: their shapes, their numbers, and names that come out as text."""

import base64
import io
import math
import re
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image

from harmonize import DatasetSpec, Ontology
from harmonize.config.strict_yaml import load_text
from harmonize.evaluation.saved_scores import SavedConfusion
from harmonize.report.charts import COLORS, Chart, Series, line_chart, panels
from harmonize.report.heat import HeatMap, branch_borders, draw_confusion
from harmonize.report.svg import INK, shortened

HOSTILE = "_<script>alert(1)</script> \"&' $x^2$ \x1b"
SHOWN = HOSTILE.replace("\x1b", r"\x1b")
SVG = "{http://www.w3.org/2000/svg}"


def chart(*series: Series, **options: object) -> Chart:
    words = {"title": "a title", "x_label": "step", "y_label": "loss"}
    return Chart(series, **{**words, **options})  # type: ignore[arg-type]


def draw(*series: Series, **options: object) -> ElementTree.Element:
    return ElementTree.fromstring(line_chart(chart(*series, **options)))


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def tips(root: ElementTree.Element) -> list[str]:
    return [title.text or "" for title in root.iter(f"{SVG}title")]


def of_points(root: ElementTree.Element) -> list[str]:
    return [title.text or "" for point in root.iter(f"{SVG}circle") for title in point]


def paths(root: ElementTree.Element, color: str = COLORS[0]) -> list[str]:
    """Return the paths in a colour: the line, the one in the legend, and before them a band."""
    return [one.attrib["d"] for one in root.iter(f"{SVG}path") if color in one.attrib["style"]]


def numbers(path: str) -> list[float]:
    return [float(word) for word in re.findall(r"[-\d.]+", path)]


def test_a_line_is_broken_where_values_are_missing_or_no_numbers() -> None:
    root = draw(Series("a", [0, 1, 2, 3, 4, 5], [1.0, 2.0, None, 3.0, math.nan, 4.0]))
    assert paths(root)[0].count("M") == 3
    assert "nan" not in ElementTree.tostring(root, encoding="unicode").lower()


def test_numbers_beyond_drawing_are_gaps_and_do_not_stretch_the_axis() -> None:
    root = draw(Series("a", [0, 1, 2, 3], [1.0, 1e300, 2.0, math.inf]))
    assert of_points(root) == ["a: 1 at 0", "a: 2 at 2"]
    assert [text for text in texts(root) if "." in text] == ["1.00", "1.25", "1.50", "1.75", "2.00"]


def test_a_line_runs_from_the_lower_left_to_the_upper_right_of_its_axes() -> None:
    root = draw(Series("a", [10, 20], [0.0, 1.0]))
    left, bottom, right, top = numbers(paths(root)[0])
    marks = {text.text: text.attrib for text in root.iter(f"{SVG}text")}
    assert (left, right) == (float(marks["10"]["x"]), float(marks["20"]["x"]))
    # Marks of 0.00 and 1.00 are centred on their lines: letters are a third of 12 pixels lower.
    assert float(marks["0.00"]["y"]) - bottom == pytest.approx(4, abs=1.5)
    assert float(marks["1.00"]["y"]) - top == pytest.approx(4, abs=1.5)
    points = [(float(p.attrib["cx"]), float(p.attrib["cy"])) for p in root.iter(f"{SVG}circle")]
    assert points == [(left, bottom), (right, top)]


def test_a_band_goes_up_one_edge_and_back_the_other_and_widens_the_axis() -> None:
    root = draw(Series("a", [0, 1, 2], [5.0] * 3, low=[0.0, 0.0, 1.0], high=[10.0, None, 10.0]))
    band = paths(root)[0]
    assert len(numbers(band)) // 2 == 4  # where either edge is missing there is none
    assert {"0.0", "10.0"} <= set(texts(root))


def test_points_say_their_values() -> None:
    root = draw(Series("a", [10, 20], [0.125, 0.5]), percent=True)
    assert of_points(root) == ["a: 12.5 % at 10", "a: 50 % at 20"]
    assert [text for text in texts(root) if "%" in text] == ["0 %", "20 %", "40 %", "60 %"]


def test_points_of_a_long_line_are_hidden_and_fewer() -> None:
    root = draw(Series("a", range(1000), [0.5] * 1000))
    groups = [one for one in root.iter(f"{SVG}g") if one.find(f"{SVG}circle") is not None]
    assert [one.attrib["opacity"] for one in groups] == ["0"]
    assert len(of_points(root)) == 112  # every ninth
    assert len(numbers(paths(root)[0])) // 2 == 1000


def test_values_outside_a_given_range_are_cut_off() -> None:
    low, high = [0.0, 0.35, 0.8], [0.2, 0.45, 1.0]
    root = draw(Series("a", [0, 1, 2], [0.1, 0.4, 0.9], low, high), y_range=(0.3, 0.5))
    assert of_points(root) == ["a: 0.4 at 1"]
    assert "0.9" not in texts(root)
    highs = numbers(paths(root)[0])[1::2]
    assert max(highs) - min(highs) < 290 - 46  # within the plot


def test_names_come_out_as_text() -> None:
    root = draw(Series(HOSTILE, [0], [1.0]), title=HOSTILE, x_label=HOSTILE, y_label=HOSTILE)
    assert not list(root.iter("script"))
    assert not list(root.iter(f"{SVG}script"))
    assert root.attrib["aria-label"] == SHOWN
    assert texts(root).count(SHOWN) == 4  # title, name, both axes
    assert tips(root) == [SHOWN, SHOWN, f"{SHOWN}: 1 at 0"]


def test_a_long_name_is_shortened_and_shown_whole_when_pointed_at() -> None:
    name = "run-" + "x" * 60
    root = draw(Series(name, [0], [1.0]))
    assert shortened(name, 44) in texts(root)
    assert name in tips(root)


def test_a_chart_without_values_says_so() -> None:
    for root in (draw(), draw(Series("a", [1, 2], [None, None]))):
        assert "no values" in texts(root)
    assert "no values" not in texts(draw(Series("a", [1], [1.0])))


def test_logarithmic_axes_mark_their_points_and_leave_out_what_has_no_logarithm() -> None:
    root = draw(Series("a", [0, 1, 10, 100], [1.0, 2.0, 3.0, 4.0]), log_x=True)
    places = [float(circle.attrib["cx"]) for circle in root.iter(f"{SVG}circle")]
    assert len(places) == 3
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.11)
    assert texts(root)[:3] == ["1", "10", "100"]


def test_a_chart_has_ink_of_the_page_s_colour_no_paper_and_no_id() -> None:
    page = line_chart(chart(Series("a", [1, 2], [1.0, 2.0], low=[0.0, 0.0], high=[2.0, 3.0])))
    assert INK not in page
    assert "#ffffff" not in page
    assert "currentColor" in page
    assert " id=" not in page
    assert "url(" not in page
    words = list(ElementTree.fromstring(page).iter(f"{SVG}text"))
    assert words
    assert all("fill: currentColor" in word.attrib["style"] for word in words)
    assert len(page) < 6000


def test_panels_stand_in_rows_on_white() -> None:
    one = chart(Series("a", [1, 2], [1.0, 2.0]))
    file = panels([[one, one], [one]], width=300, height=200)
    root = ElementTree.fromstring(file)
    assert (root.attrib["width"], root.attrib["height"]) == ("600", "400")
    assert "fill: #ffffff" in file
    assert "currentColor" not in file
    first, second, third = (numbers(path) for path in paths(root)[::2])
    assert [b - a for a, b in zip(first, second, strict=True)] == pytest.approx([300, 0, 300, 0])
    assert [b - a for a, b in zip(first, third, strict=True)] == pytest.approx([0, 200, 0, 200])


def test_a_drawing_is_the_same_every_time_whatever_a_user_has_set() -> None:
    one = chart(Series("a", [1, 2], [1.0, 2.0]))
    expected = line_chart(one)
    with matplotlib.rc_context({"font.size": 30, "axes.grid": True, "svg.fonttype": "path"}):
        assert line_chart(one) == expected
        assert matplotlib.rcParams["font.size"] == 30


def test_matplotlib_is_imported_when_a_chart_is_drawn_and_never_with_a_window() -> None:
    program = """
import sys
import harmonize.report.make_report, harmonize.tools.studies.compare_losses
from harmonize.report.charts import Chart, line_chart
assert "matplotlib" not in sys.modules
line_chart(Chart([], "a", "b", "c"))
assert "matplotlib" in sys.modules
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=200)


def test_colours_can_be_seen_on_white_and_on_black() -> None:
    def luminance(color: str) -> float:
        parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for color in COLORS:
        for paper in ("#fdfdfc", "#131619"):
            one, other = sorted((luminance(color), luminance(paper)))
            assert (other + 0.05) / (one + 0.05) > 3, (color, paper)


def test_long_names_keep_their_ends() -> None:
    assert shortened("construction--flat--bike-lane", 16) == "const…-bike-lane"
    assert shortened("short", 16) == "short"


def image(drawn: HeatMap) -> np.ndarray:
    """Return the cells of a heat map, as red, green, blue and opacity."""
    (found,) = ElementTree.fromstring(drawn.svg).iter(f"{SVG}image")
    data = base64.b64decode(found.attrib["href"].partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


def test_each_row_of_the_heat_map_is_shares_of_its_truth() -> None:
    drawn = draw_confusion(SavedConfusion(("a", HOSTILE), ((30, 10), (0, 5))), title=HOSTILE)
    assert (drawn.classes, drawn.counts) == (("a", HOSTILE), ((30, 10), (0, 5)))
    opacity = image(drawn)[..., 3] / 255
    assert opacity == pytest.approx(np.sqrt([[0.75, 0.25], [0, 1]]), abs=1 / 255)
    root = ElementTree.fromstring(drawn.svg)
    assert [text for text in texts(root) if text.isdigit()] == ["75", "25", "100"]
    assert root.attrib["aria-label"] == SHOWN
    assert tips(root) == ["a", SHOWN, "a", SHOWN]
    assert not list(root.iter(f"{SVG}script"))


def test_the_page_is_told_where_the_cells_are() -> None:
    drawn = draw_confusion(SavedConfusion(("a", "b"), ((1, 1), (1, 1))), title="t")
    root = ElementTree.fromstring(drawn.svg)
    assert float(root.attrib["width"]) == drawn.corner + 2 * drawn.cell + 8
    places = {t.text: t.attrib for t in root.iter(f"{SVG}text") if t.text in ("answer", "a", "b")}
    assert float(places["answer"]["x"]) == pytest.approx(drawn.corner + drawn.cell, abs=0.01)


def test_many_classes_make_small_cells_without_numbers() -> None:
    names = tuple(f"class_{number}" for number in range(66))
    drawn = draw_confusion(SavedConfusion(names, ((1,) * 66,) * 66), title="t")
    root = ElementTree.fromstring(drawn.svg)
    assert float(root.attrib["width"]) < 1000
    assert {"truth", "answer", *names} == set(texts(root))
    assert len(drawn.svg) < 50_000


def test_a_data_set_of_one_class_or_none_has_a_heat_map() -> None:
    assert "100" in texts(
        ElementTree.fromstring(draw_confusion(SavedConfusion(("a",), ((3,),)), title="t").svg)
    )
    nothing = draw_confusion(SavedConfusion(("a", "b"), ((0, 0), (0, 0))), title="t")
    assert (image(nothing)[..., 3] == 0).all()


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
    confusion = SavedConfusion(("street", "auto", "rider", "walker", "air"), ((1,) * 5,) * 5)
    drawn = draw_confusion(confusion, title="t", borders=borders)
    strong, weak = f"{drawn.corner + drawn.cell}", f"{drawn.corner + 2 * drawn.cell}"
    found = {
        path.attrib["d"].split()[1]: "opacity" in path.attrib["style"]
        for path in ElementTree.fromstring(drawn.svg).iter(f"{SVG}path")
        if path.attrib["d"].split()[1] == path.attrib["d"].split()[4]  # upright lines
    }
    assert found[strong] is False
    assert found[weak] is True
