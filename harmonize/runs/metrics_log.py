"""metrics.jsonl: one object per line, cut back to where a resumed run goes on."""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from harmonize.errors import HarmonizeError, printable
from harmonize.system.atomic_files import write_whole, writing


class Log:
    """Lines of metrics in a file."""

    def __init__(self, path: Path, *, patient: bool) -> None:
        """Write to ``path``; if ``patient``, keep what cannot be written until it can be."""
        self._path = path
        self._patient = patient
        self._waiting = b""

    def write(self, line: dict[str, Any]) -> None:
        """Add a line, after those that wait.

        Raises:
            HarmonizeError: it cannot be written, and the log is not patient.
        """
        warned = bool(self._waiting)
        self._waiting += json.dumps(line).encode() + b"\n"
        try:
            with writing(self._path):
                self._append_waiting()
        except HarmonizeError as error:
            if not self._patient:
                self._waiting = b""
                raise
            if not warned:
                print(printable(f"warning: {error}; trying again"), file=sys.stderr)

    def flush(self) -> None:
        """Make sure that the lines are on the disk, so that none is missing before a checkpoint.

        Raises:
            HarmonizeError: the disk fails, and the log is not patient.
        """
        try:
            with writing(self._path):
                self._append_waiting()
                with self._path.open("ab") as file:
                    os.fsync(file.fileno())
        except HarmonizeError:
            if not self._patient:
                raise

    def cut(self, start: int) -> int | None:
        """Drop the lines after a step; return the step of the last evaluation that stays.

        Raises:
            HarmonizeError: the file cannot be read or written.
        """
        if not self._path.exists():
            return None
        kept: list[str] = []
        evaluated: int | None = None
        with writing(self._path):
            text = self._path.read_text(encoding="utf-8", errors="replace")
            for line in text.splitlines(keepends=True):
                try:
                    entry = json.loads(line)
                    step, event = int(entry["step"]), entry["event"]
                except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
                    continue  # half a line, written when the run was interrupted
                if 0 < start >= step and line.endswith("\n"):
                    kept.append(line)
                    evaluated = step if event == "evaluation" else evaluated
            whole = "".join(kept)
            if whole != text:
                write_whole(self._path, whole.encode())
        return evaluated

    def _append_waiting(self) -> None:
        """Add the lines that wait, all or none."""
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("ab") as file:
                file.write(self._waiting)
            self._waiting = b""
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(self._path, size)
            raise
