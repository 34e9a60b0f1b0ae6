"""Many inputs one after another, each with its number, and every failure with the input's files."""

import contextlib
import os
import shutil
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fuzz.cut_files import fuzz_cache, fuzz_cut_file
from fuzz.limits import TooSlowError, memory_limited, time_limited
from fuzz.pictures import fuzz_picture
from fuzz.runs import fuzz_override, fuzz_run
from fuzz.targets import Steps, fuzz_config, fuzz_mapping, fuzz_tree, write_project

TARGETS: dict[str, Callable[[Random], Steps]] = {
    "trees": fuzz_tree,
    "mappings": fuzz_mapping,
    "configs": fuzz_config,
    "images": fuzz_picture,
    "cut files": fuzz_cut_file,
    "cache": fuzz_cache,
    "overrides": fuzz_override,
    "runs": fuzz_run,
}


@dataclass
class Outcome:
    """What came of a number of inputs.

    Attributes:
        inputs: that were read.
        seconds: it took.
        slowest: seconds of the slowest input.
        failures: by what went wrong, the numbers of the inputs.
    """

    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    failures: dict[str, list[int]] = field(default_factory=dict[str, list[int]])


@contextlib.contextmanager
def project() -> Iterator[Path]:
    """Work in a new folder with a tiny project, which is removed in the end."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="harmonize-fuzz-") as name:
        folder = Path(name)
        write_project(folder)
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(before)


def read_one(what: str, rng: Random) -> None:
    """Read one input within the limits; whatever it raises is a fault of the reader."""
    steps = TARGETS[what](rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", module="PIL")  # which notes what it reads all the same
        for step in steps:
            with time_limited():
                step()


def run(what: str, numbers: range, *, seed: int = 0, keep: Path | None = None) -> Outcome:
    """Read inputs by number; the files of the first input of each failure are kept in a folder."""
    outcome = Outcome()
    start = time.perf_counter()
    with project() as folder, memory_limited():
        for number in numbers:
            began = time.process_time()
            try:
                read_one(what, Random(f"{what} {seed} {number}"))
            except (Exception, TooSlowError) as error:
                reason = _reason(error)
                if reason not in outcome.failures and keep is not None:
                    files = shutil.ignore_patterns("data", "*.pyc")
                    shutil.copytree(folder, keep / f"{what}-{number}", ignore=files)
                outcome.failures.setdefault(reason, []).append(number)
            outcome.inputs += 1
            outcome.slowest = max(outcome.slowest, time.process_time() - began)
    outcome.seconds = time.perf_counter() - start
    return outcome


def _reason(error: BaseException) -> str:
    """Name a failure by its error and by the last lines of the package that it passed."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if f"{os.sep}harmonize{os.sep}" in frame.filename]
    places = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in own[-2:]]
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__} in {' < '.join(reversed(places))}: {first[:160]}"
