"""The ``harmonize`` command: one function for each of its commands."""

import argparse
import inspect
import sys
from collections.abc import Sequence

from harmonize import __version__
from harmonize.cli import (
    calibrate_command,
    file_commands,
    launched_commands,
    run_commands,
    show_commands,
    tree_commands,
)
from harmonize.system.progress import voice_restored
from harmonize.system.shown_errors import errors_shown

COMMANDS = {
    "train": launched_commands.train,
    "evaluate": launched_commands.evaluate,
    "predict": run_commands.predict,
    "calibrate": calibrate_command.calibrate,
    "refine": run_commands.refine,
    "report": show_commands.report,
    "compare": show_commands.compare,
    "check": file_commands.check,
    "look": file_commands.look,
    "new": file_commands.new,
    "tree": tree_commands.tree,
    "learn-tree": tree_commands.learn_tree,
    "tree-score": tree_commands.tree_score,
    "join": tree_commands.join,
    "transfer": file_commands.transfer,
    "schema": file_commands.schema,
    "demo-data": file_commands.demo_data,
    "compare-losses": launched_commands.compare_losses,
    "label-efficiency": launched_commands.label_efficiency,
    "study": launched_commands.study,
    "benchmark": launched_commands.benchmark,
    "chaos": launched_commands.chaos,
}
"""Each takes the words after its name and returns the exit status; its docstring is its help."""

_TRAINING = ("train", "compare-losses", "label-efficiency", "study", "chaos")
"""Those whose results are files; what they print is news."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands and return the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    with errors_shown(needs_output=not set(words[:1]) & set(_TRAINING)):
        name = _parser().parse_args(words[:1]).command
        with voice_restored():
            return COMMANDS[name](words[1:])


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    lines = [f"    {n:<{width}}  {inspect.getdoc(c)}".splitlines()[0] for n, c in COMMANDS.items()]
    parser = argparse.ArgumentParser(
        prog="harmonize",
        usage="harmonize [-h] [--version] COMMAND ...",
        description="Train one segmentation network on data sets that disagree about labels.",
        epilog="\n".join(["commands, each with its own --help:", *lines]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"harmonize {__version__}")
    parser.add_argument(
        "command",
        metavar="COMMAND",
        choices=COMMANDS,
        help="`accelerate launch -m harmonize COMMAND` starts several processes",
    )
    return parser
