"""Name, choose and remove the checkpoints of a run folder."""

import dataclasses
import re
import sys
from pathlib import Path

from harmonize.errors import HarmonizeError, printable
from harmonize.runs.checkpoint import Checkpoint, load
from harmonize.runs.optimizer_shares import check_shares, remove_old_shares
from harmonize.runs.standing import Standing
from harmonize.system.atomic_files import remove_parts

FOLDER = "checkpoints"
BEST = "best.safetensors"
_STEP = re.compile(r"step-([0-9]{8,})\.safetensors")
_KEPT = 2
"""How many of the newest checkpoints stay."""


def step_path(output: Path, step: int) -> Path:
    """Return the file of the checkpoint after so many steps."""
    return output / FOLDER / f"step-{step:08d}.safetensors"


def best_path(output: Path) -> Path:
    """Return the file of the checkpoint that scored best."""
    return output / FOLDER / BEST


def all_steps(output: Path) -> list[Path]:
    """Return the checkpoints of a run but its best, the oldest first.

    What has another name, such as a copy that somebody made, is none of them.
    """
    found = ((_STEP.fullmatch(path.name), path) for path in (output / FOLDER).glob("step-*"))
    return [path for _, path in sorted((int(name[1]), path) for name, path in found if name)]


def newest(output: Path) -> Path | None:
    """Return the newest checkpoint of a run, or None."""
    return next(reversed(all_steps(output)), None)


def newest_whole(output: Path, *, resumable: bool = False) -> tuple[Path, Checkpoint] | None:
    """Load the newest checkpoint that is whole, warning of damaged ones; None if there is none.

    To be ``resumable`` one of a sharded run needs all shares of the optimizer's state.

    Raises:
        HarmonizeError: all of them are damaged.
    """
    damaged: list[HarmonizeError] = []
    for path in reversed(all_steps(output)):
        try:
            state = load(path)
            if resumable:
                check_shares(path, state)
            return path, state
        except HarmonizeError as error:
            print(printable(f"warning: {error}"), file=sys.stderr)
            damaged.append(error)
    if damaged:
        raise damaged[0]
    return None


def standing_at(output: Path, checkpoint: Checkpoint) -> Standing:
    """Return what a run's evaluations have found up to a checkpoint, which is saved before its own.

    There is no best if its file is damaged, so that the next to be scored takes its place.
    """
    path, standing = best_path(output), checkpoint.standing
    if not path.is_file():
        return standing
    try:
        best = load(path)
    except HarmonizeError as error:
        warning = f"warning: {error}; the best from here on takes its place"
        print(printable(warning), file=sys.stderr)
        return dataclasses.replace(standing, best=None, best_step=checkpoint.step)
    if best.step > checkpoint.step:
        return standing
    return dataclasses.replace(best.standing, answers_with=standing.answers_with)


def choose(output: Path, which: str) -> tuple[Path, Checkpoint]:
    """Load a run's ``best`` or ``last`` whole checkpoint.

    Raises:
        HarmonizeError: there is none.
    """
    if not output.is_dir():
        what = "is a file, no run folder" if output.is_file() else "no such run folder"
        raise HarmonizeError(f"{output}: {what}")
    if which == "last":
        found = newest_whole(output)
    else:
        best = best_path(output)
        found = (best, load(best)) if best.is_file() else None
    if found is None:
        advice = "is it a run folder?" if newest(output) is None else "there is only the last one"
        raise HarmonizeError(f"{output}: holds no {which} checkpoint; {advice}")
    return found


def remove_old(output: Path) -> None:
    """Remove all but the newest checkpoints and what interrupted writing left behind."""
    steps = all_steps(output)
    for path in steps[:-_KEPT]:
        path.unlink(missing_ok=True)
    remove_parts(output / FOLDER)
    remove_old_shares(output, steps[-_KEPT:])
