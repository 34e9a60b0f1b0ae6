"""Which classes of a data set are not scored, because a run's labels do not teach them."""

from collections.abc import Iterable

from harmonize.labels.answerable import answers_for, unanswerable
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.sources import Sources

_SHOWN = 3
"""Reasons that an error lists."""


def find_unanswerable(sources: Sources, spec: DatasetSpec) -> dict[str, str]:
    """Return the classes of a data set that a run's network cannot answer, with the reasons."""
    return unanswerable(answers_for(sources.ontology, sources.space.specs, spec))


def unscorable(sources: Sources, specs: Iterable[DatasetSpec]) -> list[str]:
    """Return a problem for each data set of which a run's network can answer no class."""
    problems: list[str] = []
    for spec in specs:
        answers = answers_for(sources.ontology, sources.space.specs, spec)
        reasons = [f"{name}: {reason}" for name, reason in unanswerable(answers).items()]
        if len(reasons) == len(answers):
            more = "; ..." if len(reasons) > _SHOWN else ""
            problems.append(
                f"{spec.name}: cannot be scored: what is trained on teaches none of its classes "
                f"({'; '.join(reasons[:_SHOWN]) + more or 'it ignores all'}); leave it out, or see "
                "`harmonize transfer CONFIG` on a config that scores it"
            )
    return problems
