"""What was found of a data set's calibration, as a table and as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harmonize.calibration.back_off import Point
from harmonize.calibration.temperatures import Calibration
from harmonize.config.strict_yaml import Value


@dataclass(frozen=True)
class Change:
    """A number before temperatures are taken, and after."""

    before: float
    after: float

    def to_dict(self) -> dict[str, Value]:
        """Return plain values for JSON; null for what cannot be measured."""
        return {"before": _number(self.before), "after": _number(self.after)}


@dataclass(frozen=True)
class Line:
    """Answers at one confidence.

    Attributes:
        calibrated: with the data set's temperatures.
        uncalibrated: by the network's own probabilities.
        cautious: with the largest temperatures of all data sets.
    """

    calibrated: Point
    uncalibrated: Point
    cautious: Point

    def to_dict(self) -> dict[str, Value]:
        """Return plain values for JSON; null for what cannot be measured."""
        return {
            "confidence": self.calibrated.confidence,
            **_plain(self.calibrated),
            "uncalibrated": _plain(self.uncalibrated),
            "cautious": _plain(self.cautious),
        }


@dataclass(frozen=True)
class DatasetCalibration:
    """A data set's temperatures, and what they are worth.

    Attributes:
        name, split: of the data set that they are fitted on.
        check_split: what they are checked on; the other half of ``split`` if it is the same.
        fitted_on, checked_on: the numbers of pictures.
        calibration: the temperatures.
        leaf_temperatures: the same for each leaf of the tree, as predictions take them.
        loss: the mean of -log p of the labels of the checked pictures, before and after; what
            temperatures are fitted to.
        error: the calibration error of the answers in the set's own classes, before and after. What
            some classes are too sure of and others not enough cancels in it.
        curve: over the checked pictures.
    """

    name: str
    split: str
    check_split: str
    fitted_on: int
    checked_on: int
    calibration: Calibration
    leaf_temperatures: Mapping[str, float]
    loss: Change
    error: Change
    curve: tuple[Line, ...]

    def to_dict(self) -> dict[str, Value]:
        """Return plain values for JSON; null for what cannot be measured."""
        by_class: dict[str, Value] = dict(self.calibration.by_class)
        by_leaf: dict[str, Value] = dict(self.leaf_temperatures)
        return {
            "split": self.split,
            "check_split": self.check_split,
            "fitted_on": self.fitted_on,
            "checked_on": self.checked_on,
            "temperature": self.calibration.temperature,
            "temperatures": by_class,
            "leaf_temperatures": by_leaf,
            "loss": self.loss.to_dict(),
            "calibration_error": self.error.to_dict(),
            "curve": [line.to_dict() for line in self.curve],
        }

    def table(self) -> str:
        """Draw the curve before and after, and the temperatures."""
        others = "others" if self.check_split == self.split else f"of {self.check_split}"
        columns = f"{'coverage':>8}  {'accuracy':>15}  {'depth':>5}"
        rows = [
            f"{self.name}, {self.split}: temperatures fitted on {self.fitted_on} pictures, "
            f"checked on {self.checked_on} {others}",
            f"            {'calibrated':<32}    the network's own",
            f"confidence  {columns}    {columns}",
        ]
        for line in self.curve:
            calibrated, own = _columns(line.calibrated), _columns(line.uncalibrated)
            rows.append(f"{line.calibrated.confidence:10.2f}  {calibrated}    {own}".rstrip())
        rows += self._notes()
        rows.append(
            f"mean -log p of the labels: {self.loss.before:.4f} before, {self.loss.after:.4f} after"
        )
        before, after = _percent(self.error.before), _percent(self.error.after)
        rows.append(f"calibration error: {before} before, {after} after")
        rows.append(f"temperature: {self._temperatures()}")
        return "\n".join(rows)

    def _temperatures(self) -> str:
        """Write the set's temperature, and those of the classes that have one of their own."""
        whole, by_class = self.calibration.temperature, self.calibration.by_class
        own = [f"{name} {value:.2f}" for name, value in by_class.items() if value != whole]
        return f"{whole:.2f}; {', '.join(own) or 'too few pictures or pixels of any class'}"

    def _notes(self) -> list[str]:
        """Say where a promise is not kept, and what labels cannot tell."""
        kinds = {
            "": [line.calibrated for line in self.curve],
            " with the temperatures of all sets": [line.cautious for line in self.curve],
        }
        notes: list[str] = []
        if not all(line.calibrated.kept and line.uncalibrated.kept for line in self.curve):
            notes.append("* fewer answers are right than promised")
        for kind, points in kinds.items():
            broken = [f"{point.confidence:g}" for point in points if not point.kept]
            if broken:
                notes.append(f"the promise is not kept{kind} at confidence {', '.join(broken)}")
        finer = [line.calibrated.finer for line in self.curve if line.calibrated.coverage]
        overlap = [line.calibrated.not_judged for line in self.curve if line.calibrated.coverage]
        if any(finer):
            notes.append(f"{_range(finer)} of the answers say more than the labels can confirm")
        if any(overlap):
            notes.append(f"{_range(overlap)} only overlap with the labels and are not judged")
        return notes


def _range(shares: Sequence[float]) -> str:
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"


def _columns(point: Point) -> str:
    accuracy = f"{_percent(point.accuracy)} +- {_percent(point.error_bar).strip()}"
    depth = "-" if math.isnan(point.mean_depth) else f"{point.mean_depth:.2f}"
    mark = " " if point.kept else "*"
    return f"{_percent(point.coverage):>8}  {accuracy:>15}{mark} {depth:>5}"


def _plain(point: Point) -> dict[str, Value]:
    return {
        "coverage": _number(point.coverage),
        "accuracy": _number(point.accuracy),
        "error_bar": _number(point.error_bar),
        "mean_depth": _number(point.mean_depth),
        "finer": _number(point.finer),
        "not_judged": _number(point.not_judged),
        "kept": point.kept,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.2f}"
