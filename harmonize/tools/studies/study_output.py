"""What a study writes: tables as Markdown, which reads well as plain text too, JSON and files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.own_files import check_output
from harmonize.tools.studies.spread import Summary

MADE_BY = "harmonize study"
"""Stands in every file, so that no other file is replaced."""
NOTHING = "–"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Draw a table; the first column is flush left, the others flush right."""
    lines = [[_cell(cell) for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(line[n]) for line in lines)) for n in range(len(header))]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    drawn = [_row(lines[0], widths), "| " + " | ".join(rule) + " |"]
    return "\n".join([*drawn, *(_row(line, widths) for line in lines[1:])])


def value(summary: Summary, *, percent: bool, signed: bool = False) -> str:
    """Write a mean and its spread, in percent if it is a share."""
    if summary.mean is None:
        return NOTHING
    scale = 100 if percent else 1
    rounded = round(scale * summary.mean, 2) + 0.0  # -0.0 becomes 0.0
    mean = f"{rounded:{'+' if signed else ''}.2f}"
    return mean if summary.spread is None else f"{mean} ± {scale * summary.spread:.2f}"


def change(share: float | None) -> str:
    """Write a relative change in percent."""
    return NOTHING if share is None else f"{100 * share:+.1f} %"


def listed(numbers: Sequence[int | None]) -> str:
    """Write a number for each seed."""
    return ", ".join(NOTHING if number is None else str(number) for number in numbers)


def check_files(folder: Path, names: Iterable[str], *, force: bool) -> None:
    """Make sure that a study's files may be written, before its runs are trained.

    Raises:
        HarmonizeError: one is there already that no study has written, unless ``force`` is given.
    """
    for path in (folder / name for name in names):
        if path.exists():
            check_output(path, MADE_BY, force=force)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files by name into a study's folder, each with the mark that ``check_files`` looks for.

    JSON and pictures carry it already.

    Raises:
        HarmonizeError: one cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        if isinstance(content, str) and path.suffix != ".json":
            content = f"{content.rstrip()}\n\n<!-- {MADE_BY} -->\n"
        with writing(path):
            write_whole(path, content if isinstance(content, bytes) else content.encode())


def as_json(facts: Mapping[str, object]) -> str:
    """Write facts as JSON that people can read."""
    return json.dumps({"made_by": MADE_BY, **facts}, indent=2, ensure_ascii=False) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    padded = [f"{first[0]:<{first[1]}}", *(f"{cell:>{width}}" for cell, width in others)]
    return "| " + " | ".join(padded) + " |"
