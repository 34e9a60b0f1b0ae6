"""Refuse to begin a run again from step 0 where its checkpoints are lost."""

import os
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.runs import checkpoints
from harmonize.runs.checkpoint import load
from harmonize.runs.metrics_log import METRICS, read_metrics
from harmonize.runs.run_folder import CONFIG, EVALUATION, is_written_by_us


def refuse_lost(output: Path, checkpoint_every: int | None) -> None:
    """Refuse a folder without a checkpoint to resume from, unless its run never came to any.

    A new folder of checkpoints has one as soon as it is there, and one is saved before any network
    is kept as the best.

    Args:
        output: the run folder.
        checkpoint_every: steps between two checkpoints; None if there is one at the end only.

    Raises:
        HarmonizeError: the run has come further, or the folder is no run's at all.
    """
    if not is_written_by_us(output / CONFIG):
        raise HarmonizeError(
            f"{output}: is no run to resume: its {CONFIG} is not one that a run has written; leave "
            "out train.resume and name a new folder with output=RUN_DIR"
        )
    found = _traces(output, checkpoint_every)
    if found is None:
        return
    raise HarmonizeError(
        f"{output / checkpoints.FOLDER}: holds no step-*.safetensors to resume from, but {found}; "
        f"put them back{_from_best(output)}, or begin anew in another folder with output=RUN_DIR "
        "and without train.resume"
    )


def _traces(output: Path, checkpoint_every: int | None) -> str | None:
    """Say what shows that a run had a checkpoint, if anything does."""
    folder = output / checkpoints.FOLDER
    if folder.is_symlink() and not folder.exists():
        return f"is a link to {os.readlink(folder)}, which is not there (a disk not mounted?)"  # noqa: PTH115  may be no path
    if checkpoints.best_path(output).exists():
        return f"there is {checkpoints.BEST}"
    if os.path.lexists(folder):
        return "there were some (or is a disk not mounted?)"
    if (output / EVALUATION).exists():
        return f"the run came to its end: there is {EVALUATION}"
    if not (output / METRICS).exists():
        return None
    metrics = read_metrics(output / METRICS)
    last = max((line.step for line in (*metrics.training, *metrics.evaluations)), default=0)
    saved = checkpoint_every is not None and last > checkpoint_every
    return f"{METRICS} goes to step {last}" if saved or metrics.evaluations else None


def _from_best(output: Path) -> str:
    """Say how a run goes on from its best network, if that is whole."""
    path = checkpoints.best_path(output)
    try:
        state = load(path)
    except HarmonizeError:
        return ""
    if not state.optimizer["param_groups"]:  # of a sharded run
        return ""
    name = checkpoints.step_path(output, state.step).name
    return f", or go on from the best, after step {state.step}: cp {path} {path.with_name(name)}"
