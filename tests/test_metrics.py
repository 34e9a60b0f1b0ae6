"""Scores against hand-counted confusion matrices."""

import math

import pytest
import torch

from harmonize.evaluation.metrics import calibration_error, confusion_matrix, scores


def test_confusion_counts_truth_in_rows_and_prediction_in_columns() -> None:
    truth = torch.tensor([0, 0, 1, 2, 2, 2])
    prediction = torch.tensor([0, 1, 1, 2, 0, 2])
    expected = [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert confusion_matrix(truth, prediction, 3).tolist() == expected


def test_confusion_may_count_truth_and_prediction_in_different_classes() -> None:
    truth = torch.tensor([0, 0, 1, 1])
    prediction = torch.tensor([2, 0, 1, 2])
    assert confusion_matrix(truth, prediction, 2, 3).tolist() == [[1, 0, 1], [0, 1, 1]]
    assert confusion_matrix(prediction, truth, 3, 2).tolist() == [[1, 0], [0, 1], [1, 1]]


def test_confusion_of_no_pixels_is_zero() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    assert confusion_matrix(empty, empty, 2).tolist() == [[0, 0], [0, 0]]


def test_scores_of_a_hand_counted_matrix() -> None:
    found = scores(torch.tensor([[6, 2], [1, 3]]))
    assert found.iou.tolist() == pytest.approx([6 / 9, 3 / 6])
    assert found.mean_iou == pytest.approx((6 / 9 + 3 / 6) / 2)
    assert found.pixel_accuracy == pytest.approx(9 / 12)
    assert found.frequency_weighted_iou == pytest.approx((8 * 6 / 9 + 4 * 3 / 6) / 12)


def test_a_class_that_is_only_predicted_counts_as_zero_and_an_absent_one_not_at_all() -> None:
    found = scores(torch.tensor([[4, 1, 0], [0, 0, 0], [0, 0, 0]]))
    assert found.iou[0].item() == pytest.approx(4 / 5)
    assert found.iou[1].item() == 0
    assert math.isnan(found.iou[2].item())
    assert found.mean_iou == pytest.approx(0.4)
    assert found.frequency_weighted_iou == pytest.approx(0.8)  # no pixel is of the second


def test_nothing_to_score_is_nan() -> None:
    found = scores(torch.zeros(2, 2, dtype=torch.int64))
    assert math.isnan(found.mean_iou)
    assert math.isnan(found.pixel_accuracy)
    assert math.isnan(found.frequency_weighted_iou)


def test_counts_beyond_float32_stay_exact() -> None:
    found = scores(torch.tensor([[2**40, 1], [0, 1]]))
    assert found.iou[1].item() == pytest.approx(0.5)
    assert found.pixel_accuracy == pytest.approx(1 - 1 / (2**40 + 2), rel=1e-15)


def test_the_calibration_error_is_the_gap_of_each_bin_weighed_by_its_pixels() -> None:
    confidence = torch.tensor([0.9, 0.92, 0.95, 0.55, 0.55])
    right = torch.tensor([True, True, False, True, False])
    high, low = abs(2 - (0.9 + 0.92 + 0.95)), abs(1 - 2 * 0.55)
    assert calibration_error(confidence, right, bins=10) == pytest.approx((high + low) / 5)
    everything = abs(3 - confidence.sum().item())
    assert calibration_error(confidence, right, bins=1) == pytest.approx(everything / 5)


def test_sure_and_right_has_no_calibration_error_and_sure_and_wrong_all_of_it() -> None:
    sure = torch.ones(7)
    assert calibration_error(sure, torch.ones(7, dtype=torch.bool)) == 0
    assert calibration_error(sure, torch.zeros(7, dtype=torch.bool)) == 1
    assert math.isnan(calibration_error(torch.zeros(0), torch.zeros(0, dtype=torch.bool)))
