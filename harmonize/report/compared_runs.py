"""Runs compared picture by picture, from the files beside their scores."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmonize.config.strict_yaml import Value, dump, load_text
from harmonize.errors import HarmonizeError
from harmonize.evaluation.comparing import Difference, difference_of
from harmonize.evaluation.picture_counts import PixelsByClass
from harmonize.evaluation.picture_file import NamedCounts, SetCounts, read_pictures
from harmonize.evaluation.saved_scores import SavedScores, read_evaluation
from harmonize.runs.run_folder import CONFIG, EVALUATION

_OWN_KEYS = ("seed", "output")
"""What runs of one config may differ in."""


@dataclass(frozen=True)
class ComparedRun:
    """What is compared of a run.

    Attributes:
        name: of the run.
        config: without its seed and folder; the run's own name where it is not known.
        sets: the counts of its data sets.
    """

    name: str
    config: str
    sets: dict[str, SetCounts]


@dataclass(frozen=True)
class ComparedSide:
    """A run, or several seeds of one config."""

    runs: tuple[ComparedRun, ...]

    @property
    def name(self) -> str:
        """The first run's name, and how many more there are."""
        more = len(self.runs) - 1
        return f"{self.runs[0].name} and {more} more" if more else self.runs[0].name


@dataclass(frozen=True)
class ComparedRuns:
    """How one side differs from the first in one data set.

    Attributes:
        side: its name.
        dataset: the data set's name.
        scored_in: the classes that it is scored in: its own, or the groups at a depth.
        pictures, classes: the numbers of those that all runs of both sides score.
        found: the difference.
    """

    side: str
    dataset: str
    scored_in: str
    pictures: int
    classes: int
    found: Difference


@dataclass(frozen=True)
class Comparisons:
    """All comparisons with the first of some sides, and what is left out of them, in words."""

    sides: tuple[ComparedSide, ...]
    rows: tuple[ComparedRuns, ...]
    notes: tuple[str, ...]


def compare_runs(paths: Sequence[Path], names: Sequence[str]) -> Comparisons:
    """Compare runs with the first one; seeds of one config together are one side.

    Where all are of one config, each run is a side.

    Args:
        paths: run folders, or files like ``evaluation.json``.
        names: what they are called.

    Raises:
        HarmonizeError: one has no scores, or none of single pictures.
    """
    runs = [read_compared(path, name) for path, name in zip(paths, names, strict=True)]
    together: dict[str, list[ComparedRun]] = {}
    for run in runs:
        together.setdefault(run.config, []).append(run)
    sides = [ComparedSide(tuple(group)) for group in together.values()]
    notes: list[str] = []
    if len(sides) < 2:
        notes.append("all runs are of one config, so each is compared on its own")
        sides = [ComparedSide((run,)) for run in runs]
    rows = [row for other in sides[1:] for row in _compare(sides[0], other, notes)]
    return Comparisons(tuple(sides), tuple(rows), tuple(dict.fromkeys(notes)))


def read_compared(path: Path, name: str) -> ComparedRun:
    """Read what is compared of a run; see ``compare_runs``."""
    evaluation = path / EVALUATION if path.is_dir() else path
    advice = f"score the run with `harmonize evaluate RUN --json {evaluation}`"
    if not evaluation.is_file():
        raise HarmonizeError(f"{evaluation}: is not there; {advice}")
    scores = read_evaluation(evaluation, advice)
    sets = read_pictures(evaluation)
    for dataset, one in scores.items():
        _check(evaluation, dataset, one, sets.get(dataset))
    return ComparedRun(name, _config(path, name), sets)


def _config(path: Path, name: str) -> str:
    """Return a run's config without what seeds of one config differ in."""
    try:
        values = load_text((path / CONFIG).read_text(encoding="utf-8"), CONFIG).value
    except (OSError, ValueError, HarmonizeError):
        return f"of {name} alone"
    assert isinstance(values, dict)
    kept: dict[str, Value] = {key: one for key, one in values.items() if key not in _OWN_KEYS}
    return dump(kept)


def _check(path: Path, dataset: str, scores: SavedScores, counts: SetCounts | None) -> None:
    """Make sure that counts are those that scores were made from."""
    table = counts.tables.get("classes") if counts else None
    total = np.nan
    if table is not None:
        _, right, true, answered = _sums(table)
        union = true + answered - right
        total = float(np.mean(right[union > 0] / union[union > 0])) if union.any() else np.nan
    saved = np.nan if scores.mean_iou is None else scores.mean_iou
    if counts is None or not np.isclose(total, saved, rtol=0, atol=1e-9, equal_nan=True):
        raise HarmonizeError(
            f"{path}: datasets.{dataset}: its pictures are of another evaluation; score the run "
            f"again with `harmonize evaluate RUN --json {path}`"
        )


def _sums(table: NamedCounts) -> np.ndarray:
    """Add up the counts of all pictures by class."""
    sums = np.zeros((4, len(table.classes)))
    for row in (1, 2, 3):
        np.add.at(sums[row], table.counts.entries[0], table.counts.entries[row])
    return sums


def _compare(first: ComparedSide, other: ComparedSide, notes: list[str]) -> Iterator[ComparedRuns]:
    runs = (*first.runs, *other.runs)
    common = [name for name in runs[0].sets if all(name in run.sets for run in runs)]
    if not common:
        notes.append(f"{other.name}: scores no data set that {first.name} scores")
    for dataset in common:
        sets = [run.sets[dataset] for run in runs]
        for table in sets[0].tables:
            if all(table in one.tables for one in sets):
                row = _compare_table(first, other, dataset, table, notes)
                if row is not None:
                    yield row


def _compare_table(
    first: ComparedSide, other: ComparedSide, dataset: str, table: str, notes: list[str]
) -> ComparedRuns | None:
    runs = (*first.runs, *other.runs)
    sets = [run.sets[dataset] for run in runs]
    tables = [one.tables[table] for one in sets]
    files = sorted(set.intersection(*(set(one.pictures.values()) for one in sets)))
    classes = [key for key in tables[0].classes if all(key in one.classes for one in tables)]
    where = f"{dataset}, {table}, {first.name} and {other.name}"
    if any(len(files) < len(one.pictures) for one in sets):
        notes.append(f"{where}: only the {len(files)} pictures that all score are compared")
    if any(len(classes) < len(one.classes) for one in tables):
        notes.append(f"{where}: only the {len(classes)} classes that all score are compared")
    pixels = [
        _aligned(one, counts, files, classes) for one, counts in zip(sets, tables, strict=True)
    ]
    if any((one.true.sum(1) != pixels[0].true.sum(1)).any() for one in pixels):
        notes.append(f"{where}: labels differ, or were scored at different sizes")
    scored = np.array(
        [all(one.scored[one.classes.index(key)] for one in tables) for key in classes], dtype=bool
    )
    number = len(first.runs)
    found = difference_of(pixels[:number], pixels[number:], scored)
    if found is None:
        notes.append(f"{where}: too few pictures or classes to compare")
        return None
    return ComparedRuns(other.name, dataset, table, len(files), int(scored.sum()), found)


def _aligned(
    one: SetCounts, table: NamedCounts, files: Sequence[str], classes: Sequence[str]
) -> PixelsByClass:
    """Return a table's pixels of some pictures and classes, in their order."""
    numbers = table.counts.pictures.tolist()
    row = {one.pictures[number]: place for place, number in enumerate(numbers)}
    pixels = table.counts.by_class([table.classes.index(name) for name in classes])
    rows = [row[name] for name in files]
    return PixelsByClass(*(part[rows] for part in pixels))
