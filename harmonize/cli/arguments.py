"""What several commands take on the command line."""

import argparse
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from harmonize.errors import raise_all
from harmonize.system.shown_errors import let_the_first_speak

_DIGITS = 9
"""Of a whole number."""
_LARGEST = 65536
"""Pixels of a side."""


class _Parser(argparse.ArgumentParser):
    """Tells a mistake once, where several processes are given the same words."""

    def error(self, message: str) -> NoReturn:
        let_the_first_speak()
        super().error(message)


def command_parser(command: Callable[..., Any]) -> argparse.ArgumentParser:
    """Return a parser named after a command's function, whose docstring is its help.

    Call its ``parse_intermixed_args``: options may stand before, between and after other words.
    """
    return _Parser(
        prog=f"harmonize {command.__name__.replace('_', '-')}",
        description=inspect.getdoc(command),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_overrides(parser: argparse.ArgumentParser) -> None:
    """Take changes of a config."""
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="change the config")


def add_datasets(parser: argparse.ArgumentParser) -> None:
    """Take the data sets that a run is held against."""
    parser.add_argument(
        "--dataset",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME_OR_YAML",
        help="data sets of the run by name, or any mappings (default: all that it scores)",
    )
    parser.add_argument("--split", metavar="NAME", help="(default: the config's, else val)")


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Take which of a run's checkpoints is used."""
    parser.add_argument(
        "--checkpoint", "--which", choices=["best", "last"], default="last", help="(default: last)"
    )


def add_force(parser: argparse.ArgumentParser) -> None:
    """Take whether files of others may be replaced."""
    parser.add_argument(
        "--force", action="store_true", help="replace a file that this command has not written"
    )


def add_quiet(parser: argparse.ArgumentParser, leaves: str) -> None:
    """Take whether the command says less; ``leaves`` is what it still says."""
    parser.add_argument("-q", "--quiet", action="store_true", help=f"print {leaves} alone")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Take whether the code that a run folder names may be run."""
    parser.add_argument(
        "--trust-code",
        action="store_true",
        help="run the code that the run's network is, where it is not harmonize's own",
    )


def take_overrides(given: argparse.Namespace, *options: str) -> list[str]:
    """Return all changes of the config, those too that argparse took for values of an option.

    They are removed from the values of the options, of which there may be several each.
    """
    overrides: list[str] = []
    for option in options:
        words: list[str] = getattr(given, option)
        overrides += [word for word in words if "=" in word]
        setattr(given, option, [word for word in words if "=" not in word])
    return [*overrides, *given.overrides]


def files_and_changes(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part files from ``key.path=value``; what exists under its name is a file."""
    files = [word for word in words if "=" not in word or Path(word).exists()]
    return files, [word for word in words if word not in files]


def files_and_roots(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Part ``data.roots.NAME=FOLDER`` from files.

    Raises:
        HarmonizeError: a root without a folder, or a change of another key.
    """
    files, changes = files_and_changes(words)
    roots: dict[str, str] = {}
    problems: list[str] = []
    for word in changes:
        key, _, folder = word.partition("=")
        if not key.startswith("data.roots.") or not folder:
            problems.append(f"{word}: only data.roots.NAME=FOLDER can be said here")
        roots[key.removeprefix("data.roots.")] = folder
    raise_all(problems)
    return files, roots


def count(text: str) -> int:
    """Parse a whole number of at least 0."""
    if not text.isdecimal() or len(text) > _DIGITS:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text[:20]!r}")
    return int(text)


def tile(text: str) -> int:
    """Parse the side of a tile in pixels."""
    if not text.isdecimal() or not 0 < int(text[:_DIGITS]) <= _LARGEST or len(text) > _DIGITS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_LARGEST}, got {text[:20]!r}")
    return int(text)


def size(text: str) -> int | str:
    """Parse a number of pixels above 0, or ``full``."""
    try:
        return text if text == "full" else tile(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected 1 to {_LARGEST} or full, got {text[:20]!r}"
        ) from None
