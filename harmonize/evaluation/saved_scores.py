"""A data set's scores as the files of a run keep them: written from here, and read back."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from harmonize.config.saved_json import read_saved
from harmonize.config.schema import Fraction, Range
from harmonize.errors import HarmonizeError
from harmonize.evaluation.saved_protocol import SavedProtocol

Number = float | None
Share = Fraction | None
Count = Annotated[int, Range(0, 1e12)]
SavedInterval = tuple[Fraction, Fraction] | None

VERSION = 1
"""Of the file; higher once a key changes its meaning or goes. New keys leave it as it is."""


@dataclass(frozen=True)
class SavedDepth:
    """The scores of one depth: its groups, which are nodes of the tree, as classes."""

    depth: Count
    """From 1, right below the root."""
    mean_iou: Share
    """Over the groups that have an IoU; null where labels are of one only, which answered
    everywhere is never wrong."""
    iou: dict[str, Share]
    """Of each group; null where it has none."""
    frequency_weighted_iou: Share = None
    """Mean IoU in which each group counts by its share of the labelled pixels."""
    mean_iou_interval: SavedInterval = None
    """95 % interval of the mean IoU over pictures."""

    @property
    def is_alone(self) -> bool:
        """Whether no two groups are scored, so that one answer everywhere is never wrong."""
        return len(self.iou) == 1 or self.mean_iou is None

    @property
    def telling(self) -> Share:
        """The mean IoU where it says something."""
        return None if self.is_alone else self.mean_iou


@dataclass(frozen=True)
class SavedSize:
    """The scores of classes in the pictures of which they cover about as much."""

    size: str
    """``small`` below 1 % of a picture's scored pixels, ``large`` from 10 % on, else ``medium``."""
    mean_iou: Share
    """Over the classes that have an IoU."""
    iou: dict[str, Share]
    """Of each class, over the pictures in whose truth it is so large; null if there are none."""


@dataclass(frozen=True)
class SavedBoundary:
    """IoU over the pixels within 2 % of the diagonal from the edges of truth and answer."""

    mean_iou: Share
    """Over the classes that have one."""
    iou: dict[str, Share]
    """Of each class."""
    mean_iou_interval: SavedInterval = None
    """95 % interval of the mean over pictures."""


@dataclass(frozen=True)
class SavedConfusion:
    """Counts of pixels by true class (row) and answer (column), in tree order."""

    classes: tuple[str, ...]
    """The classes of rows and columns."""
    counts: tuple[tuple[Count, ...], ...]
    """The rows."""


@dataclass(frozen=True)
class PictureScore:
    """How well one picture is answered: the mean IoU over the classes in its truth or answer."""

    number: Count
    """Of the picture in its split, from 0."""
    picture: str
    """Its file, relative to the data set's folder."""
    mean_iou: Fraction
    """Over the classes in its truth or answer."""


@dataclass(frozen=True)
class SavedScores:
    """The scores of one data set; null for what cannot be measured, or is not kept.

    The lines of ``metrics.jsonl`` keep neither the confusion matrix nor single pictures.
    """

    split: str
    """That was scored."""
    pictures: Count
    """That were scored."""
    mean_iou: Share
    """Over the classes that have an IoU; null where one class is scored alone."""
    pixel_accuracy: Share
    """Share of the labelled pixels that are answered right."""
    iou: dict[str, Share]
    """Intersection over union of each scored class; null where it is in neither truth nor answer.
    Classes of one meaning are one, under all their names."""
    depths: tuple[SavedDepth, ...] = ()
    """The scores at each depth of the tree."""
    loss_by_depth: tuple[Number, ...] = ()
    """Mean of -log p of the label's groups at each depth, over the pixels that resolve it."""
    mistakes: dict[str, Number] = field(default_factory=dict[str, Number])
    """``lca_height``: levels up the tree where truth and a wrong answer meet; hierarchical
    ``precision``, ``recall`` and ``f``."""
    calibration_error: Number = None
    """How far the answers' probabilities are from the share that is right."""
    frequency_weighted_iou: Share = None
    """Mean IoU in which each class counts by its share of the labelled pixels."""
    mean_iou_interval: SavedInterval = None
    """95 % interval of the mean IoU over pictures: percentiles of 1000 resamples of them."""
    boundary: SavedBoundary | None = None
    """The scores near edges; null unless ``evaluate.boundary`` asks for them."""
    left_out: dict[str, str] = field(default_factory=dict[str, str])
    """Classes that are not scored, each with the reason."""
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    """Pictures that could not be used, each with the reason."""
    precision: dict[str, Share] = field(default_factory=dict[str, Share])
    """Of the pixels answered as each class, the share that is right; null without any."""
    recall: dict[str, Share] = field(default_factory=dict[str, Share])
    """Of the pixels of each class, the share that is answered so; null without any."""
    mean_iou_per_picture: Share = None
    """Mean over pictures of the mean IoU of each."""
    by_size: tuple[SavedSize, ...] = ()
    """The scores of small, medium and large parts."""
    merged: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """The mapping's classes behind each class that stands for several of one meaning."""
    approximate: dict[str, str] = field(default_factory=dict[str, str])
    """Classes answered by other leaves than they mean (``answers: approximate``), and which."""
    unanswered: dict[str, str] = field(default_factory=dict[str, str])
    """Under a protocol, classes that nothing answers, each with the reason: all their pixels are
    wrong."""
    confusion: SavedConfusion | None = None
    """The confusion matrix."""
    worst: tuple[PictureScore, ...] = ()
    """The pictures with the lowest scores."""
    best: tuple[PictureScore, ...] = ()
    """The pictures with the highest scores."""


DETAILS = (
    "precision",
    "recall",
    "mean_iou_per_picture",
    "by_size",
    "merged",
    "approximate",
    "unanswered",
    "confusion",
    "worst",
    "best",
)
SCORES = tuple(name for name in SavedScores.__dataclass_fields__ if name not in DETAILS)


@dataclass(frozen=True)
class Evaluation:
    """A whole file of scores."""

    datasets: dict[str, SavedScores]
    """The scores of each data set by name."""
    protocol: SavedProtocol | None = None
    """What the protocol says of them, if they were scored by one."""
    version: Annotated[int, Range(1)] = VERSION
    """Of the file's format."""
    made_by: str = "harmonize evaluate"
    """By this a file of scores is known, so that no other is replaced."""


def read_evaluation(path: Path, advice: str) -> dict[str, SavedScores]:
    """Read the scores of all data sets from an ``evaluation.json``.

    Raises:
        HarmonizeError: it cannot be read, is damaged or newer than this program; ``advice`` says
            what to do.
    """
    whole = read_saved(Evaluation, path, advice)
    if whole.version > VERSION:
        raise HarmonizeError(
            f"{path}: version: is {whole.version}, of a newer harmonize, which wrote it; this one "
            f"knows {VERSION}; update it"
        )
    for name, one in whole.datasets.items():
        matrix = one.confusion
        size = len(matrix.classes) if matrix else 0
        if matrix and [len(row) for row in matrix.counts] != [size] * size:
            place = f"{path}: is damaged: datasets.{name}.confusion.counts"
            raise HarmonizeError(f"{place}: expected {size} x {size} counts; {advice}")
    return whole.datasets
