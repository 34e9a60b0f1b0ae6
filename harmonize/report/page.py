"""The page: what was found out about runs, written into the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.report.answering import CONFIDENCE
from harmonize.report.confidence import Confidence
from harmonize.report.curves import ChartGroup
from harmonize.report.differences import Differences
from harmonize.report.heat import HeatMap
from harmonize.report.sample_pictures import Pictures
from harmonize.report.score_tables import SetTables, written
from harmonize.report.templates import template_environment
from harmonize.report.tree_view import Tree

GENERATOR = '<meta name="generator" content="harmonize report">'
_KEY = ("mean IoU", "pixel accuracy", "hierarchical F", "height of mistakes", "calibration error")
"""The scores at the head of the page, the most telling first."""


@dataclass(frozen=True)
class TreeView:
    """What the page shows of one tree of a run.

    Attributes:
        title: the run's name if there are several, and the tree's if it has several.
        pictures: answered.
        tree: if it is known.
        heats: the confusion matrix of each data set.
        confidence: the curves of each calibrated data set.
    """

    title: str
    pictures: Pictures
    tree: Tree | None
    heats: tuple[tuple[str, HeatMap], ...]
    confidence: tuple[Confidence, ...]


@dataclass(frozen=True)
class RunView:
    """What the page shows of one run.

    Attributes:
        name: of the run.
        facts: about it, a few words each.
        notes: what is missing, in words.
        parts: of each of its trees, which mostly is one.
        config: its text.
    """

    name: str
    facts: tuple[str, ...]
    notes: tuple[str, ...]
    parts: tuple[TreeView, ...]
    config: str


def render(
    runs: Sequence[RunView],
    sets: Sequence[SetTables],
    curves: Sequence[ChartGroup],
    differences: Differences | None = None,
    *,
    command: str,
    versions: Mapping[str, str],
) -> str:
    """Write the page."""
    template = template_environment(Path(__file__).parent).get_template("page.html.jinja")
    several = len(runs) > 1
    parts = [part for run in runs for part in run.parts]
    positions = max((_positions(part.pictures) for part in parts), key=len)
    known = {
        "pictures": True,
        "tree": any(part.tree for part in parts),
        "curves": bool(curves),
        "scores": bool(sets),
        "confusion": any(part.heats for part in parts),
        "confidence": any(part.confidence for part in parts),
        "extremes": any(part.pictures.worst or part.pictures.best for part in parts),
        "made": True,
    }
    page = template.render(
        title=f"{len(runs)} runs side by side" if several else runs[0].name,
        runs=runs,
        parts=parts,
        several=several,
        sets=sets,
        curves=curves,
        differences=differences,
        key=_KEY,
        positions=positions,
        start=max(len(positions) - 2, 0),
        confidence=CONFIDENCE,
        trees=known["tree"],
        heats=known["confusion"],
        confidences=known["confidence"],
        extreme=known["extremes"],
        contents=[(id_, name) for id_, name in _SECTIONS.items() if known[id_]],
        command=command,
        versions=versions,
        share=lambda value: f"{100 * value:.0f} %" if value >= 0.01 or not value else "< 1 %",
        score=written,
    )
    return page.lstrip()  # the macros leave empty lines


_SECTIONS = {
    "pictures": "Pictures",
    "tree": "Tree",
    "curves": "Learning curves",
    "scores": "Scores",
    "confusion": "Confusion",
    "confidence": "Confidence",
    "extremes": "Worst and best",
    "made": "How it was made",
}


def _positions(pictures: Pictures) -> tuple[str, ...]:
    """Name the positions of the slider for all pictures of a run."""
    return max((tuple(a.name for a in s.answers) for s in pictures.scenes), key=len, default=())
