"""The calibration that answers go by, and what a user is told about it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from harmonize.calibration.calibration_file import (
    NAME,
    CalibrationFile,
    Temperatures,
    read_calibration,
)
from harmonize.errors import HarmonizeError, printable
from harmonize.system.progress import tell


@dataclass(frozen=True)
class FoundCalibration:
    """What answers go by.

    Attributes:
        temperatures: None if the network's own probabilities are taken.
        note: one line that says so, if there is anything to say.
        warning: one line about what makes probabilities doubtful, if anything does.
    """

    temperatures: Temperatures | None = None
    note: str | None = None
    warning: str | None = None

    def legend(self) -> dict[str, list[str]]:
        """Return what stands in a legend: the data sets whose temperatures are taken, if any."""
        return {} if self.temperatures is None else {"calibrated_for": [*self.temperatures.like]}

    def tell(self) -> None:
        """Print the lines."""
        if self.note is not None:
            tell(printable(self.note))
        if self.warning is not None:
            print(printable(f"warning: {self.warning}"), file=sys.stderr)


NOT_CALIBRATED = FoundCalibration()


@dataclass(frozen=True)
class Use:
    """What a calibration is wanted for.

    Attributes:
        confidence: that answers must reach.
        like: the data set whose temperatures are wanted; the largest of all unless given.
        size: the shorter side of pictures as the network sees them, or ``full``.
        step: of the checkpoint.
        which: ``best`` or ``last``, as the checkpoint was chosen.
    """

    confidence: float
    like: str | None
    size: int | str
    step: int
    which: str


def find_calibration(
    run: Path, leaves: tuple[str, ...], use: Use, tree: str | None = None
) -> FoundCalibration:
    """Read a run's calibration, if it is of the checkpoint in use.

    Args:
        run: the run folder.
        leaves: of the run's tree.
        use: what it is wanted for.
        tree: of several trees the one that answers.

    Raises:
        HarmonizeError: the calibration is damaged, of another tree, or lacks what is asked for.
    """
    file = read_calibration(run, tree)
    fits = file is not None and file.step == use.step
    return use_calibration(file if fits else None, leaves, use, _way_out(run, file, use))


def use_calibration(
    file: CalibrationFile | None, leaves: tuple[str, ...], use: Use, way_out: str
) -> FoundCalibration:
    """Say what answers go by.

    Args:
        file: the calibration of the checkpoint in use, if there is one.
        leaves: of the tree.
        use: what it is wanted for.
        way_out: why there is none, and how to get one.

    Raises:
        HarmonizeError: the calibration is of another tree, or lacks what is asked for.
    """
    if file is None:
        if use.like is not None:
            raise HarmonizeError(f"--like {use.like}: {way_out}")
        return FoundCalibration(warning=f"probabilities are not calibrated: {way_out}")
    temperatures = file.temperatures(leaves, use.like)
    names = " and ".join(temperatures.like)
    largest = ", of each temperature the largest" if len(temperatures.like) > 1 else ""
    doubts = file.doubts(use.confidence, use.like)
    if other := [size for size in file.sizes(temperatures.like) if size != use.size]:
        doubts.append(f"calibrated at --size {' and '.join(map(str, other))}, not {use.size}")
    warning = f"confidence {use.confidence:g} may not hold: {'; '.join(doubts)} ({file.path})"
    return FoundCalibration(
        temperatures,
        f"probabilities are calibrated as for {names}{largest} ({file.path})",
        warning if doubts else None,
    )


def _way_out(run: Path, file: CalibrationFile | None, use: Use) -> str:
    """Say why there is no calibration, and how to get one."""
    option = "" if use.which == "last" else f" --checkpoint {use.which}"
    reason = (
        f"there is no {run / NAME}"
        if file is None
        else f"{file.path} is of step {file.step}, the checkpoint of step {use.step}"
    )
    return f"{reason}; run `harmonize calibrate {run}{option}`"
