"""``harmonize compare``: whether runs score differently, picture by picture."""

import json
from collections.abc import Sequence
from pathlib import Path

from harmonize.errors import HarmonizeError, printable
from harmonize.report.compared_runs import ComparedRuns, Comparisons, compare_runs
from harmonize.system.atomic_files import write_whole, writing

VERSION = 1
"""Of the JSON file."""


def compare(
    runs: Sequence[str], *, json_file: Path | None = None, page: Path | None = None
) -> None:
    """Print how runs differ from the first one, and write it as JSON and as a page if asked.

    Args:
        runs: their folders, or files like ``evaluation.json``.
        json_file: where to write the same.
        page: where to write the report of all runs.

    Raises:
        HarmonizeError: what the user can mend.
    """
    if len(runs) < 2:
        raise HarmonizeError(f"{runs[0]}: is alone; name two runs at least")
    if len(set(map(Path, runs))) < len(runs):
        raise HarmonizeError(f"{', '.join(runs)}: one is named twice; name each run once")
    for path in filter(None, (json_file, page)):
        if not path.absolute().parent.is_dir():
            raise HarmonizeError(f"{path}: its folder does not exist; make it first")
    files = [run for run in runs if Path(run).is_file()]
    if page is not None and files:
        raise HarmonizeError(f"--html {page}: shows run folders; {files[0]} is a file")
    found = compare_runs([Path(run) for run in runs], list(runs))
    print("\n".join(map(printable, describe(found).split("\n"))))
    if json_file is not None:
        with writing(json_file):
            write_whole(json_file, (json.dumps(to_json(found), indent=2) + "\n").encode())
    if page is not None:
        from harmonize.report.make_report import make_report  # slow to import

        written = make_report([Path(run) for run in runs], page)
        print(f"\n{printable(str(written))} is there; open it in a browser")


def describe(found: Comparisons) -> str:
    """Write the comparisons as a table, in percent."""
    baseline = found.sides[0]
    lines = [f"compared with {baseline.name}, by mean IoU in percent and its 95 % interval"]
    for side in found.sides[1:]:
        rows = [row for row in found.rows if row.side == side.name]
        if rows:
            lines += ["", side.name, *_table(rows)]
    lines += ["", *(f"note: {note}" for note in found.notes)] if found.notes else []
    return "\n".join(lines)


def _table(rows: Sequence[ComparedRuns]) -> list[str]:
    head = ("data set", "scored in", "pictures", "classes", "first", "this", "difference", "")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(head))]
    flush = "<<>>>><<"
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(line, flush, widths, strict=True)
        ).rstrip()
        for line in cells
    ]


def _cells(row: ComparedRuns) -> tuple[str, ...]:
    found = row.found
    return (
        row.dataset,
        row.scored_in,
        str(row.pictures),
        str(row.classes),
        f"{100 * found.baseline:.2f}",
        f"{100 * found.other:.2f}",
        found.text,
        found.verdict,
    )


def to_json(found: Comparisons) -> dict[str, object]:
    """Return the comparisons as plain values."""
    return {
        "version": VERSION,
        "sides": [
            {"name": one.name, "runs": [run.name for run in one.runs]} for one in found.sides
        ],
        "comparisons": [
            {
                "baseline": found.sides[0].name,
                "other": row.side,
                "dataset": row.dataset,
                "scored_in": row.scored_in,
                "pictures": row.pictures,
                "classes": row.classes,
                "mean_iou": {"baseline": row.found.baseline, "other": row.found.other},
                "difference": row.found.difference,
                "interval": list(row.found.interval),
                "differs": row.found.differs,
            }
            for row in found.rows
        ],
        "notes": list(found.notes),
    }
