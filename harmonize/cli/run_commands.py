"""The commands about a trained run: ``harmonize predict | refine``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harmonize.cli.arguments import (
    add_checkpoint,
    add_quiet,
    add_trust,
    command_parser,
    count,
    files_and_roots,
    size,
    take_overrides,
    tile,
)
from harmonize.system.progress import be_quiet


def predict(words: Sequence[str]) -> int:
    """Answer pictures with a trained network."""
    parser = command_parser(predict)
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="or a file of `harmonize export`")
    parser.add_argument("files", nargs="+", metavar="PICTURES", help="files, folders or 'patterns'")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", required=True)
    parser.add_argument("--no-overlay", action="store_true", help="write no drawings")
    parser.add_argument(
        "--write",
        choices=["coco", "labelme", "label-studio", "cvat"],
        help="write annotations too, to be corrected in a tool, and a mapping that reads them back",
    )
    add_answers(parser)
    add_computing(parser)
    add_quiet(parser, "warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    from harmonize.inference.predict_options import PredictOptions  # slow to import
    from harmonize.inference.write_answers import Output
    from harmonize.pipeline.predict_run import predict_run

    pictures, roots = files_and_roots(given.files)
    options = PredictOptions(
        depth=given.depth,
        dataset=given.dataset,
        confidence=given.confidence,
        like=given.like,
        calibrated=not given.uncalibrated,
        decode=given.decode,
        size=given.size,
        scales=given.scales and tuple(given.scales),
        flip=given.flip,
        tile=given.tile,
        checkpoint=given.checkpoint,
        precision=given.precision,
        cpu=given.cpu,
        turn=not given.as_stored,
        trust_code=given.trust_code,
        roots=roots,
        ontology=given.ontology,
        channels_of=given.channels_of,
    )
    output = Output(given.output, not given.no_overlay, given.write)
    return predict_run(given.run, pictures, output, options)


def add_answers(parser: argparse.ArgumentParser) -> None:
    """Take what is answered."""
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--depth", type=count, metavar="N", help="answer the groups at this depth")
    asked.add_argument(
        "--as", dest="dataset", metavar="NAME_OR_YAML", help="answer this data set's own classes"
    )
    asked.add_argument(
        "--confidence", type=float, metavar="P", help="answer the deepest node as probable as this"
    )
    add_words(parser, "each of them")


def add_words(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """Take what answers go by, whatever is answered."""
    told = "" if default is None else f" (default: {default})"
    parser.add_argument("--ontology", metavar="TREE", help=f"of a run of several trees{told}")
    _add_calibration(parser)


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


def refine(words: Sequence[str]) -> int:
    """Complete the coarse labels of a data set with a trained network, inside what they say.

    A label that means several leaves becomes the deepest node within it that is probable enough;
    where none is, it stays. The result is a data set of its own, with label files and a mapping,
    ready for a config.
    """
    parser = command_parser(refine)
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument(
        "--dataset", required=True, metavar="NAME_OR_YAML", help="of the run, or any mapping"
    )
    parser.add_argument("--split", metavar="NAME", help="(default: the trained one, or train)")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", required=True)
    _add_refining(parser)
    add_checkpoint(parser)
    add_trust(parser)
    parser.add_argument(
        "overrides", nargs="*", metavar="key.path=value", help="such as data.roots.NAME=FOLDER"
    )
    add_quiet(parser, "results, warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    from harmonize.tools.refine.refine_options import RefineOptions  # slow to import
    from harmonize.tools.refine.refine_run import refine_run

    options = RefineOptions(
        confidence=given.confidence,
        fit_on=() if given.no_fit else given.fit_on and tuple(given.fit_on),
        balanced=given.balanced,
        unlabelled=given.unlabelled,
        scales=tuple(given.scales),
        flip=not given.no_flip,
        like=given.like,
        calibrated=not given.uncalibrated,
        coarsen=given.coarsen,
        rounds=given.rounds,
        name=given.name,
        pictures=given.pictures,
        checkpoint=given.checkpoint,
        tile=given.tile,
        trust_code=given.trust_code,
    )
    refine_run(
        given.run,
        dataset=given.dataset,
        split=given.split,
        output=given.output,
        options=options,
        overrides=take_overrides(given),
    )
    return 0


def _add_calibration(parser: argparse.ArgumentParser) -> None:
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


def _add_refining(parser: argparse.ArgumentParser) -> None:
    """Take how labels are completed."""
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.9,
        metavar="P",
        help="probability within the label that a finer one must reach (default: 0.9)",
    )
    fitted = parser.add_mutually_exclusive_group()
    fitted.add_argument(
        "--fit-on",
        nargs="+",
        metavar="NAME_OR_YAML",
        help="held-out sets with finer labels (split val) that tell how probable is enough "
        "(default: those that the run scores)",
    )
    fitted.add_argument(
        "--no-fit", action="store_true", help="take the confidence for every class as it is"
    )
    parser.add_argument(
        "--balanced",
        action="store_true",
        help="hold easy classes back, so that hard ones keep their share of the completed pixels",
    )
    parser.add_argument(
        "--unlabelled", action="store_true", help="complete pixels without a label as well"
    )
    parser.add_argument(
        "--scales",
        type=float,
        nargs="+",
        default=[1.0, 1.25],
        metavar="S",
        help="sizes of the views that are averaged, relative to the run's (default: 1 1.25)",
    )
    parser.add_argument("--no-flip", action="store_true", help="do not look at mirrored pictures")
    parser.add_argument(
        "--coarsen",
        metavar="DEPTH_OR_YAML",
        help="coarsen labels first, to a depth or a mapping's classes, to see what is right",
    )
    parser.add_argument(
        "--rounds",
        type=count,
        default=1,
        metavar="N",
        help="train the run once more on what was completed, and complete again (default: 1)",
    )
    parser.add_argument("--name", help="of the new data set (default: the old, _refined)")
    parser.add_argument(
        "--pictures", type=count, default=12, metavar="N", help="that the page shows (default: 12)"
    )
    parser.add_argument(
        "--tile", type=tile, default=768, metavar="N", help="side of a tile (default: 768)"
    )
    _add_calibration(parser)
