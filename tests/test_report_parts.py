"""The parts of the report: pictures as text, tables, curves, and the files that they are from."""

import base64
import io
import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from harmonize.report.charts import COLORS
from harmonize.report.curves import learning_curves
from harmonize.report.inline_images import label_map, photograph
from harmonize.report.read_runs import ReportedRun, read_runs
from harmonize.report.sample_pictures import evenly_spread
from harmonize.report.score_tables import score_tables, written
from harmonize.runs.metrics_log import METRICS

SVG = "{http://www.w3.org/2000/svg}"


def decoded(address: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2])))


def test_a_label_map_has_its_colours_and_nothing_where_there_is_no_label() -> None:
    numbers = np.array([[7, 7, 2], [7, 0, 2]])
    names = [f"n{number}" for number in range(8)]
    colors = [None, None, (10, 20, 30), None, None, None, None, (250, 128, 1)]
    shown = label_map(numbers, names, colors)
    rgba = np.asarray(decoded(shown.address).convert("RGBA"))
    assert (shown.width, shown.height) == (3, 2)
    assert rgba[0].tolist() == [[250, 128, 1, 255], [250, 128, 1, 255], [10, 20, 30, 255]]
    assert rgba[1, 1, 3] == 0
    assert [(one.name, one.color, round(one.share, 3)) for one in shown.legend] == [
        ("n7", (250, 128, 1), 0.5),
        ("n2", (10, 20, 30), 0.333),
        ("n0", None, 0.167),
    ]
    assert shown.words == "n7 50 %, n2 33 %, n0 17 %"


