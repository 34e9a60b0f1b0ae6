"""The page of ``harmonize transfer``: the counts of classes as a table, each pair below."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.run_config import RunConfig
from harmonize.labels.sources import load_sources
from harmonize.report.templates import template_environment
from harmonize.system.own_files import check_page, write_output
from harmonize.tools.transfer import TransferPair, find_pairs, groups_of

TRANSFER = "harmonize transfer"
"""Stands in every page that is written here."""


@dataclass(frozen=True)
class _Cell:
    """What the page shows of one pair."""

    key: str
    title: str
    number: int
    share: str
    count: str
    groups: tuple[tuple[str, str, str], ...]


def transfer_page(config: RunConfig, output: Path, *, name: str, force: bool = False) -> None:
    """Write which classes of each data set of a config each other one, and their mix, teaches.

    Args:
        config: names the data sets.
        output: the page.
        name: of the config.
        force: replace any file.

    Raises:
        HarmonizeError: the tree or a mapping cannot be read, or the page not be written.
    """
    check_page(output, TRANSFER, force=force)
    sources = load_sources(config)
    pairs = find_pairs(sources.ontology, sources.specs, sources.taught)
    rows = list(dict.fromkeys(pair.trained for pair in pairs))
    columns = list(dict.fromkeys(pair.asked for pair in pairs))
    cells = {(pair.trained, pair.asked): _cell(pair, rows, columns) for pair in pairs}
    template = template_environment(Path(__file__).parent).get_template("transfer.html.jinja")
    text = template.render(
        title=f"{name}: which set teaches which",
        generator=TRANSFER,
        mix=", ".join(spec.name for spec in sources.taught),
        columns=columns,
        rows=[(row, [cells[row, column] for column in columns]) for row in rows],
        totals=[len(pair.answers) for pair in pairs if pair.trained == rows[0]],
        sections=[(f"Asked: {c}", [cells[row, c] for row in reversed(rows)]) for c in columns],
    )
    write_output(output, text)


def _cell(pair: TransferPair, rows: Sequence[str], columns: Sequence[str]) -> _Cell:
    number = sum(answer.status == "answerable" for answer in pair.answers)
    return _Cell(
        key=f"p{rows.index(pair.trained)}-{columns.index(pair.asked)}",
        title=f"{pair.trained} → {pair.asked}",
        number=number,
        share=f"{number / max(len(pair.answers), 1):.2f}",
        count=f"{pair.count} classes",
        groups=tuple(
            (group.status, ", ".join(group.names), group.reason) for group in groups_of(pair)
        ),
    )
