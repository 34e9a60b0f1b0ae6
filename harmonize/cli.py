"""The ``harmonize`` command."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from harmonize.commands import mistakes_shown
from harmonize.config import RunConfig, find_file
from harmonize.errors import HarmonizeError, raise_all
from harmonize.ontology import Ontology
from harmonize.sources import load_sources
from harmonize.spec import DatasetSpec
from harmonize.strict_yaml import load_file
from harmonize.training.trainer import check_run


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the commands and return the exit status."""
    parser = argparse.ArgumentParser(prog="harmonize", description="Data sets on one tree.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    check = commands.add_parser("check", help="check trees, mappings and configs")
    check.add_argument("files", nargs="+", metavar="FILE")
    check.set_defaults(run=lambda given: _check(given.files))

    tree = commands.add_parser("tree", help="draw a tree, or a config's tree with its data sets")
    tree.add_argument("file", metavar="FILE")
    tree.set_defaults(run=lambda given: _tree(given.file))

    demo = commands.add_parser("demo-data", help="write two small synthetic face sets")
    demo.add_argument("folder", type=Path, metavar="DIR")
    demo.set_defaults(run=lambda given: _demo_data(given.folder))

    given = parser.parse_args(arguments)
    with mistakes_shown():
        return given.run(given)


def _check(files: Sequence[str]) -> int:
    """Load every file and print all problems; return 1 if there is any."""
    found = 0
    trees = {Path(name).stem: find_file(name) for name in files if not _is_yaml(Path(name))}
    for name in files:
        try:
            print(f"{name}: {_check_file(find_file(name), trees)}")
        except HarmonizeError as error:
            found += len(error.problems)
            print("\n".join(error.problems))
    if found:
        print(f"{found} problem{'s' if found > 1 else ''}")
    return 1 if found else 0


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def _check_file(path: Path, trees: dict[str, Path]) -> str:
    """Load a tree (text), mapping or config (YAML) with all that it names; say what it is."""
    if not _is_yaml(path):
        tree = Ontology.from_file(path)
        return f"a tree of {len(tree.leaves)} leaves and {tree.depth} depths"
    document = load_file(path)
    keys: set[str] = set(document.value) if isinstance(document.value, dict) else set()
    if "ontology" in keys or "datasets" in keys:
        sources = check_run(RunConfig.from_file(path))
        names = ", ".join(spec.name for spec in sources.specs)
        return f"a config of {names} on the tree {sources.ontology.name}"
    return _check_mapping(DatasetSpec.from_file(path), path, trees)


def _check_mapping(spec: DatasetSpec, path: Path, trees: dict[str, Path]) -> str:
    """Hold a mapping against its trees: those named beside it, in its folder, or in trees/."""
    problems: list[str] = []
    for name in spec.meaning:
        places = [trees.get(name), path.parent / f"{name}.txt", find_file(f"trees/{name}.txt")]
        tree = next((place for place in places if place is not None and place.is_file()), None)
        if tree is None:
            where = spec.document.where(("meaning", name))
            problems.append(f"{where}: there is no tree trees/{name}.txt; name its file as well")
            continue
        try:
            spec.leaf_masks(Ontology.from_file(tree))
        except HarmonizeError as error:
            problems += error.problems
    raise_all(problems)
    return f"a mapping of {len(spec.classes)} classes to {', '.join(spec.meaning)}"


def _tree(name: str) -> int:
    path = find_file(name)
    if _is_yaml(path):
        sources = load_sources(RunConfig.from_file(path))
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


def _demo_data(folder: Path) -> int:
    from harmonize.data.demo import write_demo_data  # the drawing library is slow to import

    write_demo_data(folder)
    print(f"{folder / 'helen'} and {folder / 'lfw_parts'} are there")
    return 0
