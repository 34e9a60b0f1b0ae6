"""All scores of one data set, as plain values and as a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harmonize.config.saved_json import to_json
from harmonize.config.strict_yaml import Value
from harmonize.evaluation.by_depth import DepthScores
from harmonize.evaluation.by_size import SizeScores
from harmonize.evaluation.intervals import NONE, Interval
from harmonize.evaluation.metrics import Scores
from harmonize.evaluation.mistakes import Mistakes
from harmonize.evaluation.picture_counts import PictureCounts
from harmonize.evaluation.sampling import PixelSample
from harmonize.evaluation.saved_scores import (
    DETAILS,
    SCORES,
    PictureScore,
    SavedBoundary,
    SavedConfusion,
    SavedDepth,
    SavedScores,
    SavedSize,
)
from harmonize.evaluation.score_text import draw_table
from harmonize.evaluation.tally import Kept

# Letters of shapes: C scored classes.

_EXTREMES = 6
"""Pictures with the lowest and with the highest scores that are named."""


@dataclass(frozen=True)
class BoundaryScores:
    """The scores of the pixels near the edges of truth and answer.

    Attributes:
        iou: of each scored class; NaN where it is in neither truth nor answers.
        mean_iou: over the classes that have one.
        interval: of the mean IoU, over pictures.
        pictures: the pixels near edges of each scored class in each picture.
    """

    iou: Float[Tensor, " C"]
    mean_iou: float
    interval: Interval
    pictures: PictureCounts


@dataclass(frozen=True)
class DatasetScores:
    """The scores of one data set.

    Attributes:
        name, split: what was scored.
        pictures: the number of pictures that were scored.
        classes: the names of the data set's classes that are scored, in its order.
        scores: their scores; NaN if there is one class only, which would be right everywhere.
        confusion: pixels by true class (row) and answer (column).
        tree_order: the numbers of the classes in the order of their first leaves.
        depths: the scores at each depth 1..D.
        mistakes: how far from the truth the answers are, on the tree.
        calibration_error: of the answers' probabilities, over the sampled pixels; in [0, 1], NaN
            without any.
        loss_by_depth: the mean of L_d over the sampled pixels whose label resolves d, for d = 1..D;
            NaN where none does.
        sample: logits of some labelled pixels.
        interval: of the mean IoU, over pictures.
        picture_counts: the pixels of each scored class in each picture, if they are known.
        picture_names: the files of these pictures, by their numbers in the data set.
        picture_scores: of each picture that has any pixel to score, in order.
        sizes: the scores of small, medium and large parts.
        boundary: the scores near edges, if they were asked for.
        kept: the pictures that were asked for, by their numbers, as far as this process scored
            them.
        unanswerable: the classes that are not scored, each with the reason, but for ignored ones.
        skipped: the pictures that could not be used, each with the reason.
        merged: the names of the mapping behind each class that stands for several.
        approximate: classes that are answered by other leaves than they mean, and how these differ.
        unanswered: classes that nothing answers but whose pixels are scored, each with the reason.
        tree: of several trees the one that was scored, which the name ends with; None of one.
    """

    name: str
    split: str
    pictures: int
    classes: tuple[str, ...]
    scores: Scores
    confusion: Int[Tensor, "C C"]
    tree_order: tuple[int, ...]
    depths: tuple[DepthScores, ...]
    mistakes: Mistakes
    calibration_error: float
    loss_by_depth: tuple[float, ...]
    sample: PixelSample
    interval: Interval = NONE
    picture_counts: PictureCounts | None = None
    picture_names: Mapping[int, str] = field(default_factory=dict[int, str])
    picture_scores: tuple[PictureScore, ...] = ()
    sizes: tuple[SizeScores, ...] = ()
    boundary: BoundaryScores | None = None
    kept: Mapping[int, Kept] = field(default_factory=dict[int, Kept])
    unanswerable: Mapping[str, str] = field(default_factory=dict[str, str])
    skipped: Mapping[str, str] = field(default_factory=dict[str, str])
    merged: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    approximate: Mapping[str, str] = field(default_factory=dict[str, str])
    unanswered: Mapping[str, str] = field(default_factory=dict[str, str])
    tree: str | None = None

    @property
    def dataset(self) -> str:
        """The name of the data set, without that of a tree."""
        return self.name if self.tree is None else self.name.removesuffix(f":{self.tree}")

    @property
    def is_alone(self) -> bool:
        """Whether one class alone is scored, so that every answer is right and says nothing."""
        return len(self.classes) == 1

    @property
    def mean_iou_per_picture(self) -> float:
        """The mean over pictures of the mean IoU of each; NaN if there is none."""
        means = [one.mean_iou for one in self.picture_scores]
        return sum(means) / len(means) if means else math.nan

    def to_dict(self) -> dict[str, Value]:
        """Return plain values for JSON; null for what cannot be measured."""
        return {name: to_json(getattr(self.saved(), name)) for name in SCORES}

    def details(self) -> dict[str, Value]:
        """Return further plain values: the confusion matrix, the worst and the best pictures."""
        return {name: to_json(getattr(self.saved(), name)) for name in DETAILS}

    def saved(self) -> SavedScores:
        """Return what the files of a run keep."""
        order = list(self.tree_order)
        ranked = sorted(self.picture_scores, key=lambda picture: picture.mean_iou)
        number = min(_EXTREMES, len(ranked) // 2)
        counts = self.confusion[order][:, order].tolist()
        return SavedScores(
            split=self.split,
            pictures=self.pictures,
            mean_iou=number_of(self.scores.mean_iou),
            mean_iou_interval=_interval(self.interval),
            pixel_accuracy=number_of(self.scores.pixel_accuracy),
            iou=_named(self.classes, self.scores.iou),
            depths=tuple(map(_saved_depth, self.depths)),
            loss_by_depth=tuple(map(number_of, self.loss_by_depth)),
            mistakes={name: number_of(value) for name, value in vars(self.mistakes).items()},
            calibration_error=number_of(self.calibration_error),
            frequency_weighted_iou=number_of(self.scores.frequency_weighted_iou),
            left_out=dict(self.unanswerable),
            skipped=dict(self.skipped),
            precision=_named(self.classes, self.scores.precision),
            recall=_named(self.classes, self.scores.recall),
            mean_iou_per_picture=number_of(self.mean_iou_per_picture),
            by_size=tuple(
                SavedSize(
                    one.size,
                    number_of(one.mean_iou),
                    _named(self.classes, torch.from_numpy(one.iou)),
                )
                for one in self.sizes
            ),
            boundary=self.boundary and _saved_boundary(self.classes, self.boundary),
            merged=dict(self.merged),
            approximate=dict(self.approximate),
            unanswered=dict(self.unanswered),
            confusion=SavedConfusion(
                tuple(self.classes[number] for number in order), tuple(map(tuple, counts))
            ),
            worst=tuple(ranked[:number]),
            best=tuple(ranked[: -number - 1 : -1]),
        )

    def table(self) -> str:
        """Draw the scores as a table."""
        return draw_table(self.name, self.saved())


def _saved_depth(one: DepthScores) -> SavedDepth:
    return SavedDepth(
        one.depth,
        number_of(one.scores.mean_iou),
        _named(one.groups, one.scores.iou),
        number_of(one.scores.frequency_weighted_iou),
        _interval(one.interval),
    )


def _saved_boundary(classes: Sequence[str], one: BoundaryScores) -> SavedBoundary:
    return SavedBoundary(number_of(one.mean_iou), _named(classes, one.iou), _interval(one.interval))


def _interval(interval: Interval) -> Interval | None:
    return None if math.isnan(interval[0]) else interval


def _named(names: Sequence[str], values: Float[Tensor, " C"]) -> dict[str, float | None]:
    return dict(zip(names, map(number_of, values.tolist()), strict=True))


def number_of(value: float) -> float | None:
    """Return what JSON has for a number: null where there is none."""
    return None if math.isnan(value) else value
