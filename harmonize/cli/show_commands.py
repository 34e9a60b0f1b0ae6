"""The commands that show what runs learned: ``harmonize report | compare``."""

import functools
from collections.abc import Sequence
from pathlib import Path

from harmonize.cli.arguments import (
    add_force,
    add_quiet,
    add_trust,
    command_parser,
    files_and_roots,
)
from harmonize.errors import HarmonizeError, printable
from harmonize.system.progress import be_quiet, tell


def compare(words: Sequence[str]) -> int:
    """Say whether runs score differently, picture by picture.

    The first run is what the others are compared with; runs that differ in nothing but the seed
    are one side. For each data set and depth that both score: the difference of the mean IoU and
    its 95 % interval, from a paired bootstrap over pictures and seeds.
    """
    parser = command_parser(compare)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN_DIR", help="or a file that evaluate --json wrote"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", dest="json_file", help="write the same here"
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", dest="page", help="write the report of all runs here"
    )
    given = parser.parse_intermixed_args(words)
    from harmonize.tools.compare_command import compare as compare_runs  # slow to import

    compare_runs(given.runs, json_file=given.json_file, page=given.page)
    return 0


def report(words: Sequence[str]) -> int:
    """Show what runs learned, on one page."""
    parser = command_parser(report)
    parser.add_argument("files", nargs="+", metavar="RUN_DIR", help="or data.roots.NAME=FOLDER")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the page (default: RUN_DIR/report.html)"
    )
    add_force(parser)
    add_trust(parser)
    add_quiet(parser, "warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    runs, roots = files_and_roots(given.files)
    if not runs:
        raise HarmonizeError("no run is named; name a run folder")
    from harmonize.report.make_report import make_report  # slow to import
    from harmonize.runs.opened import open_any

    opener = functools.partial(open_any, trust_code=given.trust_code)
    page = make_report(
        [Path(run) for run in runs], given.output, roots=roots, opener=opener, force=given.force
    )
    tell(printable(f"{page} is there; open it in a browser"))
    return 0
