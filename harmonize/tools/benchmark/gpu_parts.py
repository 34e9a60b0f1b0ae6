"""What is measured on a GPU, part by part, each in a process of its own."""

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch

from harmonize.config.model_config import ModelConfig
from harmonize.config.strict_yaml import Value, dump
from harmonize.tools.benchmark.gpu_figures import (
    at_least,
    loss_figures,
    predict_figures,
    scoring_figures,
    training_figures,
    without_goal,
)
from harmonize.tools.benchmark.made_up_data import TREE, write_datasets
from harmonize.tools.benchmark.measurements import Cell, ResultTable

_TESTS = Path(__file__).parents[3] / "tests"
_MARK = "pytest.mark.gpu"
_LITE0, _RESNET50 = "tf_efficientnet_lite0", "resnet50"
_WORKERS = min(os.cpu_count() or 1, 8)
_SHOWN = 10
"""Tests that failed which are named."""


class PartError(Exception):
    """Why a part has no figures."""


class NotBuiltError(PartError):
    """There is nothing to measure in this version, or in this installation."""


@dataclass(frozen=True)
class Place:
    """Where a part runs.

    Attributes:
        device: ``cuda``, or ``cpu`` for a dry run.
        quick: whether at tiny sizes.
        folder: of its own.
        end: when its time is over, by ``time.monotonic``.
    """

    device: str
    quick: bool
    folder: Path
    end: float

    def call(self, *words: str, inside: Path | None = None) -> float:
        """Run Python with some arguments; return the seconds that it took.

        Raises:
            PartError: it fails, or its time is over.
        """
        start = time.monotonic()
        env = dict(os.environ)
        if self.device == "cpu":
            env |= {"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""}
        limit = max(self.end - start, 1.0)
        where = {"cwd": inside or self.folder, "env": env, "timeout": limit}
        try:
            done = subprocess.run(
                [sys.executable, *words], capture_output=True, text=True, check=False, **where
            )
        except subprocess.TimeoutExpired:
            raise PartError(f"{_named(words)}: not done when the part's time was over") from None
        if done.returncode:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            told = [line for line in lines if line.startswith("error: ")] or lines[-1:]
            said = told[0] if told else "no output"
            raise PartError(f"{_named(words)}: status {done.returncode}: {said}")
        return time.monotonic() - start


def _named(words: Sequence[str]) -> str:
    """Return the first words of a command."""
    return " ".join(words[1:4])


@dataclass(frozen=True)
class Measured:
    """What a part has found.

    Attributes:
        figures: rows of the table of all parts.
        tables: of its own.
        notes: what else it says.
    """

    figures: list[dict[str, Cell]]
    tables: list[ResultTable]
    notes: list[str]


@dataclass(frozen=True)
class Part:
    """One of the measurements.

    Attributes:
        limit: seconds that it may take.
        measure: takes the figures, or raises a ``PartError``.
    """

    limit: float
    measure: Callable[[Place], Measured]


def _of_benchmark(
    figures: Callable[[dict[str, Any]], Iterator[dict[str, Cell]]],
    *words: str,
    full: tuple[str, ...] = (),
    quick: tuple[str, ...] = (),
    sizes: Mapping[str, int] | None = None,
) -> Callable[[Place], Measured]:
    """Return what runs one of the other benchmarks.

    Args:
        figures: takes those that count from its report.
        words: its name and arguments.
        full: further ones of a whole run.
        quick: of a dry run.
        sizes: options of a whole run.
    """
    given = [f"--{name.replace('_', '-')}={size}" for name, size in (sizes or {}).items()]

    def measure(place: Place) -> Measured:
        path = place.folder / "report.json"
        more = (*quick, "--quick") if place.quick else (*full, *given)
        where = ("--device", place.device, "--json", str(path))
        place.call("-m", "harmonize", "benchmark", *words, *more, *where)
        report = json.loads(path.read_text())
        tables = [ResultTable(table["title"], table["rows"]) for table in report["tables"]]
        return Measured([*figures(report)], tables, report["notes"])

    return measure


def _training(encoder: str, *, compiled: bool) -> Callable[[Place], Measured]:
    """Return what measures the training step with an encoder; a dry run compiles a small U-Net."""
    chosen = _encoder(encoder)
    small = ("train.compile=true",) if compiled else chosen
    full = (*chosen, f"train.compile={str(compiled).lower()}", f"data.workers={_WORKERS}")
    sizes = {"size": 512, "batch": 16, "pictures": 128, "steps": 20}
    return _of_benchmark(training_figures, "train", full=full, quick=small, sizes=sizes)


def _encoder(name: str) -> tuple[str, ...]:
    """Return the changes of a made-up config that give it an encoder."""
    return f"model.encoder={name}", "model.width=null"


def _run_tests(place: Place) -> Measured:
    """Run the tests that need a GPU, without those of the rest."""
    files = [path for path in sorted(_TESTS.glob("test_*.py")) if _MARK in path.read_text("utf-8")]
    if not files:
        raise NotBuiltError(f"no tests here: {_TESTS}")
    path = place.folder / "tests.xml"
    options = ("-q", "-n", "0", "-m", "gpu", "-p", "no:cacheprovider", f"--junitxml={path}")
    trouble: PartError | None = None
    try:
        place.call("-m", "pytest", *options, *map(str, files), inside=_TESTS.parent)
    except PartError as error:
        trouble = error
    if not path.is_file():
        raise trouble or PartError("pytest wrote no results")
    return read_tests(path)


def read_tests(path: Path) -> Measured:
    """Count the tests of a file of results, and name those that failed."""
    cases = [*ElementTree.parse(path).iter("testcase")]
    failed = [case for case in cases if case.find("failure") is not None]
    failed += [case for case in cases if case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    passed = len(cases) - len(failed) - skipped
    notes = [f"failed: {one.get('classname')}::{one.get('name')}" for one in failed[:_SHOWN]]
    share = 100 * passed / max(passed + len(failed), 1)
    figures = [
        without_goal("tests skipped", skipped),
        at_least(f"% of {passed + len(failed)} tests that pass", share, 100),
    ]
    return Measured(figures, [], notes)


def _run_commands(place: Place, *changes: str, processes: int = 1) -> Measured:
    """Train on made-up data, open the checkpoint to go on, score it and answer pictures.

    Args:
        place: where to.
        changes: of the config.
        processes: that train together.
    """
    small = place.quick
    pictures, side = (4, 48) if small else (200, 512)
    sets = write_datasets(place.folder, 2, pictures=pictures, size=(side, side), file_format="jpg")
    config: dict[str, Value] = {
        "ontology": TREE,
        "datasets": [{"spec": str(one), "train": "train", "evaluate": "train"} for one in sets],
        "data": {"size": side // 2, "batch_size": 2 if small else 16, "workers": 0},
        "model": {"name": "unet", "width": 8 if small else 64},
        "train": {"steps": 2 if small else 40, "report": False},
        "output": "run",
    }
    (place.folder / "run.yaml").write_text(dump(config))
    alone = ("-m", "harmonize")
    together = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    train = (*alone, "train", "--config", "run.yaml", *changes)
    commands = {
        "train": train if processes == 1 else (*together, *train),
        "resume": (*train, "train.resume=true"),  # alone: any number of processes opens it
        "evaluate": (*alone, "evaluate", "run"),
        "predict": (*alone, "predict", "run", "set_0/*.jpg", "-o", "answers"),
    }
    figures = [
        without_goal(f"{name}: seconds", place.call(*words)) for name, words in commands.items()
    ]
    return Measured(figures, [], [])


def _run_sharded(place: Place) -> Measured:
    """Do the same with the weights sharded by FSDP2 over all GPUs; over two processes on a CPU."""
    if not any(key.name == "shard" for key in dataclasses.fields(ModelConfig)):
        raise NotBuiltError("model.shard is not built")
    number = torch.cuda.device_count() if place.device == "cuda" else 2
    measured = _run_commands(place, "model.shard=true", processes=number)
    if number == 1:
        measured.notes.append("one GPU, over which nothing is shared out; it takes two or more")
    return measured


def _loss(leaves: int) -> Callable[[Place], Measured]:
    """Return what measures the loss: so many logits that no cache holds them."""
    sizes = {"batch": 16, "size": 512, "sizes": 512, "listing_limit": 1}
    return _of_benchmark(loss_figures, "loss", f"--leaves={leaves}", sizes=sizes)


_PREDICT = _of_benchmark(
    predict_figures,
    "predict",
    full=_encoder(_LITE0),
    sizes={"pictures": 200, "size": 480},
)
PARTS: dict[str, Part] = {
    "tests": Part(300, _run_tests),
    "loss-11": Part(120, _loss(11)),
    "loss-66": Part(120, _loss(66)),
    "loss-150": Part(120, _loss(150)),
    "train-lite0": Part(150, _training(_LITE0, compiled=False)),
    "train-resnet50": Part(150, _training(_RESNET50, compiled=False)),
    "commands": Part(120, _run_commands),
    "train-lite0-compiled": Part(180, _training(_LITE0, compiled=True)),
    "train-resnet50-compiled": Part(180, _training(_RESNET50, compiled=True)),
    "evaluate": Part(120, _of_benchmark(scoring_figures, "evaluate")),
    "predict": Part(120, _PREDICT),
    "fsdp2": Part(120, _run_sharded),
}
"""The parts in the order of what they are worth; their limits add up to 30 minutes."""
