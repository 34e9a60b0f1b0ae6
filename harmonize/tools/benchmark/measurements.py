"""What a benchmark found: tables, printed and written as JSON."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harmonize.system.atomic_files import write_whole, writing

MADE_BY = "harmonize benchmark"
"""Stands in every file, so that no other file is replaced."""
Cell = str | int | float | None


@dataclass(frozen=True)
class ResultTable:
    """Rows with the same columns; None stands for what was not measured."""

    title: str
    rows: list[dict[str, Cell]]

    def draw(self) -> str:
        """Draw the table: text to the left, numbers to the right."""
        names = list(self.rows[0]) if self.rows else []
        texts = [names, *([_text(row[name]) for name in names] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
        left = [any(isinstance(row[name], str) for row in self.rows) for name in names]
        lines = [
            "  ".join(
                text.ljust(width) if is_left else text.rjust(width)
                for text, width, is_left in zip(line, widths, left, strict=True)
            ).rstrip()
            for line in texts
        ]
        return "\n".join([self.title, "-" * max(map(len, lines)), *lines])


@dataclass(frozen=True)
class BenchmarkReport:
    """One run of a benchmark.

    Attributes:
        benchmark: its name.
        machine: what it ran on, with the versions of the libraries.
        options: the sizes that it ran with.
        tables: what was measured.
        notes: what was left out, and why.
    """

    benchmark: str
    machine: Mapping[str, Cell]
    options: Mapping[str, object]
    tables: list[ResultTable]
    notes: list[str] = field(default_factory=list[str])

    def draw(self) -> str:
        """Write the report as text."""
        head = [
            f"benchmark: {self.benchmark}",
            *(f"{name}: {_text(value)}" for name, value in self.machine.items()),
            "sizes: " + ", ".join(f"{name} {_plain(v)}" for name, v in self.options.items()),
        ]
        parts = ["\n".join(head), *(table.draw() for table in self.tables)]
        return "\n\n".join([*parts, *(["\n".join(self.notes)] if self.notes else [])])

    def write(self, path: Path) -> None:
        """Write the report as JSON.

        Raises:
            HarmonizeError: the file cannot be written.
        """
        with writing(path):
            text = json.dumps({"made_by": MADE_BY, **dataclasses.asdict(self)}, indent=2)
            write_whole(path, f"{text}\n".encode())


def _text(value: Cell) -> str:
    """Write a cell; numbers with about three digits."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return str(value)
    digits = next((n for n, bound in enumerate((100, 10)) if abs(value) >= bound), 2)
    return f"{value:.{digits if abs(value) >= 0.1 or value == 0 else 4}f}"


def _plain(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
