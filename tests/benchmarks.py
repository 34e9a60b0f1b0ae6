"""Benchmarks as a user starts them, at a tiny size."""

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "benchmark.py"


def run_benchmark(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run the script in this process; return the JSON that it writes."""
    path = folder / "report.json"
    with pytest.raises(SystemExit, match=r"^0$"):
        start(monkeypatch, *arguments, "--quick", "--device", "cpu", "--json", str(path))
    return json.loads(path.read_text())


def start(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    """Run the script in this process, which ends by SystemExit."""
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def column(report: dict[str, Any], name: str, *, table: int = 0) -> list[Any]:
    """Return a column of one of the report's tables."""
    return [row[name] for row in report["tables"][table]["rows"]]
