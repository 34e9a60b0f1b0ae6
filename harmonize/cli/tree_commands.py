"""The commands about trees: ``harmonize tree | learn-tree | tree-score | join``."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harmonize.cli.arguments import (
    add_checkpoint,
    add_datasets,
    add_force,
    add_overrides,
    add_trust,
    command_parser,
    count,
    files_and_changes,
    take_overrides,
)
from harmonize.cli.file_commands import config_of
from harmonize.config.run_config import find_file
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.lineage import find_lineage
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import load_sources
from harmonize.plurals import counted
from harmonize.tools.check.checked_file import is_yaml

if TYPE_CHECKING:
    from harmonize.tools.tree_learning.learned_trees import Asked


def tree(words: Sequence[str]) -> int:
    """Draw a tree and its groups at every depth, or a config's tree and who labels what.

    With --since, show what each leaf comes from where a run starts from another tree's network.
    """
    parser = command_parser(tree)
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--since", metavar="TREE_OR_RUN", help="show what has changed since")
    given = parser.parse_intermixed_args(words)
    path = find_file(given.file)
    if given.since is not None:
        print(find_lineage(_tree_of(given.since), _tree_of(str(path))).table())
        return 0
    if is_yaml(path):
        sources = load_sources(config_of(path))
        ontology, notes = sources.ontology, _labelled_by(sources.ontology, sources.specs)
    else:
        ontology, notes = Ontology.from_file(path), {}
    print(ontology.draw(notes))
    if any("+" in note for note in notes.values()):
        print("\n+ the class means other nodes too")
    for depth in range(1, ontology.depth + 1):
        groups = ontology.groups(depth)
        print(f"\ndepth {depth}: {counted(len(groups), 'group')}")
        for group in groups:
            mask = ontology.leaf_mask(group)
            inside = f" = {', '.join(group)}" if len(group) > 1 else ""
            print(f"  {' + '.join(ontology.describe(mask))}{inside}")
    return 0


def _tree_of(name: str) -> Ontology:
    """Read a tree's file, or the tree of a config or of a run folder."""
    path = find_file(name)
    if path.is_dir():
        from harmonize.runs.checkpoints import choose  # slow to import

        return choose(path, "last")[1].sources().ontology
    return load_sources(config_of(path)).ontology if is_yaml(path) else Ontology.from_file(path)


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


def learn_tree(words: Sequence[str]) -> int:
    """Make a tree from what a run's network finds alike.

    Leaves that the network confuses, and that lie alike in its features, come together: average
    linkage, cut at the largest gaps. Only pixels whose label means a single leaf are looked at.
    """
    parser = _about_run(learn_tree)
    parser.add_argument("--depths", type=count, default=3, metavar="N", help="(default: 3)")
    parser.add_argument("--constrain", metavar="TREE", help="a tree whose nodes are all kept")
    parser.add_argument(
        "--words", metavar="TREE", help="a tree whose names new groups get where they fit"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="the tree's file"
    )
    add_force(parser)
    add_overrides(parser)
    given = parser.parse_intermixed_args(words)
    from harmonize.tools.tree_learning.learned_trees import write_learned_tree  # slow to import

    write_learned_tree(
        _asked(given),
        given.output,
        depths=given.depths,
        constrain=given.constrain,
        words=given.words,
        force=given.force,
    )
    return 0


def tree_score(words: Sequence[str]) -> int:
    """Say how well a tree fits what a run's network confuses, beside random trees.

    Mistakes should stay low in the tree: the p-value is the share of random trees of the same shape
    whose mistakes lie as low.
    """
    parser = _about_run(tree_score)
    parser.add_argument("tree", metavar="TREE", help="over the run's leaves")
    add_overrides(parser)
    given = parser.parse_intermixed_args(words)
    from harmonize.tools.tree_learning.learned_trees import print_tree_score  # slow to import

    print_tree_score(_asked(given), given.tree)
    return 0


def join(words: Sequence[str]) -> int:
    """Make one tree for data sets without a common one, by what their networks see.

    Each run's network looks at the pictures of its own set and of all others. Classes are the same,
    one part of the other, overlapping or disjoint if both networks say so; what is not sure is a
    TODO in the mappings that are written, and is shown on a page with pictures to look at.
    """
    parser = command_parser(join)
    parser.add_argument("mappings", nargs="+", metavar="MAPPING", help="two data sets or more")
    parser.add_argument(
        "--runs", nargs="+", required=True, metavar="RUN_DIR", help="one trained on each, in order"
    )
    parser.add_argument("--names", choices=["on", "off"], default="on", help=_NAMES)
    parser.add_argument("--split", metavar="NAME", help="(default: what a run scores, else val)")
    parser.add_argument(
        "--pictures", type=count, default=100, metavar="N", help="of each set (default: 100)"
    )
    add_checkpoint(parser)
    add_trust(parser)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="the folder of the files"
    )
    add_force(parser)
    given = parser.parse_intermixed_args(words)
    from harmonize.tools.joining.gathering import Looking  # slow to import
    from harmonize.tools.joining.join_command import join_sets

    mappings, changes = files_and_changes([*given.mappings, *given.runs])
    runs = [Path(word) for word in given.runs if word in mappings]
    join_sets(
        [word for word in given.mappings if word in mappings],
        runs,
        given.output,
        looking=Looking(
            given.split, given.pictures, given.checkpoint, changes, trust_code=given.trust_code
        ),
        names=given.names == "on",
        force=given.force,
    )
    return 0


_NAMES = "whether equal names decide what the pixels leave open (default: on)"


def _about_run(command: Callable[[Sequence[str]], int]) -> argparse.ArgumentParser:
    parser = command_parser(command)
    parser.add_argument("run", type=Path, metavar="RUN_DIR")
    add_datasets(parser)
    add_checkpoint(parser)
    add_trust(parser)
    return parser


def _asked(given: argparse.Namespace) -> "Asked":
    from harmonize.tools.tree_learning.learned_trees import Asked  # slow to import

    changes = take_overrides(given, "dataset")
    return Asked(
        given.run,
        given.dataset,
        given.split,
        given.checkpoint,
        changes,
        trust_code=given.trust_code,
    )
