"""The scores and the calibration of a run, as its files hold them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harmonize.calibration.calibration_file import CalibrationFile, read_calibration
from harmonize.report.fields import Fields, read_json

Value = float | None


@dataclass(frozen=True)
class Depth:
    """The scores of one depth: the IoU of each group, which is a node of the tree."""

    depth: int
    mean_iou: Value
    iou: Mapping[str, Value]

    @property
    def is_alone(self) -> bool:
        """Whether there is one group only, so that every answer is right and says nothing."""
        return len(self.iou) == 1

    @property
    def telling(self) -> Value:
        """The mean IoU where it says something."""
        return None if self.is_alone else self.mean_iou


@dataclass(frozen=True)
class Confusion:
    """Counts of pixels by true class (row) and answer (column), in tree order."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ScoredPicture:
    """A picture of a data set by its number and its path, and its own mean IoU."""

    number: int
    picture: str
    mean_iou: Value


@dataclass(frozen=True)
class SetScores:
    """The scores of one data set; None or empty for what an older file does not hold."""

    split: str
    pictures: int
    mean_iou: Value
    pixel_accuracy: Value
    iou: Mapping[str, Value]
    depths: tuple[Depth, ...]
    loss_by_depth: tuple[Value, ...]
    mistakes: Mapping[str, Value]
    calibration_error: Value
    unanswerable: Mapping[str, str]
    skipped: Mapping[str, str]
    confusion: Confusion | None
    worst: tuple[ScoredPicture, ...]
    best: tuple[ScoredPicture, ...]


@dataclass(frozen=True)
class CurvePoint:
    """What becomes of answers that must be as probable as ``confidence``.

    Attributes:
        coverage: share of pixels that are answered below the root.
        accuracy: share of these answers that are true.
        error_bar: of the accuracy.
        mean_depth: of the answers.
    """

    confidence: float
    coverage: Value
    accuracy: Value
    error_bar: Value
    mean_depth: Value


@dataclass(frozen=True)
class SetCalibration:
    """How far a data set's probabilities can be trusted, before and after calibration.

    Attributes:
        check_split, checked_on: the split, and how many of its pictures were checked.
        before, after: the calibration error.
        loss_before, loss_after: the mean of -log p of the labels.
        curve, uncalibrated: what becomes of answers at some confidences, with and without.
        broken: the confidences at which the promise, accuracy at least the confidence less its
            error bar, is not kept.
    """

    check_split: str
    checked_on: int
    before: Value
    after: Value
    loss_before: Value
    loss_after: Value
    curve: tuple[CurvePoint, ...]
    uncalibrated: tuple[CurvePoint, ...]
    broken: tuple[float, ...]


@dataclass(frozen=True)
class Calibration:
    """What calibration.json holds: the temperatures, and the curves of each data set."""

    file: CalibrationFile
    datasets: Mapping[str, SetCalibration]


def read_evaluation(path: Path) -> dict[str, SetScores]:
    """Read an evaluation.json.

    Raises:
        HarmonizeError: it is damaged.
    """
    whole = read_json(path, "score the run again with scripts/evaluate.py RUN --json FILE")
    return read_scores(whole)


def read_scores(whole: Fields) -> dict[str, SetScores]:
    """Read the scores of all data sets from an object with the key ``datasets``."""
    return {name: _set_scores(one) for name, one in whole.inside("datasets").objects().items()}


def read_curves(run: Path) -> Calibration | None:
    """Read a run's calibration.json, if there is one.

    Raises:
        HarmonizeError: it is damaged.
    """
    file = read_calibration(run)
    if file is None:
        return None
    sets = read_json(file.path, "calibrate the run again").inside("datasets").objects()
    return Calibration(file, {name: _set_calibration(one) for name, one in sets.items()})


def _set_scores(one: Fields) -> SetScores:
    return SetScores(
        split=one.text("split"),
        pictures=one.whole("pictures"),
        mean_iou=one.number("mean_iou"),
        pixel_accuracy=one.number("pixel_accuracy"),
        iou=one.inside("iou").all_numbers(),
        depths=tuple(
            Depth(item.whole("depth"), item.number("mean_iou"), item.inside("iou").all_numbers())
            for item in one.items("depths")
        ),
        loss_by_depth=one.numbers("loss_by_depth"),
        mistakes=one.inside("mistakes").all_numbers(),
        calibration_error=one.number("calibration_error"),
        unanswerable=one.inside("left_out").all_texts(),
        skipped=one.inside("skipped").all_texts(),
        confusion=_confusion(one.inside("confusion")) if "confusion" in one else None,
        worst=_pictures(one, "worst"),
        best=_pictures(one, "best"),
    )


def _confusion(one: Fields) -> Confusion:
    classes = one.names("classes")
    return Confusion(classes, one.counts("counts", len(classes)))


def _pictures(one: Fields, key: str) -> tuple[ScoredPicture, ...]:
    return tuple(
        ScoredPicture(item.whole("number"), item.text("picture"), item.number("mean_iou"))
        for item in one.items(key)
    )


def _set_calibration(one: Fields) -> SetCalibration:
    points = one.items("curve")
    error, loss = one.inside("calibration_error"), one.inside("loss")
    return SetCalibration(
        check_split=one.text("check_split") or one.text("split"),
        checked_on=one.whole("checked_on"),
        before=error.number("before"),
        after=error.number("after"),
        loss_before=loss.number("before"),
        loss_after=loss.number("after"),
        curve=tuple(_point(item, item.share("confidence")) for item in points),
        uncalibrated=tuple(
            _point(item.inside("uncalibrated"), item.share("confidence"))
            for item in points
            if "uncalibrated" in item
        ),
        broken=tuple(
            item.share("confidence") or 0.0 for item in points if item.values.get("kept") is False
        ),
    )


def _point(item: Fields, confidence: Value) -> CurvePoint:
    return CurvePoint(
        confidence=confidence or 0.0,
        coverage=item.share("coverage"),
        accuracy=item.share("accuracy"),
        error_bar=item.share("error_bar"),
        mean_depth=item.number("mean_depth"),
    )
