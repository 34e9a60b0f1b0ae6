"""The command ``harmonize export``."""

from collections.abc import Sequence
from pathlib import Path

from harmonize.cli.answer_arguments import add_answers, add_decode, predict_options
from harmonize.cli.arguments import (
    add_checkpoint,
    add_force,
    add_quiet,
    add_trust,
    command_parser,
    files_and_roots,
    size,
)
from harmonize.errors import HarmonizeError
from harmonize.system.progress import be_quiet


def export(words: Sequence[str]) -> int:
    """Write a trained network as one file that runs without this project.

    Pictures go in as bytes; classes, probabilities and logits come out. `harmonize predict` takes
    files for onnxruntime and ExecuTorch in place of a run folder.
    """
    parser = command_parser(export)
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", required=True)
    parser.add_argument(
        "--format",
        choices=["onnx", "torch", "executorch"],
        default="onnx",
        help="onnx, or a program of torch.export or of ExecuTorch (default: onnx)",
    )
    add_answers(parser)
    add_decode(parser)
    parser.add_argument(
        "--size",
        type=size,
        metavar="N",
        help="shorter side to look at unless the file is told otherwise, or full (default: the "
        "run's)",
    )
    parser.add_argument(
        "--int8",
        metavar="NAME_OR_YAML",
        help="compute in int8, scaled by what occurs in pictures of this data set",
    )
    parser.add_argument("--split", metavar="NAME", help="of --int8 (default: the trained one)")
    add_checkpoint(parser)
    add_trust(parser)
    add_force(parser)
    parser.add_argument(
        "overrides", nargs="*", metavar="data.roots.NAME=FOLDER", help="where a data set is"
    )
    add_quiet(parser, "warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    files, roots = files_and_roots(given.overrides)
    if files:
        raise HarmonizeError(f"{files[0]}: expected data.roots.NAME=FOLDER")
    from harmonize.exporting.export_run import ExportOptions, export_run  # slow to import

    answers = predict_options(given, roots)
    options = ExportOptions(answers, given.format, given.int8, given.split, given.force)
    export_run(given.run, given.output, options)
    return 0
