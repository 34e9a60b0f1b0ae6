"""A data set's scores as the files of a run keep them: written from here, and read back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from harmonize.config.saved_json import read_saved
from harmonize.config.schema import Fraction, Range
from harmonize.errors import HarmonizeError

Number = float | None
Share = Fraction | None
Count = Annotated[int, Range(0, 1e12)]


@dataclass(frozen=True)
class SavedDepth:
    """The scores of one depth: the IoU of each group, which is a node of the tree."""

    depth: Count
    mean_iou: Share
    iou: dict[str, Share]
    frequency_weighted_iou: Share = None

    @property
    def is_alone(self) -> bool:
        """Whether there is one group only, so that every answer is right and says nothing."""
        return len(self.iou) == 1

    @property
    def telling(self) -> Share:
        """The mean IoU where it says something."""
        return None if self.is_alone else self.mean_iou


@dataclass(frozen=True)
class SavedConfusion:
    """Counts of pixels by true class (row) and answer (column), in tree order."""

    classes: tuple[str, ...]
    counts: tuple[tuple[Count, ...], ...]


@dataclass(frozen=True)
class PictureScore:
    """How well one picture is answered: the mean IoU over the classes in its truth or answer."""

    number: Count
    picture: str
    mean_iou: Fraction


@dataclass(frozen=True)
class SavedScores:
    """The scores of one data set; None for what cannot be measured, or is not kept.

    The lines of ``metrics.jsonl`` keep neither the confusion matrix nor single pictures.
    """

    split: str
    pictures: Count
    mean_iou: Share
    pixel_accuracy: Share
    iou: dict[str, Share]
    depths: tuple[SavedDepth, ...] = ()
    loss_by_depth: tuple[Number, ...] = ()
    mistakes: dict[str, Number] = field(default_factory=dict[str, Number])
    calibration_error: Number = None
    frequency_weighted_iou: Share = None
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    merged: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    approximate: dict[str, str] = field(default_factory=dict[str, str])
    confusion: SavedConfusion | None = None
    worst: tuple[PictureScore, ...] = ()
    best: tuple[PictureScore, ...] = ()


DETAILS = ("merged", "approximate", "confusion", "worst", "best")
SCORES = tuple(name for name in SavedScores.__dataclass_fields__ if name not in DETAILS)


@dataclass(frozen=True)
class _Evaluation:
    """A whole file of scores, by data set."""

    datasets: dict[str, SavedScores]


def read_evaluation(path: Path, advice: str) -> dict[str, SavedScores]:
    """Read the scores of all data sets from an ``evaluation.json``.

    Raises:
        HarmonizeError: it cannot be read or is damaged; ``advice`` says what to do.
    """
    found = read_saved(_Evaluation, path, advice).datasets
    for name, one in found.items():
        matrix = one.confusion
        size = len(matrix.classes) if matrix else 0
        if matrix and [len(row) for row in matrix.counts] != [size] * size:
            place = f"{path}: is damaged: datasets.{name}.confusion.counts"
            raise HarmonizeError(f"{place}: expected {size} x {size} counts; {advice}")
    return found
