"""The file beside ``evaluation.json`` that keeps the counts of single pictures.

Runs are compared by it, picture by picture.
"""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.picture_counts import PictureCounts
from harmonize.system.atomic_files import write_whole, writing

OWN = "classes"
"""The name of the counts in the data set's own classes; others are called by their depth."""
_ABOUT = "about"


@dataclass(frozen=True)
class NamedCounts:
    """Counts of single pictures, and what they are of.

    Attributes:
        classes: the names of the classes or groups, by their numbers.
        scored: whether each is in the mean IoU.
        counts: of the pictures.
    """

    classes: tuple[str, ...]
    scored: tuple[bool, ...]
    counts: PictureCounts


@dataclass(frozen=True)
class SetCounts:
    """The counts of one data set.

    Attributes:
        pictures: the files of its scored pictures, by their numbers in the data set.
        tables: in its own classes, and at each depth that has a score, by name.
    """

    pictures: dict[int, str]
    tables: dict[str, NamedCounts]


def pictures_path(evaluation: Path) -> Path:
    """Return where the counts of an evaluation's pictures are."""
    return evaluation.with_name(f"{evaluation.stem}.pictures.npz")


def write_pictures(results: Sequence[DatasetScores], evaluation: Path) -> None:
    """Write the counts of single pictures beside an ``evaluation.json``; not beside a device.

    Raises:
        HarmonizeError: the file cannot be written.
    """
    if evaluation.is_relative_to("/dev") or (evaluation.exists() and not evaluation.is_file()):
        return
    arrays: dict[str, ndarray] = {}
    about: dict[str, Any] = {}
    for number, result in enumerate(results):
        tables = _tables(result)
        about[result.name] = {
            "pictures": {str(key): name for key, name in result.picture_names.items()},
            "tables": {
                name: {"classes": one.classes, "scored": one.scored} for name, one in tables.items()
            },
        }
        for name, one in tables.items():
            for part in ("pictures", "starts", "entries"):
                arrays[f"{number}/{name}/{part}"] = getattr(one.counts, part)
    arrays[_ABOUT] = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
    data = io.BytesIO()
    np.savez_compressed(data, allow_pickle=False, **arrays)
    path = pictures_path(evaluation)
    with writing(path):
        write_whole(path, data.getvalue())


def read_pictures(evaluation: Path) -> dict[str, SetCounts]:
    """Read the counts of single pictures of each data set.

    Raises:
        HarmonizeError: there is no such file, or it is damaged.
    """
    path = pictures_path(evaluation)
    advice = f"score the run again with `harmonize evaluate RUN --json {evaluation}`"
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            about = json.loads(arrays[_ABOUT].tobytes())
            return {
                name: _read_set(arrays, number, facts)
                for number, (name, facts) in enumerate(about.items())
            }
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: is not there, so pictures are not known; {advice}") from None
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error}; {advice}") from None
    except (ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise HarmonizeError(f"{path}: is damaged: {error}; {advice}") from None


def _tables(result: DatasetScores) -> dict[str, NamedCounts]:
    """Return what has a score of a data set."""
    found: dict[str, NamedCounts] = {}
    if result.picture_counts is not None and not result.is_alone:
        found[OWN] = NamedCounts(
            result.classes, (True,) * len(result.classes), result.picture_counts
        )
    for one in result.depths:
        if one.pictures is not None and one.num_scored:
            scored = tuple((~one.scores.iou.isnan()).tolist())
            found[f"depth {one.depth}"] = NamedCounts(one.groups, scored, one.pictures)
    return found


def _read_set(arrays: Any, number: int, facts: dict[str, Any]) -> SetCounts:
    tables: dict[str, NamedCounts] = {}
    for name, one in facts["tables"].items():
        pictures, starts, entries = (
            arrays[f"{number}/{name}/{part}"] for part in ("pictures", "starts", "entries")
        )
        counts = _checked(pictures, starts, entries, len(one["classes"]))
        tables[name] = NamedCounts(tuple(one["classes"]), tuple(one["scored"]), counts)
    pictures = {int(key): str(name) for key, name in facts["pictures"].items()}
    return SetCounts(pictures, tables)


def _checked(pictures: ndarray, starts: ndarray, entries: ndarray, classes: int) -> PictureCounts:
    """Refuse arrays that do not go together."""
    fits = (
        entries.ndim == 2
        and len(entries) == 4
        and starts.shape == (len(pictures) + 1,)
        and starts[0] == 0
        and starts[-1] == entries.shape[1]
        and bool((np.diff(starts) >= 0).all())
        and bool((entries[0] < classes).all())
        and bool((entries >= 0).all())
    )
    if not fits:
        raise ValueError("its arrays do not go together")
    return PictureCounts(pictures, starts, entries)
