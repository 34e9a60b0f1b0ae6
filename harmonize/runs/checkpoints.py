"""Name, choose and remove the checkpoints of a run folder."""

import dataclasses
import sys
from pathlib import Path

from harmonize.errors import HarmonizeError, printable
from harmonize.runs.checkpoint import Checkpoint, Standing, load
from harmonize.system.atomic_files import part_of

FOLDER = "checkpoints"
BEST = "best.safetensors"
_KEPT = 2
"""How many of the newest checkpoints stay."""


def step_path(output: Path, step: int) -> Path:
    """Return the file of the checkpoint after so many steps."""
    return output / FOLDER / f"step-{step:08d}.safetensors"


def best_path(output: Path) -> Path:
    """Return the file of the checkpoint that scored best."""
    return output / FOLDER / BEST


def newest(output: Path) -> Path | None:
    """Return the newest checkpoint of a run, or None."""
    return max((output / FOLDER).glob("step-*.safetensors"), default=None)


def newest_whole(output: Path) -> tuple[Path, Checkpoint] | None:
    """Load the newest checkpoint that is whole, warning of damaged ones; None if there is none.

    Raises:
        HarmonizeError: all of them are damaged.
    """
    damaged: list[HarmonizeError] = []
    for path in sorted((output / FOLDER).glob("step-*.safetensors"), reverse=True):
        try:
            return path, load(path)
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
    folder = output / FOLDER
    paths = sorted(folder.glob("step-*.safetensors"))
    for path in [*paths[:-_KEPT], *folder.glob(part_of(Path("*")).name)]:
        path.unlink(missing_ok=True)
