"""Scores of a confusion matrix."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

# Letters of shapes: T true classes, C predicted classes, P pixels.


@dataclass(frozen=True)
class Scores:
    """How well predicted classes agree with the labels.

    Attributes:
        iou: intersection over union of each class; NaN where it is in neither truth nor prediction.
        precision: of the pixels answered as each class, the share that is right; NaN without any.
        recall: of the pixels of each class, the share that is answered so; NaN without any.
        mean_iou: over the classes that have one; NaN if none has.
        pixel_accuracy: share of the labelled pixels whose class is right; NaN if there are none.
        frequency_weighted_iou: mean IoU over the classes of the truth, each weighed by its share of
            the labelled pixels; NaN if there are none.
    """

    iou: Float[Tensor, " C"]
    precision: Float[Tensor, " C"]
    recall: Float[Tensor, " C"]
    mean_iou: float
    pixel_accuracy: float
    frequency_weighted_iou: float


def confusion_matrix(
    truth: Int[Tensor, " P"],
    prediction: Int[Tensor, " P"],
    num_true: int,
    num_predicted: int | None = None,
) -> Int[Tensor, "T C"]:
    """Count pixels by their true class (row) and predicted class (column), as int64.

    The two may be counted in different classes; in the same ones unless ``num_predicted`` is given.
    """
    columns = num_true if num_predicted is None else num_predicted
    pairs = truth * columns + prediction
    return torch.bincount(pairs, minlength=num_true * columns).view(num_true, columns)


def scores(confusion: Int[Tensor, "C C"]) -> Scores:
    """Score a confusion matrix of counts by true class (row) and predicted class (column)."""
    counts = confusion.double()
    right = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - right
    iou = torch.where(union > 0, right / union, torch.nan)
    total = counts.sum()
    return Scores(
        iou,
        precision=right / counts.sum(0),
        recall=right / counts.sum(1),
        mean_iou=iou.nanmean().item(),
        pixel_accuracy=(right.sum() / total).item(),
        frequency_weighted_iou=((counts.sum(1) * iou).nansum() / total).item(),
    )


def calibration_error(
    confidence: Float[Tensor, " P"], right: Bool[Tensor, " P"], *, bins: int = 15
) -> float:
    """Return the expected calibration error: how far confidence is from accuracy, on average.

    Over bins of equal width, each weighed by its pixels (Guo et al., "On Calibration of Modern
    Neural Networks", 2017).

    Args:
        confidence: the probability of each answer, in [0, 1].
        right: whether the answer is right.
        bins: their number.

    Returns:
        In [0, 1]; NaN without pixels.
    """
    number = (confidence * bins).long().clamp(0, bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64, device=confidence.device)
    gaps.index_add_(0, number, confidence.double() - right.double())
    return (gaps.abs().sum() / len(confidence)).item() if len(confidence) else math.nan
