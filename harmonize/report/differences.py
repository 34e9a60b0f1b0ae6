"""Which runs of a page score differently, on the pictures that they share."""

from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.errors import HarmonizeError
from harmonize.report.compared_runs import compare_runs
from harmonize.report.read_runs import ReportedRun


@dataclass(frozen=True)
class Differences:
    """What the page says of differences: rows of a table in words, and notes."""

    about: str
    rows: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = ()


def find_differences(runs: Sequence[ReportedRun]) -> Differences | None:
    """Compare the runs of a page with the first; None for one run alone."""
    if len(runs) < 2:
        return None
    try:
        found = compare_runs([run.folder for run in runs], [run.name for run in runs])
    except HarmonizeError as error:
        return Differences(f"Runs are not compared: {error.problems[0]}")
    rows = [
        (row.side, row.dataset, row.scored_in, str(row.pictures), row.found.text, row.found.verdict)
        for row in found.rows
    ]
    about = (
        f"Mean IoU less that of {found.sides[0].name}, in percent points on the pictures that both "
        "score, and its 95 % interval from a paired bootstrap over pictures and seeds."
    )
    return Differences(about, tuple(rows), found.notes)
