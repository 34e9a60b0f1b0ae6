"""The data sets that a run's pictures are from, and the words that they are answered in."""

from collections.abc import Mapping
from dataclasses import dataclass

from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.inference.answer_space import Words, classes_of, confident_nodes, groups, leaves
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.palette import Color, class_colors
from harmonize.labels.sources import Sources
from harmonize.report.read_runs import ReportedRun

CONFIDENCE = 0.9
"""What a backed-off answer is as probable as."""


@dataclass(frozen=True)
class ShownSet:
    """A data set that is shown, how it is answered, and its classes' names and colours."""

    dataset: SegmentationDataset
    names: tuple[str, ...]
    colors: tuple[Color | None, ...]
    steps: tuple[tuple[str, Words], ...]
    own: Words


def open_sets(run: ReportedRun, roots: Mapping[str, str], notes: list[str]) -> list[ShownSet]:
    """Open the data sets that a run scores; note why one cannot be shown."""
    if run.sources is None:
        return []
    everywhere = {**run.roots, **roots}
    opened = [
        _open(run, run.sources, spec, split, everywhere, notes) for spec, split in scored_sets(run)
    ]
    return [one for one in opened if one is not None]


def scored_sets(run: ReportedRun) -> list[tuple[DatasetSpec, str]]:
    """Return the mappings of the data sets that a run scores, each with its split."""
    if run.sources is None:
        return []
    found: list[tuple[DatasetSpec, str]] = []
    for entry, spec in (*run.sources.trained, *run.sources.also):
        scores = run.scores.get(spec.name)
        split = scores.split if scores and scores.split else entry.evaluate
        if split:
            found.append((spec, split))
    return found


def _open(
    run: ReportedRun,
    sources: Sources,
    spec: DatasetSpec,
    split: str,
    roots: dict[str, str],
    notes: list[str],
) -> ShownSet | None:
    try:
        dataset = SegmentationDataset(spec, split, root=spec.folder(roots))
        own = classes_of(sources, spec, roots)
        steps = (*_steps(sources), ("backed off", _backed_off(run, sources, spec.name)))
    except HarmonizeError as error:
        notes.append(f"{spec.name} is not shown: {error.problems[0]}")
        return None
    return ShownSet(
        dataset, tuple(spec.classes), class_colors(sources.ontology, spec, own=False), steps, own
    )


def _steps(sources: Sources) -> list[tuple[str, Words]]:
    depth = sources.ontology.depth
    found = [(f"depth {d}", groups(sources, d)) for d in range(1, depth)]
    return [*found, ("leaves", leaves(sources))]


def _backed_off(run: ReportedRun, sources: Sources, name: str) -> Words:
    """Return the words of backing off, calibrated if the run's newest checkpoint is."""
    if run.calibration is None or not run.is_calibrated:
        return confident_nodes(sources, CONFIDENCE)
    like = name if name in run.calibration.datasets else None
    temperatures = run.calibration.temperatures(sources.ontology.leaves, like)
    return confident_nodes(sources, CONFIDENCE, temperatures)
