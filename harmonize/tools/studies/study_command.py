"""What the scripts of all studies take on the command line, and the config that they start from."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from harmonize.config.run_config import RunConfig, find_file
from harmonize.errors import HarmonizeError

SET_BY_A_STUDY = ("seed", "output", "train.resume", "train.digest")
"""Keys of a config that no study takes from it."""


def study_parser(about: str) -> argparse.ArgumentParser:
    """Return a parser of what all studies take; call its ``parse_intermixed_args``."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--config", required=True, metavar="FILE", help="what the runs share")
    parser.add_argument(
        "--seeds", nargs="+", default=["0", "1"], metavar="SEED", help="(default: 0 1)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="where all of it goes")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="change the config")
    return parser


def take_overrides(arguments: argparse.Namespace, *options: str) -> list[str]:
    """Return all changes of the config, those too that argparse took for values of an option.

    They are removed from the values of the options, of which there may be several each.
    """
    overrides: list[str] = []
    for option in options:
        words: list[str] = getattr(arguments, option)
        overrides += [word for word in words if "=" in word]
        setattr(arguments, option, [word for word in words if "=" not in word])
    return [*overrides, *arguments.overrides]


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
