"""The key ``accept`` of mappings and configs: findings of ``harmonize check`` that are meant."""

from collections.abc import Iterable

from harmonize.config.strict_yaml import Document
from harmonize.errors import near_matches

Accept = dict[str, str | tuple[str, ...]]
"""By kind of finding, the names that it may be about, or ``all``."""
ALL = "all"

MAPPING_FINDINGS = (
    "whole-tree",
    "shared-leaves",
    "partly-labelled",
    "one-answer",
    "never-seen",
    "unlabelled",
    "sides",
    "palettes",
    "twice-in-split",
    "in-two-splits",
)
CONFIG_FINDINGS = ("unsupervised",)


def check_accept(
    accept: Accept, kinds: tuple[str, ...], document: Document, problems: list[str]
) -> None:
    """Note what is wrong with a value of ``accept``."""
    for kind, names in accept.items():
        where = document.where(("accept", kind))
        if kind not in kinds:
            problems.append(f"{where}: no finding {kind!r}; {near_matches(kind, kinds)}")
        elif isinstance(names, str) and names != ALL:
            problems.append(f"{where}: expected a list of names or {ALL}, got {names!r}")


class Accepted:
    """The findings that a mapping or a config declares to be meant, under ``accept``."""

    def __init__(self, accept: Accept, document: Document) -> None:
        """Take the value of ``accept`` and the document in which it stands."""
        self._names = {
            kind: (names,) if isinstance(names, str) else names for kind, names in accept.items()
        }
        self._document = document
        self._used: set[tuple[str, str]] = set()

    def has(self, kind: str, *names: str) -> bool:
        """Say whether a finding of this kind about any of these names is accepted."""
        listed = self._names.get(kind, ())
        found = [name for name in (ALL, *names) if name in listed]
        self._used.update((kind, name) for name in found)
        return bool(found)

    def unused(self, kinds: Iterable[str]) -> list[str]:
        """Return one line for each acceptance of these kinds that ``has`` never met."""
        problems: list[str] = []
        for kind in kinds:
            for number, name in enumerate(self._names.get(kind, ())):
                if (kind, name) not in self._used:
                    path = ("accept", kind) if name == ALL else ("accept", kind, number)
                    problems.append(
                        f"{self._document.where(path)}: nothing of the kind is found about "
                        f"{name!r}; remove it"
                    )
        return problems
