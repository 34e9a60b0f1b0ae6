"""The ``harmonize`` command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harmonize.config.run_config import RunConfig, find_file
from harmonize.config.strict_yaml import load_file
from harmonize.errors import HarmonizeError, printable, raise_all
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import load_sources
from harmonize.system.processes import mistakes_shown
from harmonize.tools.check.check_command import check
from harmonize.tools.check.one_file import Options, is_config, is_yaml
from harmonize.tools.transfer import print_transfer

_DIGITS = 9
"""Of a whole number."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands and return the exit status."""
    parser = argparse.ArgumentParser(prog="harmonize", description="Data sets on one tree.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_check(commands)
    _add_new(commands)
    tree = commands.add_parser("tree", help="draw a tree, or a config's tree with its data sets")
    tree.add_argument("file", metavar="FILE")
    tree.set_defaults(run_command=lambda given: _tree(given.file))
    transfer = commands.add_parser(
        "transfer", help="which data set's classes a network trained on another can answer"
    )
    transfer.add_argument("config", metavar="CONFIG")
    transfer.set_defaults(run_command=lambda given: _transfer(given.config))
    _add_predict(commands)
    _add_calibrate(commands)
    _add_report(commands)
    demo = commands.add_parser("demo-data", help="write two small synthetic face sets")
    demo.add_argument("folder", type=Path, metavar="DIR")
    demo.set_defaults(run_command=lambda given: _demo_data(given.folder))

    given, more = parser.parse_known_args(arguments)
    if "files" in given and not any(word.startswith("-") for word in more):
        given.files += more  # argparse takes no second run of files after an option
    elif more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    with mistakes_shown():
        return given.run_command(given)


def _add_check(commands: Any) -> None:
    check = commands.add_parser("check", help="check trees, mappings and configs")
    check.add_argument("files", nargs="+", metavar="FILE", help="or key.path=value for configs")
    check.add_argument(
        "--scan", type=_count, metavar="N", help="label files to read per split (default: all)"
    )
    check.add_argument(
        "--csv", type=Path, metavar="FILE", help="write a config's supervision table here"
    )
    check.set_defaults(run_command=_check)


def _add_new(commands: Any) -> None:
    new = commands.add_parser("new", help="draft a mapping from a folder of pictures and labels")
    new.add_argument("folder", type=Path, metavar="DATASET_DIR")
    new.add_argument("--tree", type=Path, metavar="FILE", help="whose nodes the classes mean")
    new.add_argument(
        "--run", type=Path, metavar="RUN_DIR", help="a trained network that tells what classes mean"
    )
    new.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the mapping (default: NAME.yaml)"
    )
    new.add_argument("--name", help="of the data set (default: the folder's)")
    new.add_argument(
        "--scan", type=_count, default=200, metavar="N", help="label files to read (default: 200)"
    )
    new.set_defaults(run_command=_new)


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser("predict", help="answer pictures with a trained network")
    predict.add_argument("run", type=Path, metavar="RUN_DIR")
    predict.add_argument("files", nargs="+", metavar="IMAGES", help="files, folders or 'patterns'")
    predict.add_argument("-o", "--output", type=Path, metavar="DIR", required=True)
    words = predict.add_mutually_exclusive_group()
    words.add_argument("--depth", type=_count, metavar="N", help="answer the groups at this depth")
    words.add_argument(
        "--as", dest="dataset", metavar="NAME_OR_YAML", help="answer this data set's own classes"
    )
    words.add_argument(
        "--confidence", type=float, metavar="P", help="answer the deepest node as probable as this"
    )
    calibration = predict.add_mutually_exclusive_group()
    calibration.add_argument(
        "--like", metavar="NAME", help="trust probabilities as far as for pictures of this data set"
    )
    calibration.add_argument(
        "--uncalibrated", action="store_true", help="take the network's own probabilities"
    )
    predict.add_argument(
        "--size",
        type=_size,
        metavar="N",
        help="shorter side to look at, or full (default: the run's)",
    )
    predict.add_argument(
        "--tile", type=_count, default=768, metavar="N", help="side of a tile (default: 768)"
    )
    predict.add_argument(
        "--checkpoint", "--which", choices=["best", "last"], default="last", help="(default: last)"
    )
    predict.add_argument("--precision", choices=["auto", "float32", "bf16", "fp16"])
    predict.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    predict.add_argument("--no-overlay", action="store_true", help="write no drawings")
    predict.add_argument(
        "--as-stored", action="store_true", help="leave photographs turned as their files are"
    )
    predict.set_defaults(run_command=_predict)


def _add_calibrate(commands: Any) -> None:
    calibrate = commands.add_parser(
        "calibrate", help="make a network's probabilities hold, for predict --confidence"
    )
    calibrate.add_argument("run", type=Path, metavar="RUN_DIR")
    calibrate.add_argument("files", nargs="*", metavar="key.path=value", help="of the run's config")
    calibrate.add_argument(
        "--dataset",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME_OR_YAML",
        help="data sets of the run by name, or any mappings (default: all that it scores)",
    )
    calibrate.add_argument("--split", metavar="NAME", help="(default: the config's, else val)")
    calibrate.add_argument(
        "--check", metavar="NAME", help="split to check on (default: the half not fitted on)"
    )
    calibrate.add_argument(
        "--checkpoint", "--which", choices=["best", "last"], default="last", help="(default: last)"
    )
    calibrate.set_defaults(run_command=_calibrate)