def test_more_colours_than_a_palette_holds_are_shown_and_counted() -> None:
    numbers = np.arange(300).reshape(15, 20)
    colors = [(number % 256, number // 256, 9) for number in range(300)]
    shown = label_map(numbers, [str(number) for number in range(300)], colors)
    rgb = np.asarray(decoded(shown.address).convert("RGB"))
    assert (rgb[..., 0] + 256 * rgb[..., 1].astype(int) == numbers).all()
    assert len(shown.legend) == 12
    assert shown.more == 288
    assert shown.words.endswith("and 288 more")


def test_a_photograph_is_nearly_itself() -> None:
    pixels = np.zeros((16, 24, 3), dtype=np.uint8)
    pixels[:, 12:] = (200, 100, 50)
    found = np.asarray(decoded(photograph(pixels).address)).astype(int)
    assert np.abs(found - pixels).mean() < 4


@pytest.mark.parametrize(
    ("length", "number", "expected"),
    [(100, 4, [12, 37, 62, 87]), (2, 4, [0, 1]), (1, 1, [0]), (0, 4, [])],
)
def test_pictures_are_spread_over_a_data_set(length: int, number: int, expected: list[int]) -> None:
    assert evenly_spread(length, number) == expected


def scores(mean_iou: float | None, **more: object) -> dict[str, object]:
    facts = {"split": "val", "pictures": 5, "mean_iou": mean_iou, "pixel_accuracy": 0.5}
    return {**facts, "iou": {"a": mean_iou, "b": None}, **more}


def write_run(folder: Path, steps: int, mean_iou: float, **more: object) -> Path:
    """Write a run folder of metrics and scores alone."""
    folder.mkdir(parents=True)
    lines: list[dict[str, object]] = []
    for step in range(1, steps + 1):
        losses = [1.0 / step, None if step == 3 else 2.0 / step]
        own = {"loss": 3.0 / step, "loss_by_depth": losses}
        lines.append(
            {"event": "train", "step": step, **own, "datasets": {"one": own}, "input": "ab"}
        )
    evaluated = {"one": scores(mean_iou, **more)}
    lines.append({"event": "evaluation", "step": steps, "datasets": evaluated})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "evaluation.json").write_text(json.dumps({"datasets": evaluated}))
    return folder


def read(*folders: Path) -> list[ReportedRun]:
    return read_runs(folders)


def test_the_best_of_several_runs_is_marked_unless_all_look_alike(tmp_path: Path) -> None:
    mistakes = [{"lca_height": 2.0, "f": 0.8}, {"lca_height": 1.5, "f": 0.8001}]
    runs = read(
        write_run(tmp_path / "x", 2, 0.4, mistakes=mistakes[0], left_out={"c": "untaught"}),
        write_run(tmp_path / "y", 2, 0.6, mistakes=mistakes[1], left_out={"c": "untaught"}),
    )
    (table,) = score_tables(runs)
    lines = {
        line.name: [(cell.text, cell.is_best) for cell in line.cells] for line in table.metrics
    }
    assert lines == {
        "mean IoU": [("40.0 %", False), ("60.0 %", True)],
        "pixel accuracy": [("50.0 %", False), ("50.0 %", False)],
        "hierarchical F": [("80.0 %", False), ("80.0 %", False)],
        "height of mistakes": [("2.00", False), ("1.50", True)],
    }
    assert [(line.name, line.cells[0].text) for line in table.classes] == [
        ("a", "40.0 %"),
        ("b", "–"),
    ]
    (left,) = table.left_out
    assert (left.name, left.reason, left.runs) == ("c", "untaught", ("x", "y"))
    assert table.scored == "val, 5 pictures"


def test_a_depth_of_one_group_says_nothing_and_is_not_shown(tmp_path: Path) -> None:
    depths = [
        {"depth": 1, "mean_iou": 1.0, "iou": {"only": 1.0}},
        {"depth": 2, "mean_iou": 0.5, "iou": {"a": 0.5, "b": 0.5}},
    ]
    (table,) = score_tables(read(write_run(tmp_path / "x", 2, 0.4, depths=depths)))
    assert [line.name for line in table.depths] == ["depth 2"]


def test_scores_are_written_with_one_decimal() -> None:
    assert written(0.12345) == "12.3 %"
    assert written(None) == "–"
    assert written(2.3456, percent=False) == "2.35"


def lines_of(chart: str) -> list[str]:
    """Return the paths of the lines, not those of the legend."""
    paths = [path.attrib for path in ElementTree.fromstring(chart).iter(f"{SVG}path")]
    drawn = [one["d"] for one in paths if any(color in one["style"] for color in COLORS)]
    return drawn[: len(drawn) // 2]


def test_curves_have_a_line_for_each_depth_and_break_where_a_loss_is_missing(
    tmp_path: Path,
) -> None:
    groups = learning_curves(read(write_run(tmp_path / "x", 5, 0.4)))
    assert [group.title for group in groups] == ["Training loss", "Validation: mean IoU"]
    by_depth = lines_of(groups[0].charts[0])
    assert [line.count("M") for line in by_depth] == [1, 1, 2]  # all, depth 1, depth 2


def test_data_sets_have_lines_of_their_own_where_there_are_several(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "x", 2, 0.4)
    assert len(learning_curves(read(folder))[0].charts) == 1
    path = folder / "metrics.jsonl"
    path.write_text(
        path.read_text().replace('"one": {"loss"', '"two": {"loss": 9}, "one": {"loss"')
    )
    (by_depth, by_set) = learning_curves(read(folder))[0].charts
    assert len(lines_of(by_depth)) == 3
    assert len(lines_of(by_set)) == 2


def test_long_curves_are_averaged(tmp_path: Path) -> None:
    groups = learning_curves(read(write_run(tmp_path / "x", 1000, 0.4)))
    whole = lines_of(groups[0].charts[0])[0]
    assert whole.count("L") + 1 == 200


def test_curves_of_several_runs_have_a_line_for_each(tmp_path: Path) -> None:
    runs = read(write_run(tmp_path / "x", 5, 0.4), write_run(tmp_path / "y", 5, 0.5))
    groups = learning_curves(runs)
    titles = {group.title: (len(group.charts), group.folded) for group in groups}
    assert titles == {
        "Training loss": (1, False),
        "Training loss by depth": (2, True),
        "Validation: mean IoU": (1, False),
    }
    assert all(len(lines_of(chart)) == 2 for group in groups for chart in group.charts)


def test_runs_are_called_by_as_much_of_their_path_as_tells_them_apart(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / part / "run", 1, 0.5) for part in ("a", "b")]
    assert [run.name for run in read(*folders)] == ["a/run", "b/run"]
    assert [run.name for run in read(folders[0])] == ["run"]


def test_the_step_of_the_scores_is_found_among_the_evaluations(tmp_path: Path) -> None:
    (run,) = read(write_run(tmp_path / "x", 4, 0.5))
    assert (run.step, run.scored_step) == (4, 4)
    (tmp_path / "x" / "evaluation.json").write_text(json.dumps({"datasets": {"one": scores(0.7)}}))
    (run,) = read(tmp_path / "x")
    assert run.scored_step is None
    assert any("other scores than the last evaluation" in note for note in run.notes)


def test_losses_that_are_not_finite_are_gaps(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "x", 5, 0.5)
    path = folder / "metrics.jsonl"
    text = path.read_text().replace('"loss": 1.0,', '"loss": NaN,')
    path.write_text(text.replace('"loss": 0.6,', '"loss": 1e999,'))
    (run,) = read(folder)
    assert not any(METRICS in note for note in run.notes)
    whole = lines_of(learning_curves([run])[0].charts[0])[0]
    assert whole.count("M") == 2
    assert "nan" not in whole
