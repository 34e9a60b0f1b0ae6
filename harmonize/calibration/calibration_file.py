"""calibration.json: what a run's network was calibrated to, written and read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.calibration.calibration_results import DatasetCalibration
from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.system.atomic_files import write_whole, writing

# Letters of shapes: K leaves.

NAME = "calibration.json"
_LEAST = 1e-3
"""Temperatures that are no higher, or as high as its inverse, were never fitted."""


@dataclass(frozen=True)
class Temperatures:
    """What logits are divided by, by their most probable leaf.

    Attributes:
        by_leaf: in file order.
        like: the data sets that they are of; of several, the largest of each leaf.
    """

    by_leaf: Float[ndarray, " K"]
    like: tuple[str, ...]


@dataclass(frozen=True)
class Check:
    """Whether as many answers were right as a confidence promises.

    Attributes:
        confidence: in [0, 1].
        kept: with the data set's temperatures.
        kept_by_largest: with the largest of all sets.
    """

    confidence: float
    kept: bool
    kept_by_largest: bool


@dataclass(frozen=True)
class CalibrationFile:
    """What was read.

    Attributes:
        path: of the file.
        step: of the checkpoint that was calibrated.
        checkpoint: its file's name.
        size: the shorter side of pictures as the network saw them.
        crop: whether it saw no more than their centre squares.
        leaves: for each data set, the temperature of each leaf.
        checks: for each data set, what its checked pictures said at some confidences.
    """

    path: Path
    step: int
    checkpoint: str
    size: int
    crop: bool
    leaves: Mapping[str, Mapping[str, float]]
    checks: Mapping[str, tuple[Check, ...]]

    def temperatures(self, leaves: tuple[str, ...], like: str | None) -> Temperatures:
        """Return the temperatures of a data set or, of all, the largest of each leaf.

        Raises:
            HarmonizeError: there is no such data set, or the file is of another tree.
        """
        if like is not None and like not in self.leaves:
            raise HarmonizeError(
                f"--like {like}: {self.path} has no such data set; "
                f"{near_matches(like, self.leaves)}"
            )
        names = tuple(self.leaves) if like is None else (like,)
        if any(set(self.leaves[name]) != set(leaves) for name in names):
            raise HarmonizeError(
                f"{self.path}: is of another tree than the run's; {_again(self.path)}"
            )
        table = [[self.leaves[name][leaf] for leaf in leaves] for name in names]
        return Temperatures(np.max(np.array(table, dtype=np.float32), axis=0), names)

    def doubts(self, confidence: float, like: str | None) -> list[str]:
        """Say why a promise may not be kept: it was not, or was never looked at.

        Args:
            confidence: that is promised; between two that were checked, both count.
            like: as in ``temperatures``.
        """
        names = [*self.leaves] if like is None else [like]
        doubts = ["calibrated on the centre squares of pictures"] if self.crop else []
        for name in names:
            checks = sorted(self.checks[name], key=lambda check: check.confidence)
            low, high = checks[0].confidence, checks[-1].confidence
            if not low <= confidence <= high:
                doubts.append(f"{name} was checked at {low:g} to {high:g} only")
                continue
            below = max(check.confidence for check in checks if check.confidence <= confidence)
            above = min(check.confidence for check in checks if check.confidence >= confidence)
            near = [check for check in checks if below <= check.confidence <= above]
            if not all(one.kept if like else one.kept_by_largest for one in near):
                doubts.append(f"on pictures of {name} fewer answers were right")
        return doubts


def write_calibration(
    run: Path,
    found: Sequence[DatasetCalibration],
    *,
    checkpoint: str,
    step: int,
    config: RunConfig,
) -> Path:
    """Write what was found of a run's data sets, and return the file.

    Args:
        run: the run folder.
        found: at least one.
        checkpoint: the name of the file that was calibrated.
        step: its step.
        config: that pictures were scored by.

    Raises:
        HarmonizeError: the file cannot be written.
    """
    path = run / NAME
    facts = {
        "step": step,
        "checkpoint": checkpoint,
        "size": config.data.size,
        "crop": config.evaluate.crop,
        "datasets": {one.name: one.to_dict() for one in found},
    }
    with writing(path):
        write_whole(path, (json.dumps(facts, indent=2) + "\n").encode())
    return path


def read_calibration(run: Path) -> CalibrationFile | None:
    """Read a run's calibration, None if it has none.

    Raises:
        HarmonizeError: the file is damaged.
    """
    path = run / NAME
    try:
        facts = json.loads(path.read_bytes())
        return CalibrationFile(
            path,
            _whole(facts["step"]),
            str(facts["checkpoint"]),
            _whole(facts["size"]),
            _truth(facts["crop"]),
            {name: _leaves(one) for name, one in _filled(facts["datasets"]).items()},
            {name: _checks(one) for name, one in facts["datasets"].items()},
        )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise HarmonizeError(f"{path}: is damaged: {reason}; {_again(path)}") from None


def _leaves(dataset: Any) -> dict[str, float]:
    """Return the temperature of each leaf."""
    found = _filled(dataset["leaf_temperatures"])
    for leaf, value in found.items():
        if type(value) not in (int, float) or not _LEAST < value < 1 / _LEAST:
            raise ValueError(f"the temperature of {leaf} is {value!r}")
    return {leaf: float(value) for leaf, value in found.items()}


def _checks(dataset: Any) -> tuple[Check, ...]:
    """Return what was checked; at least one confidence."""
    checks = tuple(
        Check(
            _probability(point["confidence"]),
            _truth(point["kept"]),
            _truth(point["cautious"]["kept"]),
        )
        for point in dataset["curve"]
    )
    if not checks:
        raise ValueError("the curve is empty")
    return checks


def _probability(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= 1:
        raise TypeError(f"expected a probability, got {str(value)[:20]!r}")
    return float(value)


def _truth(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(f"expected true or false, got {str(value)[:20]!r}")
    return value


def _filled(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise TypeError(f"expected names with values, got {str(value)[:20]!r}")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"expected a whole number, got {str(value)[:20]!r}")
    return value


def _again(path: Path) -> str:
    return f"run `harmonize calibrate {path.parent}` again, or say --uncalibrated"
