"""The commands ``harmonize push | pull``, which share trained runs."""

from collections.abc import Sequence
from pathlib import Path

from harmonize.cli.arguments import add_checkpoint, add_quiet, command_parser, files_and_roots
from harmonize.errors import HarmonizeError
from harmonize.system.progress import be_quiet, tell

_ADDRESS = "hub:USER/NAME, a folder, or an address of fsspec such as s3://BUCKET/NAME"


def push(words: Sequence[str]) -> int:
    """Share a trained run: weights, tree, mappings, scores and a model card.

    The package holds neither code nor folders of this machine nor, unless --pictures is given,
    pictures of the data sets or their names.
    """
    parser = command_parser(push)
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    parser.add_argument("--license", metavar="ID", help="of the weights, such as mit, for the card")
    parser.add_argument(
        "--pictures",
        action="store_true",
        help="show pictures of the data sets in the report, and name them",
    )
    parser.add_argument(
        "--public", action="store_true", help="a new repository of a hub may be seen by all"
    )
    parser.add_argument("--force", action="store_true", help="replace another run's package")
    add_checkpoint(parser)
    parser.add_argument(
        "overrides", nargs="*", metavar="data.roots.NAME=FOLDER", help="for --pictures"
    )
    add_quiet(parser, "warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    files, roots = files_and_roots(given.overrides)
    if files:
        raise HarmonizeError(f"{files[0]}: expected data.roots.NAME=FOLDER")
    if roots and not given.pictures:
        raise HarmonizeError(f"data.roots.{next(iter(roots))}: is for --pictures; leave it out")
    from harmonize.sharing.build_package import PackOptions  # slow to import
    from harmonize.sharing.push import push_run

    options = PackOptions(given.checkpoint, given.pictures, given.license, roots)
    push_run(given.run, given.address, options, force=given.force, public=given.public)
    return 0


def pull(words: Sequence[str]) -> int:
    """Fetch a shared run and check it; the folder serves as that of any run."""
    parser = command_parser(pull)
    parser.add_argument("address", metavar="ADDRESS", help=_ADDRESS)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="(default: of the run's name)"
    )
    parser.add_argument(
        "--max-gib", type=float, default=8.0, metavar="N", help="that it may have (default: 8)"
    )
    add_quiet(parser, "warnings and errors")
    given = parser.parse_args(words)
    be_quiet(given.quiet)
    if not given.max_gib > 0:
        raise HarmonizeError(f"--max-gib {given.max_gib:g}: a number above 0")
    from harmonize.sharing.pull import pull_run  # slow to import

    folder = pull_run(given.address, given.output, most_gib=given.max_gib)
    tell(f"{folder}: from {given.address}; harmonize predict {folder} PICTURES -o answers")
    return 0
