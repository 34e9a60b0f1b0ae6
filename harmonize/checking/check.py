"""``harmonize check``: load trees, mappings and configs, look into the label files, tell it all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from harmonize.accept import CONFIG_FINDINGS, Accepted
from harmonize.checking.files import check_files
from harmonize.checking.lint import STATIC, config_findings, mapping_findings, tree_findings
from harmonize.checking.scan import SplitScan
from harmonize.checking.supervision import Source, Supervision
from harmonize.config import DatasetEntry, RunConfig, find_file
from harmonize.errors import HarmonizeError
from harmonize.ontology import Ontology
from harmonize.spec import DatasetSpec
from harmonize.strict_yaml import Document, load_file
from harmonize.training.trainer import check_run

T = TypeVar("T")


@dataclass(frozen=True)
class Options:
    """How thoroughly to check.

    Attributes:
        scan: label files to read per split; all if None, none if 0.
        csv: where to write the supervision table.
        overrides: of configs, such as ``data.roots.NAME=FOLDER``.
        progress: show progress bars.
    """

    scan: int | None = None
    csv: Path | None = None
    overrides: tuple[str, ...] = ()
    progress: bool = False


@dataclass
class Report:
    """What a check says about one file.

    Attributes:
        summary: what the file is.
        problems: one line each.
        notes: what could not be looked at.
        tables: supervision tables.
    """

    summary: str = ""
    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    tables: list[Supervision] = field(default_factory=list[Supervision])


def check(names: Sequence[str], options: Options) -> int:
    """Check every file, print all that is found, and return the number of problems."""
    trees = {Path(name).stem: find_file(name) for name in names if not _is_yaml(Path(name))}
    number = 0
    tables: list[Supervision] = []
    for name in names:
        report = Report()
        try:
            _Check(find_file(name), trees, options, report).run()
        except HarmonizeError as error:
            report.problems += error.problems
        for table in report.tables:
            print(f"{table.table()}\n")
        lines = report.problems or [f"{name}: {report.summary}"]
        print("\n".join([*lines, *(f"  note: {note}" for note in report.notes)]), flush=True)
        number += len(report.problems)
        tables += report.tables
    if options.csv is not None:
        _write_csv(tables, options.csv)
    if number:
        print(f"{number} problem{'s' if number > 1 else ''}")
    return number


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


class _Check:
    """The check of one file; fills in its report."""

    def __init__(
        self, path: Path, trees: dict[str, Path], options: Options, report: Report
    ) -> None:
        self._path = path
        self._trees = trees
        self._options = options
        self._report = report

    def run(self) -> None:
        """Check a tree (text), mapping or config (YAML) and all that it names."""
        if not _is_yaml(self._path):
            return self._tree()
        document = load_file(self._path)
        keys: set[str] = set(document.value) if isinstance(document.value, dict) else set()
        return self._config(document) if keys & {"ontology", "datasets"} else self._mapping()

    def _tree(self) -> None:
        tree = Ontology.from_file(self._path)
        self._report.summary = f"a tree of {len(tree.leaves)} leaves and {tree.depth} depths"
        self._report.problems += map(str, tree_findings(tree))

    def _mapping(self) -> None:
        """Hold a mapping against its trees and its files."""
        spec = DatasetSpec.from_file(self._path)
        accepted = Accepted(spec.accept, spec.document)
        served: list[Ontology] = []
        for name in spec.meaning:
            try:
                tree = Ontology.from_file(self._tree_file(spec, name))
                self._report.problems += map(str, mapping_findings(spec, tree, accepted))
                served.append(tree)
            except HarmonizeError as error:
                self._report.problems += error.problems
        if len(served) == len(spec.meaning):
            self._report.problems += accepted.unused(STATIC)
        scans = self._scan(spec, tuple(spec.splits), served, self._roots(), accepted)
        classes, trees = len(spec.classes), ", ".join(spec.meaning)
        self._report.summary = f"a mapping of {classes} classes to {trees}{_read(scans.values())}"

    def _tree_file(self, spec: DatasetSpec, name: str) -> Path:
        """Find a mapping's tree: named beside the mapping, in its folder, or in trees/."""
        beside, shipped = self._path.parent / f"{name}.txt", find_file(f"trees/{name}.txt")
        for place in (self._trees.get(name), beside, shipped):
            if place is not None and place.is_file():
                return place
        where = spec.document.where(("meaning", name))
        raise HarmonizeError(f"{where}: there is no tree trees/{name}.txt; name its file as well")

    def _config(self, document: Document) -> None:
        """Check all that a config names, and count what its data sets teach."""
        config = RunConfig.from_file(self._path, self._options.overrides)
        try:
            check_run(config)
        except HarmonizeError as error:
            self._report.problems += error.problems
        is_right = not self._report.problems
        tree = self._right(Ontology.from_file, find_file(config.ontology))
        self._report.problems += map(str, tree_findings(tree) if tree else [])
        sets: list[_Set] = []
        for entry in (*config.datasets, *config.evaluate_also):
            spec = self._right(DatasetSpec.from_file, find_file(entry.spec), entry.override)
            if spec is not None:
                sets.append(self._dataset(entry, spec, tree, config.data.roots))
        trained = [one for one in sets if one.entry.train]
        if tree and is_right:
            accepted = Accepted(config.accept, document)
            specs = [one.spec for one in trained]
            self._report.problems += map(str, config_findings(tree, specs, accepted, document))
            self._report.problems += accepted.unused(CONFIG_FINDINGS)
            taught = [source for one in trained if (source := one.source()) is not None]
            self._report.tables += [Supervision(tree, taught)] if taught else []
        names = ", ".join(one.spec.name for one in sets)
        read = _read(scan for one in sets for scan in one.scans.values())
        self._report.summary = f"a config of {names} on the tree {config.ontology}{read}"

    def _dataset(
        self, entry: DatasetEntry, spec: DatasetSpec, tree: Ontology | None, roots: dict[str, str]
    ) -> "_Set":
        """Check one data set of a config, as far as its mapping and its tree can be read."""
        accepted = Accepted(spec.accept, spec.document)
        trees = [tree] if tree and self._right(spec.leaf_masks, tree) is not None else []
        for served in trees:
            self._report.problems += map(str, mapping_findings(spec, served, accepted))
        splits = dict.fromkeys(name for name in (entry.train, entry.evaluate) if name)
        known = [name for name in splits if name in spec.splits]
        return _Set(entry, spec, self._scan(spec, known, trees, roots, accepted))

    @staticmethod
    def _right(make: Callable[..., T], *arguments: object) -> T | None:
        """Return what is made, or None if it has mistakes; these were told already."""
        try:
            return make(*arguments)
        except HarmonizeError:
            return None

    def _scan(
        self,
        spec: DatasetSpec,
        splits: Sequence[str],
        trees: Sequence[Ontology],
        roots: dict[str, str],
        accepted: Accepted,
    ) -> dict[str, SplitScan]:
        """Look into the files of some splits of a data set, if it is there."""
        number = self._options.scan
        if number == 0:
            return {}
        try:
            root = spec.folder(roots)
        except HarmonizeError as error:
            told = self._report.notes if number is None else self._report.problems
            told += error.problems
            return {}
        scans, problems = check_files(
            spec, splits, trees, root, accepted, number=number, progress=self._options.progress
        )
        self._report.problems += problems
        return scans

    def _roots(self) -> dict[str, str]:
        """Return the folders of data sets that the command line names."""
        document = Document("command line", {})
        for assignment in self._options.overrides:
            document.override(assignment)
        roots = document.get(("data", "roots"))
        named = roots if isinstance(roots, dict) else {}
        return {name: str(folder) for name, folder in named.items()}


@dataclass(frozen=True)
class _Set:
    """A data set of a config and what its files hold, by split."""

    entry: DatasetEntry
    spec: DatasetSpec
    scans: dict[str, SplitScan]

    def source(self) -> Source | None:
        """Return what the trained split teaches, if its files were read."""
        scan = self.scans.get(self.entry.train or "")
        if scan is None:
            return None
        return Source(self.spec, self.entry.train or "", scan.pixels, scan.files, scan.read)


def _read(scans: Iterable[SplitScan]) -> str:
    """Say how many label files were read."""
    read = sum(scan.read for scan in scans)
    return f"; {read} label file{'s' if read > 1 else ''} read" if read else ""


def _write_csv(tables: Sequence[Supervision], path: Path) -> None:
    if not tables:
        raise HarmonizeError(
            f"--csv {path}: there is nothing to write; it needs a config whose data is there"
        )
    if len(tables) > 1:
        raise HarmonizeError(f"--csv {path}: takes one config at a time, got {len(tables)}")
    try:
        path.write_text(tables[0].csv(), encoding="utf-8")
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be written: {error.strerror}") from None
