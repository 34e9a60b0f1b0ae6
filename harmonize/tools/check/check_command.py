"""``harmonize check``: every file that is named, all that is found, and the supervision table."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harmonize.config.run_config import find_file
from harmonize.config.strict_yaml import load_file
from harmonize.errors import HarmonizeError, printable
from harmonize.plurals import counted
from harmonize.system.own_files import check_output, check_page, write_output
from harmonize.system.progress import tell
from harmonize.tools.check.checked_file import Options, Report, check_tree, is_config, is_yaml

if TYPE_CHECKING:
    from harmonize.tools.check.supervision import Supervision  # slow to import


def check(names: Sequence[str], options: Options) -> int:
    """Check every file, print all that is found, and return the number of problems.

    Raises:
        HarmonizeError: the supervision table cannot be written.
    """
    _check_outputs(options)
    _refuse_idle(names, options.overrides)
    trees = {Path(name).stem: find_file(name) for name in names if not is_yaml(Path(name))}
    number = 0
    tables: list[Supervision] = []
    for name in names:
        report = Report()
        try:
            _check_file(find_file(name), trees, options, report)
        except HarmonizeError as error:
            report.tell(*error.problems)
        for table in report.tables:
            tell(f"{table.table()}\n")
        for problem in report.problems:
            print(printable(problem), flush=True)
        if not report.problems:
            tell(printable(f"{name}: {report.summary}"))
        for note in dict.fromkeys(report.notes):
            tell(printable(f"  note: {note}"))
        number += len(report.problems)
        tables += report.tables
    if number:
        print(counted(number, "problem"), flush=True)
    if options.csv is not None:
        path = options.csv
        write_output(path, _only(tables, f"--csv {path}").csv())
    if options.page is not None:
        from harmonize.tools.pages.supervision_page import supervision_page  # slow to import

        path = options.page
        write_output(path, supervision_page(_only(tables, f"--page {path}")))
    return number


def _check_outputs(options: Options) -> None:
    """Make sure that what is to be written takes no other file's place."""
    if options.csv is None and options.page is None:
        return
    from harmonize.tools.check.supervision import CHECK, COLUMNS  # slow to import

    if options.csv is not None:
        check_output(options.csv, ",".join(COLUMNS), option="--csv", force=options.force)
    if options.page is not None:
        check_page(options.page, CHECK, option="--page", force=options.force)


def _check_file(path: Path, trees: dict[str, Path], options: Options, report: Report) -> None:
    """Check a tree (text), or a mapping or config (YAML) and all that it names."""
    if not is_yaml(path):
        return check_tree(path, report)
    from harmonize.tools.check.one_file import FileCheck  # slow to import

    return FileCheck(path, trees, options, report).run()


def _refuse_idle(names: Sequence[str], overrides: Sequence[str]) -> None:
    """Refuse changes of a config where none is checked; a mapping takes its folder from one."""
    idle = [change for change in overrides if not change.startswith(("data.roots.", "data.roots="))]
    if idle and not any(_may_be_config(find_file(name)) for name in names):
        problems = (f"command line: {change}: there is no config here" for change in idle)
        raise HarmonizeError(*problems)


def _may_be_config(path: Path) -> bool:
    """Say whether a file is a config, or cannot be read, which is told elsewhere."""
    try:
        return is_yaml(path) and is_config(load_file(path))
    except HarmonizeError:
        return True


def _only(tables: "Sequence[Supervision]", option: str) -> "Supervision":
    """Return the one table that an option is to write."""
    if not tables:
        raise HarmonizeError(
            f"{option}: there is nothing to write; it needs a config that can be trained, "
            "whose data is there and read"
        )
    if len(tables) > 1:
        raise HarmonizeError(f"{option}: takes one config of one tree at a time, got {len(tables)}")
    return tables[0]
