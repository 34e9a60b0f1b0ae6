"""Counts of single pictures, and the intervals that they give a mean IoU."""

import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import scenarios
from group import run_group
from harmonize.evaluation.intervals import (
    NONE,
    draw_weights,
    interval_of,
    mean_iou_interval,
    mean_ious,
)
from harmonize.evaluation.metrics import scores
from harmonize.evaluation.picture_counts import PictureCounts, PixelsByClass, entries_of


def random_pictures(rng: np.random.Generator, pictures: int, classes: int) -> list[torch.Tensor]:
    """Return a confusion matrix for each picture, of few of the classes."""
    found = []
    for _ in range(pictures):
        matrix = rng.integers(0, 50, (classes, classes))
        absent = rng.random(classes) < 0.4
        matrix[absent] = 0
        matrix[:, rng.random(classes) < 0.4] = 0
        found.append(torch.from_numpy(matrix))
    return found


def join(matrices: list[torch.Tensor]) -> PictureCounts:
    return PictureCounts.join({n: entries_of(one) for n, one in enumerate(matrices)})


def test_a_picture_keeps_right_true_and_answered_pixels_of_its_classes() -> None:
    matrix = torch.tensor([[5, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 7]])
    assert entries_of(matrix).tolist() == [[0, 1, 3], [5, 0, 7], [7, 1, 7], [6, 2, 7]]


def test_counts_are_joined_in_the_order_of_the_pictures() -> None:
    two = np.array([[0], [1], [2], [3]])
    none = np.zeros((4, 0), dtype=np.int64)
    five = np.array([[1, 2], [4, 5], [6, 7], [8, 9]])
    found = PictureCounts.join({5: five, 2: two, 3: none})
    assert found.pictures.tolist() == [2, 3, 5]
    assert found.starts.tolist() == [0, 1, 1, 3]
    pixels = found.by_class([2, 0])
    assert pixels.right.tolist() == [[0, 1], [0, 0], [5, 0]]
    assert pixels.true.tolist() == [[0, 2], [0, 0], [7, 0]]
    assert pixels.union.tolist() == [[0, 4], [0, 0], [11, 0]]
    assert found.renumbered([1, 2, 0]).entries[0].tolist() == [2, 0, 1]
    assert found.mean_ious() == {2: 1 / 4, 5: pytest.approx((4 / 10 + 5 / 11) / 2)}
    empty = PictureCounts.join({})
    assert empty.by_class([0, 1]).right.shape == (0, 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 6), st.integers(1, 5))
def test_resamples_are_scored_as_their_pictures_together(
    seed: int, pictures: int, classes: int
) -> None:
    rng = np.random.default_rng(seed)
    matrices = random_pictures(rng, pictures, classes)
    pixels = join(matrices).by_class(range(classes))
    weights = rng.integers(0, 3, (4, pictures)).astype(float)
    expected = [
        scores(
            sum((int(w) * m for w, m in zip(row, matrices, strict=True)), 0 * matrices[0])
        ).mean_iou
        for row in weights
    ]
    assert mean_ious(weights, pixels) == pytest.approx(expected, nan_ok=True)


def test_classes_that_are_not_scored_are_in_no_mean() -> None:
    matrices = [torch.tensor([[3, 1], [0, 4]])]
    pixels = join(matrices).by_class([0, 1])
    assert mean_ious(np.ones((1, 1)), pixels, np.array([False, True])) == pytest.approx([4 / 5])
    assert math.isnan(mean_ious(np.ones((1, 1)), pixels, np.array([False, False]))[0])


def test_each_resample_draws_as_many_pictures_as_there_are() -> None:
    drawn = np.concatenate(list(draw_weights(7, resamples=250)))
    assert drawn.shape == (250, 7)
    assert (drawn.sum(1) == 7).all()
    assert drawn.mean() == 1
    # each picture is drawn Binomial(7, 1/7) times, of variance 6/7; 250 draws are off by 5 sigma
    assert abs(drawn.var() - 6 / 7) < 0.2
    assert (drawn == np.concatenate(list(draw_weights(7, resamples=250)))).all()
    other = np.concatenate(list(draw_weights(7, resamples=250, seed=1)))
    assert (drawn != other).any()


