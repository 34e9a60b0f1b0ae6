"""Boundary IoU against erosion by hand, and scores by the size of parts."""

import math
from pathlib import Path

import numpy as np
import pytest
from accelerate import Accelerator
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from by_color import ByColor
from harmonize import DatasetSpec, Ontology
from harmonize.data.dataset import SegmentationDataset
from harmonize.evaluation.boundary import boundary_entries, near_edges
from harmonize.evaluation.by_size import score_sizes
from harmonize.evaluation.evaluate import evaluate
from harmonize.evaluation.picture_counts import PixelsByClass
from tiny import COLORS, write_project


def eroded(mask: np.ndarray, times: int) -> np.ndarray:
    """Erode a mask with a square of 3 x 3 pixels, nothing lying beyond the border."""
    for _ in range(times):
        padded = np.pad(mask, 1)
        rows, columns = mask.shape
        mask = np.all(
            [padded[y : y + rows, x : x + columns] for y in range(3) for x in range(3)], axis=0
        )
    return mask


def blobs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    small = rng.integers(0, 4, (-(-height // 4), -(-width // 5)))
    return np.kron(small, np.ones((4, 5), dtype=int))[:height, :width]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 23), st.integers(1, 31), st.integers(1, 6))
def test_pixels_near_edges_are_what_erosion_takes_away(
    seed: int, height: int, width: int, distance: int
) -> None:
    classes = blobs(np.random.default_rng(seed), height, width)
    expected = np.zeros(classes.shape, dtype=bool)
    for number in range(4):
        mask = classes == number
        expected |= mask & ~eroded(mask, distance)
    assert (near_edges(classes.astype(np.uint8), distance) == expected).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(4, 40), st.integers(4, 40))
def test_counts_are_those_of_the_paper_on_labelled_pixels(
    seed: int, height: int, width: int
) -> None:
    rng = np.random.default_rng(seed)
    truth, answer = blobs(rng, height, width), blobs(rng, height, width)
    answer[answer == 3] = 0  # the last class is void, and never answered
    scored = np.array([True, True, True, False])
    distance = max(round(0.1 * math.hypot(height, width)), 1)
    right, true, answered = np.zeros((3, 4), dtype=int)
    for number in range(3):
        labelled = truth != 3
        masks = [(one == number) & labelled for one in (truth, answer)]
        edges = [mask & ~eroded(mask, distance) for mask in masks]
        right[number] = (edges[0] & edges[1]).sum()
        true[number], answered[number] = edges[0].sum(), edges[1].sum()
    found = boundary_entries(truth, answer, scored, width=0.1)
    present = np.flatnonzero(true + answered)
    assert found.tolist() == [
        present.tolist(),
        *(x[present].tolist() for x in (right, true, answered)),
    ]


def test_a_shifted_square_loses_more_at_its_edges_than_inside() -> None:
    truth = np.zeros((100, 100), dtype=np.uint8)
    truth[20:80, 20:80] = 1
    answer = np.roll(truth, 2, axis=1)
    found = boundary_entries(truth, answer, np.array([True, True]))
    right, true, answered = found[1:, 1]
    ring = 60 * 60 - 54 * 54  # 2 % of the diagonal are 3 pixels
    assert (true, answered) == (ring, ring)
    # of the sides, 1 of 3 columns of each meets itself (54 rows); above and below, 58 columns do
    assert right == 2 * 3 * 58 + 2 * 54
    assert right / (true + answered - right) < (60 * 58) / (60 * 62)


def test_a_run_scores_edges_only_where_it_is_asked_to(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    for number in range(10, 15):
        ids = np.asarray(Image.open(project / "fine_data" / f"{number}_ids.png")).copy()
        ids[ids == 255] = 0
        Image.fromarray(COLORS[np.roll(ids, 1, axis=1)]).save(
            project / "fine_data" / f"{number}.png"
        )
    spec = DatasetSpec.from_file(project / "fine.yaml")
    dataset = SegmentationDataset(spec, "val", root=project / "fine_data")
    tree = Ontology.from_file(project / "tiny.txt")
    accelerator = Accelerator(cpu=True)
    off, on = (
        evaluate(ByColor(), dataset, tree, accelerator=accelerator, size=20, boundary=boundary)
        for boundary in (False, True)
    )
    assert off.saved().boundary is None
    assert "boundary" not in off.table()
    edges = on.saved().boundary
    assert edges is not None
    assert list(edges.iou) == ["background", "left", "right"]
    assert edges.mean_iou == pytest.approx(np.mean([*edges.iou.values()]))  # type: ignore[arg-type]
    assert edges.mean_iou < on.scores.mean_iou  # type: ignore[operator]
    assert edges.mean_iou_interval is not None
    assert f"{100 * edges.mean_iou:.2f}  [" in on.table().split("boundary IoU, mean")[1]  # type: ignore[operator]
    assert {**on.to_dict(), "boundary": None} == off.to_dict()


def test_parts_are_scored_by_what_they_cover_of_a_picture() -> None:
    # of 1000 scored pixels each; the first class is small, medium and large in turn
    true = np.array([[5.0, 995.0, 0], [50, 950, 0], [500, 500, 0], [0, 1000, 0]])
    right = np.array([[1.0, 990.0, 0], [20, 940, 0], [400, 400, 0], [0, 900, 0]])
    answered = np.array([[6.0, 994.0, 0], [30, 970, 0], [500, 500, 0], [100, 900, 0]])
    found = {one.size: one for one in score_sizes(PixelsByClass(right, true, answered))}
    assert found["small"].iou[0] == pytest.approx(1 / 10)
    assert found["medium"].iou[0] == pytest.approx(20 / 60)
    assert found["large"].iou[:2] == pytest.approx(
        [400 / 600, (990 + 940 + 400 + 900) / (999 + 980 + 600 + 1000)]
    )
    assert np.isnan(found["small"].iou[1:]).all()
    assert np.isnan(found["large"].iou[2])
    assert found["small"].mean_iou == pytest.approx(0.1)
    nothing = np.zeros((0, 3))
    assert math.isnan(score_sizes(PixelsByClass(nothing, nothing, nothing))[0].mean_iou)
    edge = np.array([[10.0, 90.0, 900.0]])  # 1 % and 9 % are medium, 90 % is large
    names = [one.size for one in score_sizes(PixelsByClass(edge, edge, edge)) for _ in range(3)]
    kept = [v for one in score_sizes(PixelsByClass(edge, edge, edge)) for v in one.iou]
    assert [n for n, v in zip(names, kept, strict=True) if v == 1] == ["medium", "medium", "large"]
