"""What was found of a data set's calibration: a table, and what a file keeps and gives back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from harmonize.calibration.back_off import Outcome, Point
from harmonize.config.saved_json import to_json
from harmonize.config.schema import Range
from harmonize.config.strict_yaml import Value
from harmonize.evaluation.saved_scores import Count, Number
from harmonize.plurals import counted

Temperature = Annotated[float, Range(1e-3, 1e3, above=True)]
"""Temperatures that are lower or higher were never fitted."""


@dataclass(frozen=True)
class Change:
    """A number before temperatures are taken, and after; None for what cannot be measured."""

    before: Number = None
    after: Number = None


@dataclass(frozen=True, kw_only=True)
class CurvePoint(Point):
    """Answers at one confidence, with the data set's temperatures.

    Attributes:
        cautious: with the largest temperatures of all data sets.
        uncalibrated: by the network's own probabilities.
    """

    cautious: Outcome
    uncalibrated: Outcome | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetCalibration:
    """A data set's temperatures, and what they are worth.

    Predictions need no more than the leaves' temperatures and the curve; a file may lack the rest.

    Attributes:
        leaf_temperatures: of the pixels with each most probable leaf, as predictions take them.
        curve: over the checked pictures.
        name, split: of the data set that they are fitted on.
        check_split: what they are checked on; the other half of ``split`` if it is the same.
        fitted_on, checked_on: the numbers of pictures.
        temperature: of the whole set.
        temperatures: of each of its classes.
        loss: the mean of -log p of the labels of the checked pictures, before and after; what
            temperatures are fitted to.
        size: the shorter side that its pictures were seen at, where it is the set's own.
        calibration_error: of the answers in the set's own classes, before and after. What some
            classes are too sure of and others not enough cancels in it.
    """

    leaf_temperatures: dict[str, Temperature]
    curve: tuple[CurvePoint, ...]
    name: str = ""
    split: str = ""
    check_split: str = ""
    fitted_on: Count = 0
    checked_on: Count = 0
    temperature: Temperature = 1.0
    temperatures: dict[str, Temperature] = field(default_factory=dict[str, Temperature])
    loss: Change = Change()
    calibration_error: Change = Change()
    size: Count | None = None

    def to_dict(self) -> dict[str, Value]:
        """Return plain values for JSON; null for what cannot be measured."""
        plain = to_json(self)
        assert isinstance(plain, dict)
        return plain

    def table(self) -> str:
        """Draw the curve before and after, and the temperatures."""
        others = "others" if self.check_split == self.split else f"of {self.check_split}"
        columns = f"{'coverage':>8}  {'accuracy':>15}  {'depth':>5}"
        rows = [
            f"{self.name}, {self.split}: temperatures fitted on "
            f"{counted(self.fitted_on, 'picture')}, "
            f"checked on {self.checked_on} {others}",
            f"            {'calibrated':<32}    the network's own",
            f"confidence  {columns}    {columns}",
        ]
        for point in self.curve:
            own = "" if point.uncalibrated is None else _columns(point.uncalibrated)
            rows.append(f"{point.confidence:10.2f}  {_columns(point)}    {own}".rstrip())
        rows += self._notes()
        before, after = _decimals(self.loss.before), _decimals(self.loss.after)
        rows.append(f"mean -log p of the labels: {before} before, {after} after")
        error = self.calibration_error
        rows.append(
            f"calibration error: {_percent(error.before)} before, {_percent(error.after)} after"
        )
        rows.append(f"temperature: {self._temperatures()}")
        return "\n".join(rows)

    def _temperatures(self) -> str:
        """Write the set's temperature, and those of the classes that have one of their own."""
        whole, by_class = self.temperature, self.temperatures
        own = [f"{name} {value:.2f}" for name, value in by_class.items() if value != whole]
        return f"{whole:.2f}; {', '.join(own) or 'too few pictures or pixels of any class'}"

    def _notes(self) -> list[str]:
        """Say where a promise is not kept, and what labels cannot tell."""
        kinds = {
            "": [point.kept for point in self.curve],
            " with the temperatures of all sets": [point.cautious.kept for point in self.curve],
        }
        own = [point.uncalibrated.kept for point in self.curve if point.uncalibrated]
        notes: list[str] = []
        if not all(kinds[""] + own):
            notes.append("* fewer answers are right than promised")
        for kind, kept in kinds.items():
            broken = [
                f"{p.confidence:g}"
                for p, is_kept in zip(self.curve, kept, strict=True)
                if not is_kept
            ]
            if broken:
                notes.append(f"the promise is not kept{kind} at confidence {', '.join(broken)}")
        finer = [point.finer or 0.0 for point in self.curve if point.coverage]
        overlap = [point.not_judged or 0.0 for point in self.curve if point.coverage]
        if any(finer):
            notes.append(f"{_range(finer)} of the answers say more than the labels can confirm")
        if any(overlap):
            notes.append(f"{_range(overlap)} only overlap with the labels and are not judged")
        return notes


def _range(shares: Sequence[float]) -> str:
    return f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %"


def _columns(point: Outcome) -> str:
    accuracy = _percent(point.accuracy)
    if point.error_bar is not None:
        accuracy += f" +- {_percent(point.error_bar)}"
    depth = "-" if point.mean_depth is None else f"{point.mean_depth:.2f}"
    mark = " " if point.kept else "*"
    return f"{_percent(point.coverage):>8}  {accuracy:>15}{mark} {depth:>5}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _decimals(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
