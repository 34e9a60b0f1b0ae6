"""The runs of a study: which are there already, and the training of those that are not."""

import contextlib
import dataclasses
import gc
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from accelerate.utils import broadcast_object_list

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import KeyPath, Value, dotted, load_file
from harmonize.errors import HarmonizeError, raise_all
from harmonize.labels.sources import Sources
from harmonize.pipeline.preflight import check_run
from harmonize.pipeline.train import train
from harmonize.plurals import counted, plural
from harmonize.runs import checkpoints
from harmonize.runs.identity import changed_texts
from harmonize.runs.run_folder import CONFIG
from harmonize.system.agreement import together
from harmonize.system.locks import locked_together
from harmonize.system.processes import processes
from harmonize.tools.studies.finished_runs import is_finished
from harmonize.tools.studies.study_output import check_files

State = Literal["finished", "goes on", "new"]

_FREE: tuple[KeyPath, ...] = (
    ("output",),
    ("accept",),
    ("data", "workers"),
    ("data", "cache"),
    ("data", "cache_folder"),
    ("data", "cache_limit"),
    ("data", "roots"),
    ("train", "checkpoint_every"),
    ("train", "on_failed_checkpoint"),
    ("train", "track"),
    ("train", "report"),
    ("evaluate", "pictures"),
)
"""Keys of a config that change nothing about what a run's results mean. A study asks for more than
resuming a run does: its runs are to have the same precision, and the same steps in their logs."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study.

    Attributes:
        name: of its folder.
        config: with that folder as its output.
    """

    name: str
    config: RunConfig

    @property
    def folder(self) -> Path:
        """The run folder."""
        assert self.config.output is not None
        return Path(self.config.output)


def plan_run(folder: Path, name: str, shared: RunConfig, *, seed: int) -> PlannedRun:
    """Plan a run of a study that lies in ``folder``, with a checksum of all that it is fed."""
    config = dataclasses.replace(
        shared,
        seed=seed,
        output=str(folder / name),
        train=dataclasses.replace(shared.train, digest=True, resume=False),
    )
    return PlannedRun(name, config)


@contextlib.contextmanager
def study_folder(folder: Path, files: Iterable[str], *, force: bool) -> Iterator[None]:
    """Hold a study's folder, which is made if need be; every process must call this.

    Args:
        folder: of the study.
        files: that it will write there.
        force: replace them, even if they are not a study's.

    Raises:
        HarmonizeError: the folder is in use, or holds files of others by these names.
    """
    is_main = processes().is_main_process
    with together():
        if is_main:
            check_files(folder, files, force=force)
    advice = "wait until it ends, or choose another with -o DIR"
    with locked_together(folder, is_main=is_main, advice=advice):
        yield


def train_all(runs: Sequence[PlannedRun]) -> None:
    """Train the runs that are not finished, going on with those that were interrupted.

    Every process must call this. What each run needs is checked before the first is trained.

    Raises:
        HarmonizeError: a run folder holds another run, or a run cannot be trained.
        SystemExit: a signal ended a run, which is saved first, or came while its scores and its
            report were made; no run is begun after that.
    """
    here = processes()
    states: list[State] = ["new"] * len(runs)
    with together():
        if here.is_main_process:
            sources = _checked(runs)
            states = [_state(run, its) for run, its in zip(runs, sources, strict=True)]
            print(_plan(runs, states), flush=True)
    broadcast_object_list(states)
    left = [(run, state) for run, state in zip(runs, states, strict=True) if state != "finished"]
    for number, (run, state) in enumerate(left, 1):
        if here.is_main_process:
            print(f"\n=== {run.name}: run {number} of {len(left)}", flush=True)
        start = time.monotonic()
        train(_resumed(run.config, resume=state == "goes on"), name=run.name)
        gc.collect()  # frees the network before the next is built
        if here.is_main_process:
            print(f"=== {run.name}: {(time.monotonic() - start) / 60:.1f} minutes", flush=True)


def _checked(runs: Sequence[PlannedRun]) -> list[Sources]:
    """Return what each run is made from.

    Raises:
        HarmonizeError: all that keeps any run from being trained, each once.
    """
    sources: list[Sources] = []
    problems: dict[str, None] = {}
    for run in runs:
        try:
            sources.append(check_run(run.config))
        except HarmonizeError as error:
            problems |= dict.fromkeys(error.problems)
    raise_all(list(problems))
    return sources


def _state(run: PlannedRun, sources: Sources) -> State:
    """Say how far a run is.

    Whether it had the same tree and mappings is known by its newest checkpoint, if one is left.

    Raises:
        HarmonizeError: its folder holds another run, or something else, or damaged checkpoints.
    """
    if not run.folder.exists():
        return "new"
    path = run.folder / CONFIG
    if not path.is_file():
        raise HarmonizeError(
            f"{run.folder}: exists and is no run folder; remove it, or choose another with -o DIR"
        )
    found = checkpoints.newest_whole(run.folder)
    changed = [] if found is None else changed_texts(run.config, sources, found[1])
    refuse_another(run.config, RunConfig.from_document(load_file(path)), path, changed)
    return "finished" if is_finished(run.folder, run.config.train.steps) else "goes on"


def refuse_another(
    config: RunConfig, there: RunConfig, path: Path, changed: Sequence[str] = ()
) -> None:
    """Refuse a run that is there, and was made with another config than the study's.

    Raises:
        HarmonizeError: naming the keys that differ, and what else has ``changed``.
    """
    new, old = (dict(_leaves(each.to_dict())) for each in (config, there))
    differing = [dotted(key) for key in new if key not in _FREE and new[key] != old.get(key)]
    if differing or changed:
        raise HarmonizeError(
            f"{path}: was made with another {', '.join([*differing, *changed])}; remove that "
            "folder, or choose another for the study with -o DIR"
        )


def _leaves(value: Value, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Value]]:
    """Return the values of a config, by the path of keys to each; lists stay whole."""
    if not isinstance(value, dict) or path in _FREE:
        yield path, value
        return
    for key, item in value.items():
        yield from _leaves(item, (*path, key))


def _plan(runs: Sequence[PlannedRun], states: Sequence[State]) -> str:
    """Say what is to be trained, and what is there."""
    left = sum(state != "finished" for state in states)
    steps = sorted({run.config.train.steps for run in runs})
    many = f"{' or '.join(map(str, steps))} {plural(steps[-1], 'step')}"
    lines = [f"{counted(len(runs), 'run')} of {many}, {left} to be trained:"]
    width = max(len(run.name) for run in runs)
    lines += [f"  {run.name:<{width}}  {state}" for run, state in zip(runs, states, strict=True)]
    return "\n".join(lines)


def _resumed(config: RunConfig, *, resume: bool) -> RunConfig:
    return dataclasses.replace(config, train=dataclasses.replace(config.train, resume=resume))
