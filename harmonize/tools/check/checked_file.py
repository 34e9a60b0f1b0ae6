"""What the check of a file is asked for and what it finds; the check of a tree."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harmonize.config.strict_yaml import Document
from harmonize.labels.ontology import Ontology
from harmonize.labels.tree_lint import tree_findings
from harmonize.plurals import counted

if TYPE_CHECKING:
    from harmonize.tools.check.supervision import Supervision  # slow to import


@dataclass(frozen=True)
class Options:
    """How thoroughly to check.

    Attributes:
        scan: label files to read per split; all if None, none if 0.
        csv: where to write the supervision table.
        overrides: of configs, such as ``data.roots.NAME=FOLDER``.
        force: replace the table's file, even if it is not one.
        page: where to write the supervision table as a page.
    """

    scan: int | None = None
    csv: Path | None = None
    overrides: tuple[str, ...] = ()
    force: bool = False
    page: Path | None = None


@dataclass
class Report:
    """What a check says about one file.

    Attributes:
        summary: what the file is.
        problems: one line each.
        notes: what could not be looked at, and what classes are answered as.
        tables: supervision tables.
    """

    summary: str = ""
    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    tables: "list[Supervision]" = field(default_factory=list["Supervision"])

    def tell(self, *problems: object) -> None:
        """Add the problems that are not there yet."""
        new = dict.fromkeys(map(str, problems))
        self.problems += [problem for problem in new if problem not in self.problems]


def is_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def is_config(document: Document) -> bool:
    keys: set[str] = set(document.value) if isinstance(document.value, dict) else set()
    return bool(keys & {"ontology", "datasets"})


def check_tree(path: Path, report: Report) -> None:
    """Check a tree, and fill in its report."""
    tree = Ontology.from_file(path)
    leaves, depths = counted(len(tree.leaves), "leaf", "leaves"), counted(tree.depth, "depth")
    report.summary = f"a tree of {leaves} and {depths}"
    report.tell(*tree_findings(tree))
