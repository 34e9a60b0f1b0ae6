"""Make the report of one run or several: one HTML file, which needs nothing beside it."""

import importlib.metadata
import platform
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from accelerate import Accelerator

from harmonize.errors import near_matches, raise_all
from harmonize.report.answering import scored_sets
from harmonize.report.confidence import confidence_curves
from harmonize.report.curves import learning_curves
from harmonize.report.differences import find_differences
from harmonize.report.heat import HeatMap, branch_borders, draw_confusion
from harmonize.report.page import GENERATOR, RunView, TreeView, render
from harmonize.report.read_runs import ReportedRun, read_runs
from harmonize.report.sample_pictures import PictureLimits, Pictures, make_pictures
from harmonize.report.score_tables import score_tables
from harmonize.report.tree_view import tree_rows
from harmonize.runs.opened import OpenedRun, open_any
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.own_files import check_output

NAME = "report.html"
_BYTES = 4_500_000
"""Of all pictures of a page; so the page stays below 6 MB."""
_SCENES, _EXTREMES = 16, 12
"""Pictures with a slider of all data sets and runs, and as many worst and as many best ones."""
_SCENES_EACH, _EXTREMES_EACH = 4, 3
_NOT_SHOWN = Pictures(notes=("Pictures of the data sets are left out of this page.",))


def make_report(
    runs: Sequence[Path],
    output: Path | None = None,
    *,
    roots: Mapping[str, str] | None = None,
    accelerator: Accelerator | None = None,
    opener: Callable[[Path], OpenedRun] = open_any,
    force: bool = False,
    pictures: bool = True,
    command: str | None = None,
) -> Path:
    """Write the report of some runs and return its file.

    Args:
        runs: their folders.
        output: the file; by default ``report.html`` in the run's folder or, for several runs, in
            the working directory.
        roots: folders of data sets, which go before those of the runs' configs.
        accelerator: that pictures are answered with; the machine's, in float32, unless given.
        opener: opens the folders for their networks; those with any number of trees unless given.
        force: replace the file, even if it is no report.
        pictures: whether pictures of the data sets are shown.
        command: that the page says it was made by; this process's unless given.

    Raises:
        HarmonizeError: no run folder, a damaged file in it, or no place for the report.
    """
    if output is None:
        output = runs[0] / NAME if len(runs) == 1 else Path(NAME)
    found = read_runs(runs)
    check_output(output, GENERATOR, force=force)
    _check_roots(found, roots or {})
    parts = [part for run in found for part in run.of_trees]
    pairs = max(sum(max(len(scored_sets(part)), 1) for part in parts), 1)
    limits = PictureLimits(
        scenes=min(max(_SCENES // pairs, 1), _SCENES_EACH),
        extremes=min(max(_EXTREMES // pairs, 1), _EXTREMES_EACH),
        bytes=_BYTES // len(parts),
    )

    def part(one: ReportedRun) -> TreeView:
        titles = [one.name] if len(found) > 1 else []
        made = make_pictures(one, roots or {}, limits, accelerator, opener) if pictures else None
        return _part(one, " · ".join([*titles, *([one.tree] if one.tree else [])]), made)

    page = render(
        [_view(run, [part(one) for one in run.of_trees]) for run in found],
        score_tables(found),
        learning_curves(found),
        find_differences(found),
        command=command or shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        versions=_versions(),
    )
    with writing(output):
        write_whole(output, page.encode(errors="backslashreplace"))
    return output


def _check_roots(runs: Sequence[ReportedRun], roots: Mapping[str, str]) -> None:
    known = [spec.name for run in runs for spec in (run.sources.specs if run.sources else ())]
    raise_all(
        f"data.roots.{name}: no run has a data set {name!r}; {near_matches(name, known)}"
        for name in roots
        if name not in known
    )


def _view(run: ReportedRun, parts: Sequence[TreeView]) -> RunView:
    notes = list(run.notes)
    if run.calibration is not None and not run.is_calibrated:
        notes.append(
            f"The calibration is that of step {run.calibration.step}, not of the newest "
            "checkpoint; backed-off answers go without it."
        )
    return RunView(
        name=run.name,
        facts=_facts(run),
        notes=tuple(notes),
        parts=tuple(parts),
        config=run.config,
    )


def _part(run: ReportedRun, title: str, pictures: Pictures | None) -> TreeView:
    return TreeView(
        title=title,
        pictures=_NOT_SHOWN if pictures is None else pictures,
        tree=tree_rows(run.sources, dict(run.scores)) if run.sources else None,
        heats=tuple(_heats(run)),
        confidence=tuple(confidence_curves(run)),
    )


def _facts(run: ReportedRun) -> tuple[str, ...]:
    facts: list[str] = []
    if run.step is not None:
        facts.append(f"step {run.step}")
    if run.scored_step is not None and run.scored_step != run.step:
        facts.append(f"scored after step {run.scored_step}")
    if run.sources:
        trained = [spec.name for entry, spec in run.sources.trained if entry.train]
        others = [spec.name for spec in run.sources.specs if spec.name not in trained]
        facts.append(f"trained on {', '.join(trained)}")
        facts += [f"scored on {', '.join(others)} too"] if others else []
    return tuple(facts)


def _heats(run: ReportedRun) -> list[tuple[str, HeatMap]]:
    """Draw the confusion of each data set."""
    specs = {spec.name: spec for spec in (run.sources.specs if run.sources else ())}
    drawn: list[tuple[str, HeatMap]] = []
    for name, scores in run.scores.items():
        if scores.confusion is None or len(scores.confusion.classes) == 1:  # never wrong
            continue
        classes = scores.confusion.classes
        borders = (
            branch_borders(run.sources.ontology, specs[name], classes)
            if run.sources and name in specs
            else []
        )
        title = f"{run.name}, {name}: confusion of {len(classes)} classes"
        drawn.append((name, draw_confusion(scores.confusion, title=title, borders=borders)))
    return drawn


def _versions() -> dict[str, str]:
    """Return the versions of what made the page, and when it did."""
    found: dict[str, str] = {}
    for name in ("harmonize-seg", "torch", "torchvision", "accelerate"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # used from a folder that is not installed
            found[name] = "not installed"
    now = datetime.now().astimezone()
    return {**found, "python": platform.python_version(), "made": f"{now:%Y-%m-%d %H:%M %Z}"}
