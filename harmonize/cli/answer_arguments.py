"""The arguments of commands that answer pictures, and the options that they stand for."""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from harmonize.cli.arguments import add_checkpoint, add_trust, count, size, tile

if TYPE_CHECKING:
    from harmonize.inference.predict_options import PredictOptions


def add_answers(parser: argparse.ArgumentParser, *, default_tree: str | None = None) -> None:
    """Take what is answered, and by which of several trees."""
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--depth", type=count, metavar="N", help="answer the groups at this depth")
    asked.add_argument(
        "--as", dest="dataset", metavar="NAME_OR_YAML", help="answer this data set's own classes"
    )
    asked.add_argument(
        "--confidence", type=float, metavar="P", help="answer the deepest node as probable as this"
    )
    add_words(parser, default_tree)


def add_words(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Take what answers go by, whatever is answered."""
    told = "" if default is None else f" (default: {default})"
    parser.add_argument("--ontology", metavar="TREE", help=f"of a run of several trees{told}")
    add_calibration(parser)


def add_decode(parser: argparse.ArgumentParser) -> None:
    """Take how pixels are decided."""
    parser.add_argument(
        "--decode",
        choices=["tree", "leaves", "height"],
        help="how pixels are decided (default: as the run is scored)",
    )


def add_computing(parser: argparse.ArgumentParser) -> None:
    """Take how the answers are computed."""
    parser.add_argument(
        "--channels-of", metavar="NAME", help="TIFF pictures have the bands of this data set"
    )
    parser.add_argument(
        "--size",
        type=size,
        metavar="N",
        help="shorter side to look at, or full (default: the run's)",
    )
    parser.add_argument(
        "--tile", type=tile, default=768, metavar="N", help="side of a tile (default: 768)"
    )
    add_checkpoint(parser)
    add_trust(parser)
    parser.add_argument(
        "--scales",
        type=float,
        nargs="+",
        metavar="FACTOR",
        help="average over views of these factors of the size (default: as the run is scored)",
    )
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="average over mirrored views as well (default: as the run is scored)",
    )
    add_decode(parser)
    parser.add_argument("--precision", choices=["auto", "float32", "bf16", "fp16"])
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    parser.add_argument(
        "--as-stored", action="store_true", help="leave photographs turned as their files are"
    )


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """Take what probabilities go by."""
    calibration = parser.add_mutually_exclusive_group()
    calibration.add_argument(
        "--like",
        metavar="NAME",
        help="trust probabilities as far as for pictures of this data set, and normalise as for "
        "it (model.norm: batch_per_dataset)",
    )
    calibration.add_argument(
        "--uncalibrated", action="store_true", help="take the network's own probabilities"
    )


def predict_options(given: argparse.Namespace, roots: dict[str, str]) -> "PredictOptions":
    """Return what is wanted of a network, by the arguments that a command has taken."""
    from harmonize.inference.predict_options import PredictOptions  # slow to import

    known = {
        **vars(given),
        "calibrated": not given.uncalibrated,
        "turn": not getattr(given, "as_stored", False),
        "roots": roots,
    }
    if known.get("scales"):
        known["scales"] = tuple(known["scales"])
    names = [one.name for one in dataclasses.fields(PredictOptions)]
    return PredictOptions(**{name: known[name] for name in names if name in known})
