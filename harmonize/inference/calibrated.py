"""The calibration that answers go by, and what a user is told about it."""

import sys
from dataclasses import dataclass
from pathlib import Path

from harmonize.calibration_file import NAME, CalibrationFile, Temperatures, read_calibration
from harmonize.errors import HarmonizeError, printable


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
            print(printable(self.note))
        if self.warning is not None:
            print(printable(f"warning: {self.warning}"), file=sys.stderr)


NOT_CALIBRATED = FoundCalibration()


def find_calibration(
    run: Path, leaves: tuple[str, ...], *, step: int, size: int | str, like: str | None, which: str
) -> FoundCalibration:
    """Read a run's calibration, if it is of the checkpoint in use.

    Args:
        run: the run folder.
        leaves: of the run's tree.
        step: of the checkpoint.
        size: the shorter side of pictures as the network sees them, or ``full``.
        like: the data set whose temperatures are wanted; the largest of all unless given.
        which: ``best`` or ``last``, as the checkpoint was chosen.

    Raises:
        HarmonizeError: the calibration is damaged, of another tree, or lacks what is asked for.
    """
    file = read_calibration(run)
    if file is None or file.step != step:
        way_out = _way_out(run, file, step, which)
        if like is not None:
            raise HarmonizeError(f"--like {like}: {way_out}")
        return FoundCalibration(None, None, f"probabilities are not calibrated: {way_out}")
    temperatures = file.temperatures(leaves, like)
    names = " and ".join(temperatures.like)
    largest = ", of each temperature the largest" if len(temperatures.like) > 1 else ""
    return FoundCalibration(
        temperatures,
        f"probabilities are calibrated as for {names}{largest} ({file.path})",
        None
        if size == file.size
        else f"probabilities were calibrated at --size {file.size}; at {size} they may not hold",
    )


def _way_out(run: Path, file: CalibrationFile | None, step: int, which: str) -> str:
    """Say why there is no calibration, and how to get one."""
    option = "" if which == "last" else f" --checkpoint {which}"
    reason = (
        f"there is no {run / NAME}"
        if file is None
        else f"{file.path} is of step {file.step}, the checkpoint of step {step}"
    )
    return f"{reason}; run `harmonize calibrate {run}{option}`"
