"""The curves and the pictures of a study."""

import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from harmonize import HarmonizeError
from harmonize.evaluation.saved_scores import SavedScores
from harmonize.runs.metrics_log import EvaluationLine, SetLoss, StartLine, TrainLine
from harmonize.tools.studies.figures import curve, loss_figure
from harmonize.tools.studies.finished_runs import RunRecord, check_same_steps
from harmonize.tools.studies.measures import MEAN_IOU
from harmonize.tools.studies.study_pictures import (
    Column,
    Section,
    choose_steps,
    columns_of,
    kept_by_all,
    picture_figure,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def record(values: dict[int, float | None], name: str = "x") -> RunRecord:
    lines = [
        EvaluationLine(step, {"fine": SavedScores("val", 5, mean, None, {})})
        for step, mean in values.items()
    ]
    return RunRecord(Path(name), {}, StartLine(0, "aa"), (), lines)


def test_a_curve_is_the_mean_over_seeds_and_their_range() -> None:
    records = [record({2: 1.0, 4: 3.0, 6: None}), record({2: 2.0, 4: 7.0, 6: 5.0})]
    series = curve(records, MEAN_IOU, "fine", name="flat", color=2)
    assert series.x == [2, 4, 6]
    assert series.y == [1.5, 5.0, None]
    assert (series.low, series.high) == ([1.0, 3.0, None], [2.0, 7.0, None])
    assert (series.name, series.color) == ("flat", 2)


@pytest.mark.parametrize("lacking", [{2: 0.5}, {4: 0.5}, {}])
def test_the_run_that_lacks_a_line_is_named(lacking: dict[int, float | None]) -> None:
    runs = [record(lacking, "one"), record({2: 0.5, 4: 0.5}, "two"), record({2: 0, 4: 0}, "three")]
    for some in (runs, runs[::-1]):
        with pytest.raises(HarmonizeError, match=r"^one/metrics\.jsonl: has scores of other steps"):
            check_same_steps(some)
    check_same_steps(runs[1:])


def test_each_data_set_begins_a_row_of_at_most_three_panels() -> None:
    line = TrainLine(2, 0.5, (0.5,) * 4, {"fine": SetLoss(0.5, (0.5,) * 4)})
    scores = SavedScores("val", 5, 0.5, None, {}, loss_by_depth=(0.5,) * 4)
    one = EvaluationLine(2, {"fine": scores})
    run = RunRecord(Path("x"), {}, StartLine(0, "aa"), [line], [one])
    svg = loss_figure({"flat": [run], "hierarchical": [run]}, ["fine"], ["fine"], 4)
    root = ElementTree.fromstring(svg)
    # Four depths in validation take two rows, and so do four in training.
    assert (root.get("width"), root.get("height")) == (str(3 * 480), str(4 * 320))
    titles = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}title")]
    for kind in ("validation", "training"):
        assert {f"fine: loss at depth {d} in {kind}" for d in (1, 2, 3, 4)} <= set(titles)
    assert "flat, of leaf labels" in titles


def test_the_first_an_early_and_the_last_step_are_shown() -> None:
    assert choose_steps(list(range(60, 601, 60))) == [60, 180, 600]
    assert choose_steps([5, 10]) == [5, 10]
    assert choose_steps([7]) == [7]


def write_pictures(folder: Path, color: tuple[int, int, int]) -> None:
    """Write an input, a truth of two classes and an answer of one class after step 4."""
    folder.mkdir(parents=True)
    Image.new("RGB", (40, 30), (9, 99, 9)).save(folder / "input.jpg")
    truth = np.zeros((30, 40), dtype=np.uint8)
    truth[:, 20:] = 2
    for name, classes in (("truth", truth), ("step-00000004", np.full_like(truth, 2))):
        image = Image.fromarray(classes)
        image.putpalette([*color, 1, 1, 1, *BLUE])
        image.save(folder / f"{name}.png")


def test_pictures_stand_in_columns_under_their_heads(tmp_path: Path) -> None:
    for loss in ("flat", "hierarchical"):
        write_pictures(tmp_path / loss / "000003", RED)
    folders = {loss: tmp_path / loss for loss in ("flat", "hierarchical")}
    columns = columns_of(folders, ["000003"], [4])
    assert [column.head for column in columns] == [
        ("", "input"),
        ("", "truth"),
        ("flat", "step 4"),
        ("hierarchical", "step 4"),
    ]
    assert columns[0].files == (tmp_path / "flat" / "000003" / "input.jpg",)
    assert columns[3].files == (tmp_path / "hierarchical" / "000003" / "step-00000004.png",)
    section = Section("set", columns, ["sky", "never", "_road"])
    heights: list[int] = []
    for sections in ([section], [section, section]):
        data = picture_figure(sections)
        assert data == picture_figure(sections)
        with Image.open(io.BytesIO(data)) as figure:
            pixels = np.asarray(figure.convert("RGB"))
        heights.append(len(pixels))
        # Half of the truth is class 0; class 2 is the other half, and two whole answers. The
        # legend has a small patch of each.
        red, blue = (int((pixels == color).all(2).sum()) for color in (RED, BLUE))
        assert red > 8000 * len(sections)
        assert blue == pytest.approx(5 * red, rel=0.15)
        assert not (pixels == (1, 1, 1)).all(2).any()  # a class that is nowhere has no patch
    assert heights[1] == 2 * heights[0]


def test_pictures_are_shown_that_all_runs_kept_at_all_steps(tmp_path: Path) -> None:
    for run, numbers in (("a", ("000001", "000003", "000005")), ("b", ("000003", "000005"))):
        for number in numbers:
            write_pictures(tmp_path / run / number, RED)
    (tmp_path / "a" / "000005" / "step-00000008.png").write_bytes(b"")
    folders = [tmp_path / "a", tmp_path / "b"]
    assert kept_by_all(folders, [4]) == ["000003", "000005"]
    assert kept_by_all(folders[:1], [4, 8]) == ["000005"]
    assert kept_by_all([*folders, tmp_path / "c"], [4]) == []


def test_a_picture_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "input.jpg").write_bytes(b"no picture")
    column = Column(("", "input"), (tmp_path / "input.jpg",))
    with pytest.raises(HarmonizeError, match=r"input\.jpg: cannot be read: "):
        picture_figure([Section("set", [column], [])])
