"""The commands about trees, mappings and configs: ``harmonize check | new | look | ...``."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from harmonize.cli.arguments import (
    add_force,
    add_overrides,
    add_quiet,
    add_trust,
    command_parser,
    count,
    files_and_changes,
    files_and_roots,
)
from harmonize.config.run_config import RunConfig, find_file
from harmonize.config.strict_yaml import load_file
from harmonize.errors import HarmonizeError, printable
from harmonize.system.atomic_files import write_whole, writing
from harmonize.system.own_files import check_output
from harmonize.system.progress import be_quiet
from harmonize.tools.check.check_command import check as check_files
from harmonize.tools.check.checked_file import Options, is_config

LOOK = "harmonize look"
"""Stands in every page and sheet that ``look`` writes."""
SCHEMAS = ("config", "mapping", "evaluation")


def check(words: Sequence[str]) -> int:
    """Check trees, mappings and configs: all problems at once, status 1 if there are any."""
    parser = command_parser(check)
    parser.add_argument("files", nargs="+", metavar="FILE", help="or key.path=value for configs")
    parser.add_argument(
        "--scan", type=count, metavar="N", help="label files to read per split (default: all)"
    )
    parser.add_argument(
        "--csv", type=Path, metavar="FILE", help="write a config's supervision table here"
    )
    parser.add_argument(
        "--page", type=Path, metavar="FILE", help="write it as a page (.html), the tree unfolding"
    )
    add_force(parser)
    add_quiet(parser, "problems")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    files, overrides = files_and_changes(given.files)
    options = Options(given.scan, given.csv, tuple(overrides), given.force, given.page)
    return 1 if check_files(files, options) else 0


def look(words: Sequence[str]) -> int:
    """Show labels on the tree, or training samples, on one page.

    Of a mapping, or of all data sets of a config with --labels: pictures of each class, the rarest
    first, with a slider from coarse to fine. Of a config otherwise: the first samples of the run,
    cropped and resized, with --augment as the network gets them.
    """
    parser = command_parser(look)
    parser.add_argument("file", metavar="CONFIG_OR_MAPPING")
    parser.add_argument("--labels", action="store_true", help="the labels of a config's data sets")
    parser.add_argument("--augment", action="store_true", help="change samples as the config says")
    parser.add_argument("--split", metavar="NAME", help="of a mapping (default: its first)")
    parser.add_argument("--tree", type=Path, metavar="FILE", help="that a mapping is shown on")
    parser.add_argument(
        "--number",
        type=count,
        metavar="N",
        help="1 to 100 samples (default: 12), or pictures of each class (default: 2)",
    )
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("look.html"),
        metavar="FILE",
        help="a page (.html); of samples also a sheet (.png, .jpg) (default: look.html)",
    )
    add_force(parser)
    add_overrides(parser)
    given = parser.parse_intermixed_args(words)
    if given.number is not None and not 1 <= given.number <= 100:
        raise HarmonizeError(f"--number: expected 1 to 100, got {given.number}")
    check_output(given.out, LOOK, force=given.force)
    path = find_file(given.file)
    if not is_config(load_file(path)):
        _look_at_mapping(path, given)
    else:
        _look_at_config(path, given)
    print(printable(f"{given.out} is there; open it to look"))
    return 0


def _look_at_mapping(path: Path, given: argparse.Namespace) -> None:
    if given.augment or given.labels:
        option = "--augment" if given.augment else "--labels"
        raise HarmonizeError(f"{option}: is about a config; leave it out for a mapping")
    from harmonize.labels.dataset_spec import DatasetSpec  # slow to import
    from harmonize.tools.look.labels_page import look_at_labels
    from harmonize.tools.look.mapping_tree import tree_of

    _, roots = files_and_roots(given.overrides)
    spec = DatasetSpec.from_file(path)
    look_at_labels(
        [(spec, given.split or next(iter(spec.splits)))],
        tree_of(spec, path, given.tree),
        given.out,
        roots=roots,
        number=given.number or 2,
        title=spec.name,
    )


def _look_at_config(path: Path, given: argparse.Namespace) -> None:
    if given.split or given.tree:
        option = "--split" if given.split else "--tree"
        raise HarmonizeError(f"{option}: is about a mapping; a config names its own")
    if given.labels and given.augment:
        raise HarmonizeError("--augment: changes samples and not labels; leave out --labels")
    config = RunConfig.from_file(path, given.overrides)
    if not given.labels:
        from harmonize.tools.look.look_page import look as write_look  # slow to import

        number = given.number or 12
        write_look(config, number, given.out, name=path.stem, augmented=given.augment)
        return
    from harmonize.labels.sources import load_sources
    from harmonize.tools.look.labels_page import look_at_labels

    sources = load_sources(config)
    trained = [(entry, spec) for entry, spec in sources.trained if entry.train and spec.has_labels]
    look_at_labels(
        [(spec, entry.train) for entry, spec in trained if entry.train],
        sources.ontology,
        given.out,
        roots=config.data.roots,
        number=given.number or 2,
        title=path.stem,
    )


def new(words: Sequence[str]) -> int:
    """Draft a mapping from a folder or an archive of pictures and labels."""
    parser = command_parser(new)
    parser.add_argument(
        "folder", metavar="DATASET_DIR", help="or an archive, an address, or Parquet files"
    )
    parser.add_argument("--tree", type=Path, metavar="FILE", help="whose nodes the classes mean")
    parser.add_argument(
        "--run", type=Path, metavar="RUN_DIR", help="a trained network that tells what classes mean"
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the mapping (default: NAME.yaml)"
    )
    parser.add_argument("--name", help="of the data set (default: the folder's)")
    parser.add_argument("--labels", type=Path, metavar="FOLDER", help="where the labels lie")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="where the pictures lie")
    parser.add_argument("--force", action="store_true", help="replace the mapping")
    parser.add_argument(
        "--scan", type=count, default=200, metavar="N", help="label files to read (default: 200)"
    )
    add_trust(parser)
    add_quiet(parser, "what is to be mended")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    from harmonize.tools.draft.new_mapping import new_mapping  # slow to import
    from harmonize.tools.draft.set_place import find_set

    new_mapping(
        find_set(given.folder),
        tree=given.tree,
        run=given.run,
        output=given.output,
        name=given.name,
        scan=given.scan,
        trust_code=given.trust_code,
        labels=given.labels,
        images=given.images,
        force=given.force,
    )
    return 0


def transfer(words: Sequence[str]) -> int:
    """Show which data set's classes a network trained on another can answer."""
    parser = command_parser(transfer)
    parser.add_argument("config", metavar="CONFIG")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="write a page (.html)")
    add_force(parser)
    given = parser.parse_intermixed_args(words)
    path = find_file(given.config)
    if given.out is None:
        from harmonize.tools.transfer import print_transfer  # slow to import

        print_transfer(config_of(path))
    else:
        from harmonize.tools.pages.transfer_page import transfer_page  # slow to import

        transfer_page(config_of(path), given.out, name=path.stem, force=given.force)
        print(printable(f"{given.out} is there; open it in a browser"))
    return 0


