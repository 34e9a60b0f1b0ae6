"""calibration.json: what a run's network was calibrated to, written and read."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.calibration.calibration_results import DatasetCalibration
from harmonize.config.run_config import RunConfig
from harmonize.config.saved_json import from_json, read_saved, to_json
from harmonize.errors import HarmonizeError, near_matches
from harmonize.evaluation.saved_scores import Count
from harmonize.system.atomic_files import write_whole, writing

# Letters of shapes: K leaves.

NAME = "calibration.json"


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
class _Saved:
    """What the file holds; see ``CalibrationFile``."""

    step: Count
    checkpoint: str
    size: Count | Literal["full"]
    crop: bool
    datasets: dict[str, DatasetCalibration]


@dataclass(frozen=True)
class CalibrationFile(_Saved):
    """What was read.

    Attributes:
        step: of the checkpoint that was calibrated.
        checkpoint: its file's name.
        size: the shorter side of pictures as the network saw them, but for sets with their own.
        crop: whether it saw no more than their centre squares.
        datasets: what was found of each.
        path: of the file.
    """

    path: Path

    def of_tree(self, name: str | None) -> "CalibrationFile | None":
        """Return what is of one of several trees, by the names of the data sets alone.

        None if nothing is. All of it where the run has one tree, so that no name is given.
        """
        if name is None:
            return self
        ending = f":{name}"
        datasets = {
            key.removesuffix(ending): one
            for key, one in self.datasets.items()
            if key.endswith(ending)
        }
        return dataclasses.replace(self, datasets=datasets) if datasets else None

    def temperatures(self, leaves: tuple[str, ...], like: str | None) -> Temperatures:
        """Return the temperatures of a data set or, of all, the largest of each leaf.

        Raises:
            HarmonizeError: there is no such data set, or the file is of another tree.
        """
        if like is not None and like not in self.datasets:
            advice = near_matches(like, self.datasets)
            raise HarmonizeError(f"--like {like}: {self.path} has no such data set; {advice}")
        names = tuple(self.datasets) if like is None else (like,)
        found = [self.datasets[name].leaf_temperatures for name in names]
        if any(set(one) != set(leaves) for one in found):
            raise HarmonizeError(
                f"{self.path}: is of another tree than the run's; {_again(self.path)}"
            )
        table = [[one[leaf] for leaf in leaves] for one in found]
        return Temperatures(np.max(np.array(table, dtype=np.float32), axis=0), names)

    def sizes(self, names: Sequence[str]) -> list[int | Literal["full"]]:
        """Return the sizes at which data sets were seen, each once."""
        return list(dict.fromkeys(self.datasets[name].size or self.size for name in names))

    def doubts(self, confidence: float, like: str | None) -> list[str]:
        """Say why a promise may not be kept: it was not, or was never looked at.

        Args:
            confidence: that is promised; between two that were checked, both count.
            like: as in ``temperatures``.
        """
        doubts = ["calibrated on the centre squares of pictures"] if self.crop else []
        for name in [*self.datasets] if like is None else [like]:
            curve = self.datasets[name].curve
            known = sorted(point.confidence for point in curve)
            if not known[0] <= confidence <= known[-1]:
                doubts.append(f"{name} was checked at {known[0]:g} to {known[-1]:g} only")
                continue
            below = max(one for one in known if one <= confidence)
            above = min(one for one in known if one >= confidence)
            near = [point for point in curve if below <= point.confidence <= above]
            if not all(point.kept if like else point.cautious.kept for point in near):
                doubts.append(f"on pictures of {name} fewer answers were right")
        return doubts


def write_calibration(
    run: Path,
    found: Sequence[DatasetCalibration],
    *,
    checkpoint: str,
    step: int,
    config: RunConfig,
    sizes: Mapping[str, int] | None = None,
) -> Path:
    """Write what was found of a run's data sets, and return the file.

    Args:
        run: the run folder.
        found: at least one.
        checkpoint: the name of the file that was calibrated.
        step: its step.
        config: that pictures were scored by.
        sizes: of the data sets that were not seen at the config's.

    Raises:
        HarmonizeError: the file cannot be written.
    """
    path = run / NAME
    datasets = {
        one.name: dataclasses.replace(one, size=(sizes or {}).get(one.name)) for one in found
    }
    saved = _Saved(step, checkpoint, config.answer_size, config.evaluate.crop, datasets)
    with writing(path):
        write_whole(path, (json.dumps(to_json(saved), indent=2) + "\n").encode())
    return path


def read_calibration(run: Path, tree: str | None = None) -> CalibrationFile | None:
    """Read a run's calibration, of one of several trees if it is given; None if it has none.

    Raises:
        HarmonizeError: the file is damaged.
    """
    path = run / NAME
    if not path.exists():
        return None
    return _checked(read_saved(_Saved, path, _again(path)), path).of_tree(tree)


def calibration_from(value: Any, path: Path) -> CalibrationFile:
    """Build a calibration from the JSON that another file keeps of it.

    Args:
        value: the JSON.
        path: of that file.

    Raises:
        HarmonizeError: it is damaged.
    """
    return _checked(from_json(_Saved, value, f"{path}: calibration"), path)


def _checked(saved: _Saved, path: Path) -> CalibrationFile:
    empty = [name for name, one in saved.datasets.items() if not one.leaf_temperatures]
    empty += [name for name, one in saved.datasets.items() if not one.curve]
    if empty or not saved.datasets:
        what = f"{empty[0]} has no temperatures or no curve" if empty else "it has no data set"
        raise HarmonizeError(f"{path}: is damaged: {what}; {_again(path)}")
    return CalibrationFile(**vars(saved), path=path)


def _again(path: Path) -> str:
    return f"run `harmonize calibrate {path.parent}` again, or say --uncalibrated"
