"""``harmonize calibrate``: make probabilities hold, or estimate accuracy without labels."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harmonize.cli.arguments import (
    add_checkpoint,
    add_datasets,
    add_quiet,
    add_trust,
    command_parser,
    count,
    files_and_changes,
    take_overrides,
)
from harmonize.errors import HarmonizeError
from harmonize.system.progress import be_quiet


def calibrate(words: Sequence[str]) -> int:
    """Make a network's probabilities hold, for predict --confidence.

    With --unlabelled, estimate instead how often its answers are right on pictures without labels.
    """
    parser = command_parser(calibrate)
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    parser.add_argument(
        "overrides", nargs="*", metavar="key.path=value", help="of the run's config"
    )
    add_datasets(parser)
    parser.add_argument(
        "--check", metavar="NAME", help="split to check on (default: the half not fitted on)"
    )
    _add_unlabelled(parser)
    parser.add_argument(
        "--ontology", metavar="TREE", help="of --unlabelled, of a run of several trees"
    )
    add_checkpoint(parser)
    add_trust(parser)
    add_quiet(parser, "results, warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    if given.unlabelled is not None:
        return _estimate(given)
    for option in ("depth", "as", "json", "ontology"):
        if getattr(given, {"as": "as_"}.get(option, option)) is not None:
            raise HarmonizeError(f"--{option}: is for --unlabelled PICTURES; leave it out")
    overrides = take_overrides(given, "dataset")
    from harmonize.pipeline.calibrate_run import calibrate_run  # slow to import

    calibrate_run(
        given.run,
        datasets=given.dataset,
        split=given.split,
        check=given.check,
        which=given.checkpoint,
        overrides=overrides,
        trust_code=given.trust_code,
    )
    return 0


def _add_unlabelled(parser: argparse.ArgumentParser) -> None:
    """Take the pictures without labels, and what is estimated for them."""
    parser.add_argument(
        "--unlabelled",
        nargs="+",
        action="extend",
        metavar="PICTURES",
        help="files, folders or 'patterns', or one data set: estimate the accuracy there, from the "
        "sets with labels of --dataset",
    )
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument(
        "--depth", type=count, metavar="N", help="of the groups at this depth (default: of leaves)"
    )
    asked.add_argument("--as", dest="as_", metavar="NAME_OR_YAML", help="of this set's own classes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the estimates here too")


def _estimate(given: argparse.Namespace) -> int:
    """Estimate the accuracy on pictures without labels."""
    if given.check is not None:
        raise HarmonizeError(
            f"--check {given.check}: is about temperatures; leave it out with --unlabelled"
        )
    files, changes = files_and_changes(given.unlabelled)
    overrides = [*changes, *take_overrides(given, "dataset")]
    from harmonize.pipeline.estimate_run import EstimateOptions, estimate_run  # slow to import

    options = EstimateOptions(
        unlabelled=files,
        datasets=given.dataset,
        split=given.split,
        depth=given.depth,
        classes_of=given.as_,
        which=given.checkpoint,
        json_file=given.json,
        overrides=overrides,
        trust_code=given.trust_code,
        ontology=given.ontology,
    )
    estimate_run(given.run, options)
    return 0