def _add_report(commands: Any) -> None:
    report = commands.add_parser("report", help="show what runs learned, on one page")
    report.add_argument("files", nargs="+", metavar="RUN_DIR", help="or data.roots.NAME=FOLDER")
    report.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="the page (default: RUN_DIR/report.html)"
    )
    report.set_defaults(run_command=_report)


def _count(text: str) -> int:
    """Parse a whole number of at least 0."""
    if not text.isdecimal() or len(text) > _DIGITS:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text[:20]!r}")
    return int(text)


def _check(given: argparse.Namespace) -> int:
    files = [word for word in given.files if "=" not in word or Path(word).exists()]
    options = Options(
        scan=given.scan,
        csv=given.csv,
        overrides=tuple(word for word in given.files if word not in files),
        progress=sys.stderr.isatty(),
    )
    return 1 if check(files, options) else 0


def _new(given: argparse.Namespace) -> int:
    from harmonize.tools.draft.new_mapping import new_mapping  # needed by this command alone

    new_mapping(
        given.folder,
        tree=given.tree,
        run=given.run,
        output=given.output,
        name=given.name,
        scan=given.scan,
    )
    return 0


def _size(text: str) -> int | str:
    """Parse a number of pixels above 0, or ``full``."""
    if text != "full" and (not text.isdecimal() or not 0 < int(text) <= 65536):
        raise argparse.ArgumentTypeError(f"expected 1 to 65536 or full, got {text!r}")
    return text if text == "full" else int(text)


def _files_and_roots(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Part ``data.roots.NAME=FOLDER`` from files.

    Raises:
        HarmonizeError: a root without a folder, or a change of another key.
    """
    files = [word for word in words if "=" not in word or Path(word).exists()]
    roots: dict[str, str] = {}
    problems: list[str] = []
    for word in words:
        if word in files:
            continue
        key, _, folder = word.partition("=")
        if not key.startswith("data.roots.") or not folder:
            problems.append(f"{word}: only data.roots.NAME=FOLDER can be said here")
        roots[key.removeprefix("data.roots.")] = folder
    raise_all(problems)
    return files, roots


def _predict(given: argparse.Namespace) -> int:
    from harmonize.inference.options import PredictOptions  # slow to import
    from harmonize.inference.predict import predict_run
    from harmonize.inference.write_answers import Output

    pictures, roots = _files_and_roots(given.files)
    options = PredictOptions(
        depth=given.depth,
        dataset=given.dataset,
        confidence=given.confidence,
        like=given.like,
        calibrated=not given.uncalibrated,
        size=given.size,
        tile=given.tile,
        checkpoint=given.checkpoint,
        precision=given.precision,
        cpu=given.cpu,
        turn=not given.as_stored,
        roots=roots,
    )
    return predict_run(given.run, pictures, Output(given.output, not given.no_overlay), options)


def _calibrate(given: argparse.Namespace) -> int:
    from harmonize.pipeline.calibrate_run import calibrate_run  # slow to import

    calibrate_run(
        given.run,
        datasets=[word for word in given.dataset if "=" not in word],
        split=given.split,
        check=given.check,
        which=given.checkpoint,
        overrides=[*given.files, *(word for word in given.dataset if "=" in word)],
    )
    return 0


def _report(given: argparse.Namespace) -> int:
    from harmonize.report.make_report import make_report  # slow to import

    runs, roots = _files_and_roots(given.files)
    if not runs:
        raise HarmonizeError("no run is named; name a run folder")
    page = make_report([Path(run) for run in runs], given.output, roots=roots)
    print(printable(f"{page} is there; open it in a browser"))
    return 0


def _tree(name: str) -> int:
    path = find_file(name)
    if is_yaml(path):
        sources = load_sources(_config(path))
        ontology, notes = sources.ontology, _labelled_by(sources.ontology, sources.specs)
    else:
        ontology, notes = Ontology.from_file(path), {}
    print(ontology.draw(notes))
    if any("+" in note for note in notes.values()):
        print("\n+ the class means other nodes too")
    for depth in range(1, ontology.depth + 1):
        groups = ontology.groups(depth)
        print(f"\ndepth {depth}: {len(groups)} groups")
        for group in groups:
            mask = ontology.leaf_mask(group)
            inside = f" = {', '.join(group)}" if len(group) > 1 else ""
            print(f"  {' + '.join(ontology.describe(mask))}{inside}")
    return 0


def _labelled_by(ontology: Ontology, specs: Sequence[DatasetSpec]) -> dict[str, str]:
    """Note at each node the classes that mean it, with a + where they mean other nodes too."""
    notes: dict[str, list[str]] = {}
    for spec in specs:
        for class_name, mask in zip(spec.classes, spec.leaf_masks(ontology), strict=True):
            nodes = ontology.describe(mask)
            for node in nodes:
                more = "+" if len(nodes) > 1 else ""
                notes.setdefault(node, []).append(f"{spec.name}:{class_name}{more}")
    return {node: "  ".join(labels) for node, labels in notes.items()}


def _transfer(name: str) -> int:
    print_transfer(_config(find_file(name)))
    return 0


def _config(path: Path) -> RunConfig:
    """Read a config; a mapping is refused in one line."""
    document = load_file(path)
    if document.get(("classes",)) is not None and not is_config(document):
        raise HarmonizeError(f"{path}: is a mapping; name a config, which lists mappings")
    return RunConfig.from_document(document)


def _demo_data(folder: Path) -> int:
    from harmonize.demo.demo_data import write_demo_data  # the drawing library is slow to import

    write_demo_data(folder)
    print(f"{folder / 'helen'} and {folder / 'lfw_parts'} are there")
    return 0