def test_the_interval_is_between_percentiles() -> None:
    values = np.arange(1001) / 1000
    assert interval_of(values, 10**9) == pytest.approx((0.025, 0.975))
    assert interval_of(np.array([np.nan, 0.5, np.nan]), 5) == (0.5, 0.5)
    assert math.isnan(interval_of(np.array([np.nan]), 5)[0])


@pytest.mark.parametrize(
    ("pictures", "t"), [(6, 2.5706), (10, 2.2622), (20, 2.0930), (100, 1.9842)]
)
def test_few_pictures_push_the_percentiles_out(pictures: int, t: float) -> None:
    """The quantiles of Student's t are from a table."""
    values = np.arange(100_001) / 100_000
    outside = NormalDist().cdf(-t * math.sqrt(pictures / (pictures - 1)))
    assert interval_of(values, pictures) == pytest.approx((outside, 1 - outside), rel=0.03)


def test_one_picture_has_no_interval_and_equal_ones_have_no_width() -> None:
    one = torch.tensor([[3, 1], [0, 4]])
    assert np.isnan(mean_iou_interval(join([one]).by_class([0, 1]))).all()
    assert np.isnan(NONE).all()
    found = mean_iou_interval(join([one] * 9).by_class([0, 1]))
    assert found == pytest.approx((scores(one).mean_iou,) * 2)


def test_the_interval_of_one_class_of_equal_unions_is_that_of_a_mean() -> None:
    """The IoU is then the mean of each picture's, whose error is known."""
    rng = np.random.default_rng(0)
    right = rng.integers(0, 101, (400, 1)).astype(float)
    pixels = PixelsByClass(right, np.full((400, 1), 100.0), right)
    low, high = mean_iou_interval(pixels)
    error = right.std() / 100 / math.sqrt(400)
    assert (low + high) / 2 == pytest.approx(right.mean() / 100, abs=0.2 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_intervals_hold_as_often_as_they_say() -> None:
    """Made-up pictures: IoU over all of a large population, and intervals from 60 of them."""
    rng = np.random.default_rng(1)
    population = made_up(rng, 20_000)
    truth = mean_ious(np.ones((1, 20_000)), population)[0]
    held = 0
    for _ in range(200):
        chosen = rng.integers(0, 20_000, 60)
        low, high = mean_iou_interval(PixelsByClass(*(part[chosen] for part in population)))
        held += low <= truth <= high
    assert 0.90 <= held / 200 <= 0.99


def made_up(rng: np.random.Generator, pictures: int) -> PixelsByClass:
    """Return pictures of 6 classes of different sizes, some of them rare, of different quality."""
    present = rng.random((pictures, 6)) < np.array([1, 0.9, 0.7, 0.5, 0.3, 0.15])
    true = present * rng.gamma(2.0, np.array([400, 200, 100, 60, 40, 20]), (pictures, 6))
    quality = rng.beta(8, 2, (pictures, 1)) * np.array([1, 0.95, 0.9, 0.8, 0.7, 0.6])
    right = true * quality
    return PixelsByClass(right, true, right + rng.gamma(1.0, 20.0, (pictures, 6)) * present)


def test_intervals_are_the_same_for_any_number_of_processes(tmp_path: Path) -> None:
    from PIL import Image

    from tiny import COLORS, write_project

    project = write_project(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(10):
        ids = np.asarray(Image.open(project / "fine_data" / f"{number:02d}_ids.png")).copy()
        ids[ids == 255] = 0
        ids[rng.random(ids.shape) < 0.05 * number] = 2
        Image.fromarray(COLORS[ids]).save(project / "fine_data" / f"{number:02d}.png")
    (one,), (two, _) = (run_group(number, scenarios.score_colors, project) for number in (1, 2))
    found = json.dumps(one.found)
    assert found == json.dumps(two.found)
    assert '"boundary": {' in found
    assert '"mean_iou_interval": [0.' in found
