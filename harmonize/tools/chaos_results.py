"""What the folder of a run that was killed holds."""

import contextlib
import json
from pathlib import Path
from typing import Any

from safetensors import safe_open

from harmonize.runs import checkpoints
from harmonize.runs.metrics_log import METRICS
from harmonize.runs.run_folder import EVALUATION

_SPEEDS = ("pictures_per_second",)


def parts_written(output: Path) -> frozenset[tuple[str, int]]:
    """Return the checkpoints that are half written, or were when their writer was killed."""
    found: set[tuple[str, int]] = set()
    folder = output / checkpoints.FOLDER
    for place in (folder, *_listed(output, f".{folder.name}.*.part")):
        for path in _listed(place, ".*.part" if place == folder else ".*"):
            with contextlib.suppress(OSError):
                found.add((path.name, path.stat().st_ino))
    return frozenset(found)


def _listed(folder: Path, pattern: str) -> list[Path]:
    """Return what fits in a folder; nothing if the folder goes meanwhile."""
    with contextlib.suppress(OSError):
        return [*folder.glob(pattern)]
    return []


def bytes_logged(output: Path) -> int:
    """Return the size of a run's metrics in bytes."""
    try:
        return (output / METRICS).stat().st_size
    except OSError:
        return 0


def lines_left(alone: Path, output: Path) -> int:
    """Return how many lines of metrics a run has yet to log: those of the undisturbed run."""
    newest = checkpoints.newest(output)
    step = int(newest.stem.removeprefix("step-")) if newest else 0
    return sum(line["step"] > step for line in _lines(alone))


def _lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / METRICS).read_text().splitlines()]


def run_results(output: Path, steps: int) -> dict[str, object]:
    """Return all that must be as in any other run of the config that has come to its last step."""
    return {
        "weights": _content(checkpoints.step_path(output, steps)),
        "best": _content(checkpoints.best_path(output)),
        "metrics": [{k: v for k, v in line.items() if k not in _SPEEDS} for line in _lines(output)],
        "scores": (output / EVALUATION).read_text(),
        "files": sorted(p.name for p in output.rglob("*")),
    }


def _content(path: Path) -> dict[str, object]:
    """Return all that a checkpoint holds but the config, which names the run's folder."""
    with safe_open(path, framework="numpy") as file:
        facts = json.loads(file.metadata()["harmonize"].partition(" ")[2])
        tensors = {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118
    return {**tensors, **{key: value for key, value in facts.items() if key != "config"}}
