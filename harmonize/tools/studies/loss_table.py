"""The paper's table 1, and what else a comparison of losses has to say, as Markdown."""

from collections.abc import Mapping, Sequence

from harmonize.tools.studies.identical import Proof
from harmonize.tools.studies.loss_results import DatasetResults, Row, short
from harmonize.tools.studies.markdown import NOTHING, change, listed, markdown, value
from harmonize.tools.studies.spread import spread_name

_LEAST = 0.01
"""The least mean that a change is stated relative to; of less, any change is a great part."""


def comparison_tables(
    name: str, results: Sequence[DatasetResults], proof: Mapping[int, Proof]
) -> str:
    """Draw the tables of all data sets under what the runs have in common."""
    losses = " and ".join(results[0].mean.values)
    steps = "; ".join(f"seed {seed}: {found.steps} of {found.of}" for seed, found in proof.items())
    head = (
        f"# {name}: {losses}\n\n"
        "All runs of a seed began with the same weights and had the same input, by checksums of "
        f"every picture and label. Steps proven equal: {steps}.\n\n"
        f"Numbers are the {spread_name(len(proof))}; differences are taken seed by seed. A change "
        f"relative to less than {100 * _LEAST:g} % says nothing, and is left out."
    )
    return "\n\n".join([head, *map(dataset_tables, results)]) + "\n"


def dataset_tables(results: DatasetResults) -> str:
    """Draw all tables about one data set."""
    losses, gains = list(results.mean.values), list(results.mean.gains)
    per_class = [[*_cells(row), _relative(row)] for row in results.classes]
    mean = [f"**{cell}**" for cell in (*_cells(results.mean), _relative(results.mean))]
    reached = [
        [f"{100 * part:g} %", *(listed(steps) for steps in by_loss.values())]
        for part, by_loss in results.reached.items()
    ]
    relative = f"{short(losses[-1])} relative to {short(losses[0])}"
    parts = [
        f"## {results.name}, {results.split}: {results.pictures} pictures",
        markdown(["IoU, %", *losses, *gains, relative], [*per_class, mean]),
        markdown(["besides", *losses, *gains], [_cells(row) for row in results.further]),
        f"The first scored step at which a part of {short(losses[0])}'s final mean IoU is reached, "
        "for each seed:",
        markdown(["part", *losses], reached),
    ]
    return "\n\n".join(parts)


def _cells(row: Row) -> list[str]:
    percent = row.measure.percent
    values = [value(summary, percent=percent) for summary in row.values.values()]
    gains = [value(summary, percent=percent, signed=True) for summary in row.gains.values()]
    return [row.measure.name, *values, *gains]


def _relative(row: Row) -> str:
    first = next(iter(row.values.values())).mean
    return NOTHING if first is None or first < _LEAST else change(row.relative)
