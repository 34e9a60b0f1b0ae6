"""Everything that is to be known of one GPU within 30 minutes: tests, loss, training, scoring.

Each part runs in a process of its own with a time limit. What fails is told and passed over, and
what is known is written after every part, so that a run that is cut off keeps what it has.
"""

import dataclasses
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.own_files import check_output
from harmonize.tools.benchmark.gpu_parts import PARTS, Measured, NotBuiltError, PartError, Place
from harmonize.tools.benchmark.machine import describe
from harmonize.tools.benchmark.measurements import MADE_BY, BenchmarkReport, Cell, ResultTable
from harmonize.tools.benchmark.options import option

REPORT = Path("benchmark-gpu.json")
"""The file that is written unless another one is named; the tables are written beside it."""
DONE, FAILED, LEFT_OUT = "done", "FAILED", "left out"
_DRY_RUN = 600.0
"""Seconds that each part of a dry run may take, on a CPU that does other work too."""


@dataclass(frozen=True)
class GpuOptions:
    """What is measured."""

    parts: tuple[str, ...] = option(
        tuple(PARTS), nargs="+", metavar="PART", help=f"some of {', '.join(PARTS)} (default: all)"
    )
    minutes: float = option(30.0, type=float, metavar="N", help="for all parts together")


def check_gpu(options: GpuOptions, device: torch.device, *, quick: bool) -> None:
    """Make sure that there is a GPU, or that a dry run is wanted.

    Raises:
        HarmonizeError: there is none, or a part of no such name.
    """
    raise_all(
        f"--parts: no part {name!r}; {near_matches(name, PARTS)}"
        for name in options.parts
        if name not in PARTS
    )
    if device.type == "cpu" and not quick:
        raise HarmonizeError(
            "gpu: there is no GPU that this torch can use; --device cpu --quick goes through the "
            "same parts on the CPU, to see whether they run"
        )


def check_files(path: Path, *, force: bool) -> None:
    """Make sure that the report and its tables may be written; see ``check_output``."""
    for one in (path, tables_of(path)):
        check_output(one, MADE_BY, option="--json", force=force)


def tables_of(path: Path) -> Path:
    """Return the file of the tables that belong to a report."""
    return path.with_suffix(".txt")


def benchmark_gpu(options: GpuOptions, device: torch.device, path: Path, *, quick: bool) -> int:
    """Measure the parts in turn, and write the report after each.

    Returns:
        The exit status: 1 if a part failed, else 0.
    """
    progress = _Progress(options, device, path)
    if quick:
        progress.notes.append("tiny sizes: the figures say only that everything runs")
    end = time.monotonic() + 60 * options.minutes
    for name in options.parts:
        print(f"{name} ...", file=sys.stderr, flush=True)
        progress.take(name, end, quick=quick)
        progress.write()
        print(f"{name}: {progress.outcomes[-1]['outcome']}", file=sys.stderr, flush=True)
    print(progress.report().draw())
    return int(any(row["outcome"] == FAILED for row in progress.outcomes))


@dataclass
class _Progress:
    """What is known so far."""

    options: GpuOptions
    device: torch.device
    path: Path
    outcomes: list[dict[str, Cell]] = field(default_factory=list[dict[str, Cell]])
    figures: list[dict[str, Cell]] = field(default_factory=list[dict[str, Cell]])
    tables: list[ResultTable] = field(default_factory=list[ResultTable])
    notes: list[str] = field(default_factory=list[str])

    def take(self, name: str, end: float, *, quick: bool) -> None:
        """Measure a part, or note why it has no figures."""
        part, start = PARTS[name], time.monotonic()
        limit = min(_DRY_RUN if quick else part.limit, end - start)
        outcome, reason = LEFT_OUT, f"the {self.options.minutes:g} minutes are over"
        if limit > 0:
            with tempfile.TemporaryDirectory(prefix="harmonize-") as folder:
                place = Place(self.device.type, quick, Path(folder), start + limit)
                try:
                    self._add(name, part.measure(place))
                    outcome, reason = DONE, None
                except NotBuiltError as error:
                    reason = str(error)
                except PartError as error:
                    outcome, reason = FAILED, str(error)
        seconds = time.monotonic() - start
        row = {"part": name, "outcome": outcome, "seconds": seconds, "why": reason}
        self.outcomes.append(row)

    def write(self) -> None:
        """Write the report and its tables.

        Raises:
            HarmonizeError: they cannot be written.
        """
        report = self.report()
        report.write(self.path)
        text = tables_of(self.path)
        with writing(text):
            write_whole(text, f"{MADE_BY}\n\n{report.draw()}\n".encode())

    def report(self) -> BenchmarkReport:
        """Return everything as one report."""
        tables = [ResultTable("parts", self.outcomes)]
        if self.figures:
            tables.append(ResultTable("figures and goals", self.figures))
        sizes = dataclasses.asdict(self.options)
        return BenchmarkReport(
            "gpu", describe(self.device), sizes, [*tables, *self.tables], self.notes
        )

    def _add(self, name: str, measured: Measured) -> None:
        self.figures += [{"part": name, **row} for row in measured.figures]
        self.tables += [
            dataclasses.replace(table, title=f"{name}: {table.title}") for table in measured.tables
        ]
        self.notes += [f"{name}: {note}" for note in measured.notes]
