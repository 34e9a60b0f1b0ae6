"""The ``harmonize`` command: one function for each of its commands."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harmonize import __version__
from harmonize.system.progress import voice_restored
from harmonize.system.shown_errors import errors_shown


@dataclass(frozen=True)
class Command:
    """Where a command is defined; its module is loaded only when it is called.

    Attributes:
        module: of this package, with a function of the command's name that takes the words after
            it and returns the exit status; its docstring is the command's help.
        about: the first line of that help.
    """

    module: str
    about: str


COMMANDS = {
    "train": Command("launched_commands", "Train one network on several data sets."),
    "evaluate": Command(
        "launched_commands",
        "Score a trained network on data sets, each in its own classes.",
    ),
    "predict": Command("run_commands", "Answer pictures with a trained network."),
    "serve": Command("serve_command", "Answer pictures over HTTP with a trained network."),
    "calibrate": Command(
        "calibrate_command",
        "Make a network's probabilities hold, for predict --confidence.",
    ),
    "export": Command(
        "export_command",
        "Write a trained network as one file that runs without this project.",
    ),
    "push": Command(
        "share_commands",
        "Share a trained run: weights, tree, mappings, scores and a model card.",
    ),
    "pull": Command(
        "share_commands",
        "Fetch a shared run and check it; the folder serves as that of any run.",
    ),
    "refine": Command(
        "run_commands",
        "Complete the coarse labels of a data set with a trained network, inside what they say.",
    ),
    "report": Command("show_commands", "Show what runs learned, on one page."),
    "compare": Command("show_commands", "Say whether runs score differently, picture by picture."),
    "check": Command(
        "file_commands",
        "Check trees, mappings and configs: all problems at once, status 1 if there are any.",
    ),
    "look": Command("file_commands", "Show labels on the tree, or training samples, on one page."),
    "new": Command(
        "file_commands", "Draft a mapping from a folder or an archive of pictures and labels."
    ),
    "tree": Command(
        "tree_commands",
        "Draw a tree and its groups at every depth, or a config's tree and who labels what.",
    ),
    "learn-tree": Command("tree_commands", "Make a tree from what a run's network finds alike."),
    "tree-score": Command(
        "tree_commands",
        "Say how well a tree fits what a run's network confuses, beside random trees.",
    ),
    "join": Command(
        "tree_commands",
        "Make one tree for data sets without a common one, by what their networks see.",
    ),
    "transfer": Command(
        "file_commands",
        "Show which data set's classes a network trained on another can answer.",
    ),
    "schema": Command(
        "file_commands",
        "Print the JSON Schema of configs, mappings or evaluation.json, to check their keys.",
    ),
    "demo-data": Command("file_commands", "Write two small synthetic face sets."),
    "compare-losses": Command(
        "launched_commands",
        "Compare the flat, the finest and the hierarchical loss on identical input.",
    ),
    "label-efficiency": Command(
        "launched_commands",
        "See how much of what fine labels would give coarse labels recover.",
    ),
    "study": Command(
        "launched_commands",
        "Study whether coarse labels pay: harmonize study pays --config FILE --coarse NAME.",
    ),
    "benchmark": Command(
        "launched_commands",
        "Measure the loss, the loader, training and scoring, each against a baseline.",
    ),
    "chaos": Command(
        "launched_commands",
        "Kill a run at random instants, resume it, and compare it with one left alone.",
    ),
}
"""By name, in the order in which they are listed."""

_TRAINING = ("train", "compare-losses", "label-efficiency", "study", "chaos")
"""Those whose results are files; what they print is news."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands and return the exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    with errors_shown(needs_output=not set(words[:1]) & set(_TRAINING)):
        name = _parser().parse_args(words[:1]).command
        with voice_restored():
            return function_of(name)(words[1:])


def function_of(name: str) -> Callable[[Sequence[str]], int]:
    """Load the module of a command, and return the function that it is."""
    module = importlib.import_module(f"harmonize.cli.{COMMANDS[name].module}")
    return getattr(module, name.replace("-", "_"))


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    lines = [f"    {name:<{width}}  {command.about}" for name, command in COMMANDS.items()]
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