def config_of(path: Path) -> RunConfig:
    """Read a config; a mapping is refused in one line."""
    document = load_file(path)
    if document.get(("classes",)) is not None and not is_config(document):
        raise HarmonizeError(f"{path}: is a mapping; name a config, which lists mappings")
    return RunConfig.from_file(path)


def schema(words: Sequence[str]) -> int:
    """Print the JSON Schema of configs, mappings or evaluation.json, to check their keys."""
    parser = command_parser(schema)
    parser.add_argument("kind", choices=SCHEMAS, metavar="config|mapping|evaluation")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it here instead")
    add_force(parser)
    given = parser.parse_intermixed_args(words)
    title = f"{'An' if given.kind == 'evaluation' else 'A'} {given.kind} of harmonize"
    if given.output is not None:
        check_output(given.output, title, force=given.force)
    from harmonize.config.json_schema import json_schema  # slow to import, as are all below
    from harmonize.evaluation.saved_scores import Evaluation
    from harmonize.labels.mapping import Mapping

    described = dict(zip(SCHEMAS, (RunConfig, Mapping, Evaluation), strict=True))[given.kind]
    text = json.dumps(json_schema(described, title), indent=2, ensure_ascii=False)
    if given.output is None:
        print(text)
    else:
        with writing(given.output):
            write_whole(given.output, f"{text}\n".encode())
        print(printable(f"{given.output} is there"))
    return 0


def demo_data(words: Sequence[str]) -> int:
    """Write two small synthetic face sets."""
    parser = command_parser(demo_data)
    parser.add_argument("folder", type=Path, metavar="DIR")
    folder = parser.parse_intermixed_args(words).folder
    from harmonize.demo.demo_data import write_demo_data  # the drawing library is slow to import

    write_demo_data(folder)
    print(printable(f"{folder / 'helen'} and {folder / 'lfw_parts'} are there"))
    return 0
