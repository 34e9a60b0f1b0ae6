"""The scores that a report shows of each data set."""

from collections.abc import Callable
from dataclasses import dataclass

from harmonize.evaluation.saved_scores import Number, SavedInterval, SavedScores


def _no_interval(_: SavedScores) -> SavedInterval:
    return None


@dataclass(frozen=True)
class Metric:
    """A score: its name, what it tells in one line, and how it is written."""

    name: str
    about: str
    value: Callable[[SavedScores], Number]
    percent: bool = True
    lower_is_better: bool = False
    interval: Callable[[SavedScores], SavedInterval] = _no_interval


def _mistake(key: str) -> Callable[[SavedScores], Number]:
    return lambda scores: scores.mistakes.get(key)


def _of_size(size: str) -> Callable[[SavedScores], Number]:
    return lambda scores: next((one.mean_iou for one in scores.by_size if one.size == size), None)


_SIZES = {"small": "below 1 %", "medium": "1 to 10 %", "large": "more than 10 %"}

METRICS = (
    Metric(
        "mean IoU",
        "Overlap of truth and answer (intersection over union), averaged over the classes.",
        lambda scores: scores.mean_iou,
        interval=lambda scores: scores.mean_iou_interval,
    ),
    Metric(
        "boundary IoU",
        "Mean IoU over the pixels near the edges of truth and answer.",
        lambda scores: scores.boundary and scores.boundary.mean_iou,
        interval=lambda scores: scores.boundary and scores.boundary.mean_iou_interval,
    ),
    Metric(
        "mean IoU per picture",
        "Mean over the pictures of the mean IoU of each.",
        lambda scores: scores.mean_iou_per_picture,
    ),
    *(
        Metric(
            f"mean IoU of {size} parts",
            f"Over the pictures of which a class covers {about}.",
            _of_size(size),
        )
        for size, about in _SIZES.items()
    ),
    Metric(
        "frequency-weighted IoU",
        "Mean IoU in which each class counts by its share of the labelled pixels.",
        lambda scores: scores.frequency_weighted_iou,
    ),
    Metric(
        "pixel accuracy",
        "Share of the labelled pixels that are answered with their own class.",
        lambda scores: scores.pixel_accuracy,
    ),
    Metric(
        "hierarchical precision",
        "Of the nodes that answers claim, ancestors included, the share that is true.",
        _mistake("precision"),
    ),
    Metric(
        "hierarchical recall",
        "Of the nodes that are true of pixels, ancestors included, the share that is claimed.",
        _mistake("recall"),
    ),
    Metric(
        "hierarchical F",
        "Harmonic mean of hierarchical precision and recall; mild mistakes cost less.",
        _mistake("f"),
    ),
    Metric(
        "height of mistakes",
        "How many levels up the tree truth and a wrong answer meet: 1 confuses siblings.",
        _mistake("lca_height"),
        percent=False,
        lower_is_better=True,
    ),
    Metric(
        "calibration error",
        "How far stated probabilities lie from the measured accuracy, on average.",
        lambda scores: scores.calibration_error,
        lower_is_better=True,
    ),
)
