"""The commands about a trained run: ``harmonize predict | refine``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harmonize.cli.answer_arguments import (
    add_answers,
    add_calibration,
    add_computing,
    predict_options,
)
from harmonize.cli.arguments import (
    add_checkpoint,
    add_quiet,
    add_trust,
    command_parser,
    count,
    files_and_roots,
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
    add_answers(parser, default_tree="each of them")
    add_computing(parser)
    add_quiet(parser, "warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    from harmonize.inference.write_answers import Output  # slow to import
    from harmonize.pipeline.predict_run import predict_run

    pictures, roots = files_and_roots(given.files)
    options = predict_options(given, roots)
    output = Output(given.output, not given.no_overlay, given.write)
    return predict_run(given.run, pictures, output, options)


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
    parser.add_argument("--ontology", metavar="TREE", help="of a run of several trees")
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
        ontology=given.ontology,
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
    add_calibration(parser)
