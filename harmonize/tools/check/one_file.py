"""The check of a mapping or a config, and of all that it names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from harmonize.config.accept import CONFIG_FINDINGS, Accepted
from harmonize.config.data_config import DatasetEntry
from harmonize.config.named_files import find_beside_config, find_file, missing_files
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document, Value, load_file
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.mapping_lint import (
    STATIC,
    answer_notes,
    config_findings,
    mapping_findings,
    one_answer,
)
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import as_taught, serves
from harmonize.labels.tree_file import find_tree, not_found
from harmonize.labels.tree_lint import tree_findings
from harmonize.plurals import counted
from harmonize.tools.check.absent_pictures import absent_pictures
from harmonize.tools.check.checked_file import Options, Report, is_config
from harmonize.tools.check.scan import SplitScan
from harmonize.tools.check.split_files import check_files
from harmonize.tools.check.supervision import Source, Supervision

T = TypeVar("T")


class FileCheck:
    """The check of one file; fills in its report."""

    def __init__(
        self, path: Path, trees: dict[str, Path], options: Options, report: Report
    ) -> None:
        self._path = path
        self._trees = trees
        self._options = options
        self._report = report

    def run(self) -> None:
        """Check a mapping or a config and all that it names."""
        document = load_file(self._path)
        return self._config(document) if is_config(document) else self._mapping()

    def _mapping(self) -> None:
        """Hold a mapping against its trees and its files."""
        spec = DatasetSpec.from_file(self._path)
        accepted = Accepted(spec.accept, spec.document)
        served: list[Ontology] = []
        if spec.has_labels and not spec.meaning:
            where = spec.document.where(("meaning",))
            self._report.tell(f"{where}: says what the classes mean on no tree; add one")
        for name in spec.meaning:
            try:
                tree = Ontology.from_file(self._tree_file(spec, name))
                self._report.tell(*mapping_findings(spec, tree, accepted))
                self._report.tell(*one_answer(spec, tree, accepted))
                self._report.notes += answer_notes(spec, tree, [spec])
                if not spec.leaf_masks(tree).any():
                    where = spec.document.where(("meaning", name))
                    self._report.tell(f"{where}: ignores every class, so there is nothing to learn")
                served.append(tree)
            except HarmonizeError as error:
                self._report.tell(*error.problems)
        if len(served) == len(spec.meaning):
            self._report.tell(*accepted.unused(STATIC))
        scans = self._scan(spec, tuple(spec.splits), served, self._roots(), accepted)
        classes, trees = len(spec.classes), ", ".join(spec.meaning)
        what = (
            f"of {counted(classes, 'class', 'classes')} to {trees}"
            if spec.has_labels
            else "of pictures without labels"
        )
        self._report.summary = f"a mapping {what}{_read([(spec, scans)])}"

    def _tree_file(self, spec: DatasetSpec, name: str) -> Path:
        """Find a mapping's tree: named on the command line too, or by its name alone."""
        named = self._trees.get(name)
        if named is not None and named.is_file():
            return named
        found = find_tree(name, self._path)
        if found is None:
            where = spec.document.where(("meaning", name))
            raise HarmonizeError(f"{where}: {not_found(name)}")
        return found

    def _config(self, document: Document) -> None:
        """Check all that a config names, and count what its data sets teach."""
        find_beside_config(document, self._path)
        config = self._run_config(document)
        missing = missing_files(document)
        about_keys, self._report = self._report, Report()
        paths = config.ontologies or (config.ontology,)
        found = [find_file(path) for path in paths]
        read = [self._right(Ontology.from_file, path) for path in found if path.exists()]
        trees = [tree for tree in read if tree is not None]
        self._report.tell(*(found for tree in trees for found in tree_findings(tree)))
        sets = self._sets(config, trees)  # before torch is loaded: that makes processes heavier
        about_files, self._report = self._report, about_keys
        self._report.tell(*missing)
        if not missing:
            from harmonize.pipeline.preflight import check_run  # slow to import

            self._right(check_run, config)
        is_right = not self._report.problems
        self._report.tell(*about_files.problems)
        self._report.notes += about_files.notes
        if len(trees) == len(paths) and is_right:
            accepted = Accepted(config.accept, document)
            for tree in trees:
                own = [one for one in sets if len(trees) == 1 or serves(one.spec, tree)]
                self._taught(tree, own, accepted, document)
            self._report.tell(*accepted.unused(CONFIG_FINDINGS))
        names = ", ".join(one.spec.name for one in sets)
        read = _read([(one.spec, one.scans) for one in sets])
        kind = "trees" if config.ontologies else "tree"
        self._report.summary = f"a config of {names} on the {kind} {', '.join(paths)}{read}"

    def _taught(
        self, tree: Ontology, sets: Sequence["_Set"], accepted: Accepted, document: Document
    ) -> None:
        """Say what the data sets of a config teach of a tree, and count it."""
        trained = [one for one in sets if one.entry.train]
        specs = [as_taught(one.entry, one.spec, tree) for one in trained]
        for one in sets:
            self._report.notes += answer_notes(one.spec, tree, specs)
        self._report.tell(*config_findings(tree, specs, accepted, document))
        taught = [source for one in trained if (source := one.source(tree)) is not None]
        self._report.tables += [Supervision(tree, taught)] if taught else []
        self._report.notes += [
            f"{one.spec.name}: trained on a part of its pictures (take {one.entry.take}); all of "
            "them are counted here"
            for one in trained
            if taught and one.entry.take is not None
        ]

    def _run_config(self, document: Document) -> RunConfig:
        """Read a config, or at least what it names, if other keys are wrong."""
        for assignment in self._options.overrides:
            document.override(assignment)
        config = self._right(RunConfig.from_document, document)
        if config is not None:
            return config
        named: dict[str, Value] = {
            key: document.get((key,))
            for key in ("ontology", "ontologies", "datasets", "evaluate_also")
            if document.get((key,)) is not None
        }
        named["data"] = {"roots": document.get(("data", "roots")) or {}}
        return RunConfig.from_document(Document(document.source, named, document.places))

    def _sets(self, config: RunConfig, trees: Sequence[Ontology]) -> list["_Set"]:
        """Check the data sets of a config."""
        sets: list[_Set] = []
        for entry in (*config.datasets, *config.evaluate_also):
            path = find_file(entry.spec)
            if not path.exists():  # told of the config
                continue
            spec = self._right(DatasetSpec.from_file, path, entry.override)
            if spec is not None:
                sets.append(self._dataset(entry, spec, trees, config.data.roots))
        return sets

    def _dataset(
        self,
        entry: DatasetEntry,
        spec: DatasetSpec,
        trees: Sequence[Ontology],
        roots: dict[str, str],
    ) -> "_Set":
        """Check one data set of a config, as far as its mapping and its trees can be read."""
        accepted = Accepted(spec.accept, spec.document)
        about = [tree for tree in trees if len(trees) == 1 or tree.name in spec.meaning]
        served = [tree for tree in about if self._right(spec.leaf_masks, tree) is not None]
        for tree in served:
            self._report.tell(*mapping_findings(spec, tree, accepted))
        splits = dict.fromkeys(name for name in (entry.train, entry.evaluate) if name)
        known = [name for name in splits if self._right(spec.split, name) is not None]
        scans = self._scan(spec, known, served, roots, accepted, held_out=True)
        return _Set(entry, spec, scans)

    def _right(self, make: Callable[..., T], *arguments: object) -> T | None:
        """Return what is made, or tell its mistakes and return None."""
        try:
            return make(*arguments)
        except HarmonizeError as error:
            self._report.tell(*error.problems)
            return None

    def _scan(
        self,
        spec: DatasetSpec,
        splits: Sequence[str],
        trees: Sequence[Ontology],
        roots: dict[str, str],
        accepted: Accepted,
        *,
        held_out: bool = False,
    ) -> dict[str, SplitScan]:
        """Look into the files of some splits of a data set, if it is there."""
        number = self._options.scan
        if number == 0:
            return {}
        try:
            root = spec.folder(roots)
        except HarmonizeError as error:
            if number is None:
                self._report.notes += error.problems
            else:
                self._report.tell(*error.problems)
            return {}
        scans, problems = check_files(
            spec,
            splits,
            trees,
            root,
            accepted,
            number=number,
            held_out=held_out,
        )
        self._report.tell(*problems)
        self._report.notes += absent_pictures(spec, root)
        return scans

    def _roots(self) -> dict[str, str]:
        """Return the folders of data sets that the command line names."""
        document = Document("command line", {})
        for assignment in self._options.overrides:
            document.override(assignment)
        roots = document.get(("data", "roots"))
        named = roots if isinstance(roots, dict) else {}
        for name, folder in named.items():
            if not isinstance(folder, str):
                where = document.where(("data", "roots", name))
                raise HarmonizeError(f"{where}: expected a folder, got {folder!r}")
        return {name: str(folder) for name, folder in named.items()}


@dataclass(frozen=True)
class _Set:
    """A data set of a config and what its files hold, by split."""

    entry: DatasetEntry
    spec: DatasetSpec
    scans: dict[str, SplitScan]

    def source(self, tree: Ontology) -> Source | None:
        """Return what the trained split teaches, if its files were read."""
        scan = self.scans.get(self.entry.train or "")
        if scan is None:
            return None
        spec = as_taught(self.entry, self.spec, tree)
        return Source(spec, self.entry.train or "", scan.pixels, scan.files, scan.read)


def _read(sets: Sequence[tuple[DatasetSpec, Mapping[str, SplitScan]]]) -> str:
    """Say how much was read; what several splits or several data sets have counts once.

    A label of one file for each class is one label.
    """
    per_class = any(spec.encoding.per_class for spec, _ in sets)
    names: dict[str, set[str]] = {}
    for spec, scans in sets:
        kind = ("label" if per_class else "label file") if spec.has_labels else "picture"
        names.setdefault(kind, set()).update(*(scan.names for scan in scans.values()))
    parts = [counted(len(found), kind) for kind, found in names.items() if found]
    return f"; {' and '.join(parts)} read" if parts else ""
