"""The seeds of a study, and the config that its runs start from."""

from collections.abc import Iterable, Sequence

from harmonize.config.run_config import RunConfig, find_file
from harmonize.errors import HarmonizeError

SET_BY_A_STUDY = ("seed", "output", "train.resume", "train.digest")
"""Keys of a config that no study takes from it."""


def parse_seeds(words: Sequence[str]) -> tuple[int, ...]:
    """Read the seeds of a study.

    Raises:
        HarmonizeError: one is no whole number, or one is given twice.
    """
    for word in words:
        if not (word.isascii() and word.isdigit() and len(word) < 19):
            raise HarmonizeError(f"--seeds: a seed is a whole number from 0 on, got {word!r}")
    seeds = tuple(int(word) for word in words)
    if not seeds or len(set(seeds)) < len(seeds):
        raise HarmonizeError(f"--seeds: give each seed once, got {' '.join(words) or 'none'}")
    return seeds


def read_shared(path: str, overrides: Iterable[str], *, own: Sequence[str]) -> RunConfig:
    """Read the config that all runs of a study share; ``own`` are the keys that the study sets.

    Raises:
        HarmonizeError: anything wrong with the config, or a change of what the study sets.
    """
    changes = list(overrides)
    for change in changes:
        _refuse_own(change.partition("=")[0].strip(), (*SET_BY_A_STUDY, *own))
    return RunConfig.from_file(find_file(path), changes)


def _refuse_own(key: str, own: Sequence[str]) -> None:
    """Refuse a change of what a study sets, by its key or by one above or below it."""
    for its in own:
        if f"{key}.".startswith(f"{its}."):
            raise HarmonizeError(f"command line: {key}: is set by the study itself; leave it out")
        if its.startswith(f"{key}."):
            raise HarmonizeError(
                f"command line: {key}: holds {its}, which is set by the study itself; change the "
                f"others one by one: {key}.NAME=VALUE"
            )
