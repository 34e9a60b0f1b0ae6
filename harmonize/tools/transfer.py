"""What a network trained on some of a config's data sets can answer in the words of the others."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harmonize.config.run_config import RunConfig
from harmonize.labels.answerable import Answerable, Status, merge_for
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.same_meaning import same_meaning, short_name
from harmonize.labels.scored_classes import answers_for
from harmonize.labels.sources import load_sources
from harmonize.plurals import counted

MIX = "the mix"
_WIDTH = 100
_MOST_PAIRS = 30
"""Pairs of data sets that are explained one by one in a terminal; five sets and their mix."""
_INDENT = 13
_ORDER: tuple[Status, ...] = ("coarser", "overlapping", "never", "answerable")


@dataclass(frozen=True)
class TransferPair:
    """What training on some sets lets a network answer of another, or of one of them.

    Attributes:
        trained: the name of the data set trained on, or ``MIX``.
        asked: the name of the data set asked.
        answers: for each class of the asked set that it does not ignore.
        merged: the classes behind each of these that stands for several.
    """

    trained: str
    asked: str
    answers: tuple[Answerable, ...]
    merged: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    @property
    def count(self) -> str:
        """How many classes are answerable, such as ``3 of 19``."""
        return f"{sum(a.status == 'answerable' for a in self.answers)} of {len(self.answers)}"

    @property
    def complete(self) -> bool:
        """Whether every class is answerable."""
        return all(answer.status == "answerable" for answer in self.answers)


@dataclass(frozen=True)
class ReasonGroup:
    """Classes that are left out, or lose something, for the same reason."""

    status: Status
    names: tuple[str, ...]
    reason: str


def print_transfer(config: RunConfig) -> None:
    """Print which classes of each data set of a config each other one, and their mix, teaches.

    Raises:
        HarmonizeError: the tree or a mapping cannot be read.
    """
    sources = load_sources(config)
    print(describe_transfer(sources.ontology, sources.specs, sources.taught))


def find_pairs(
    ontology: Ontology, specs: Sequence[DatasetSpec], mix: Sequence[DatasetSpec]
) -> list[TransferPair]:
    """Say what training on each data set, and on the mix, teaches of each data set."""
    taught = {spec.name: spec for spec in mix}  # which may be coarser
    sources = {spec.name: [taught.get(spec.name, spec)] for spec in specs}
    if len(mix) > 1:
        sources[MIX] = list(mix)
    return [
        TransferPair(
            name,
            asked.name,
            answers_for(ontology, trained, asked),
            same_meaning(ontology, asked).merged,
        )
        for name, trained in sources.items()
        for asked in specs
    ]


def describe_transfer(
    ontology: Ontology, specs: Sequence[DatasetSpec], mix: Sequence[DatasetSpec]
) -> str:
    """Write what training on each data set, and on the mix, teaches of each data set.

    First a table of counts, then for each pair the classes that are left out and why; of many
    pairs for those of the mix alone.
    """
    pairs = find_pairs(ontology, specs, mix)
    told = [pair for pair in pairs if pair.trained != pair.asked or not pair.complete]
    told.sort(key=lambda pair: pair.trained != MIX)
    of_mix = [pair for pair in told if pair.trained == MIX]
    left_out = of_mix and len(told) > _MOST_PAIRS
    trained = " + ".join(spec.name for spec in mix)
    text = (
        "Classes that can be answered when trained on (rows), asked in the words of (columns)\n\n"
    )
    mixed = "\n".join(_wrap(f"{MIX if len(mix) > 1 else 'trained on'}: ", trained))
    text += f"{_table(pairs)}\n\n{mixed}"
    was_short = False
    for part in map(_explain, of_mix if left_out else told):
        is_short = "\n" not in part
        text += f"\n{part}" if is_short and was_short else f"\n\n{part}"
        was_short = is_short
    if left_out:
        number = counted(len(told) - len(of_mix), "pair")
        text += f"\n\nWhat single sets teach of each other ({number}) is on "
        text += "the page that `-o FILE.html` writes."
    return text


def _table(pairs: Sequence[TransferPair]) -> str:
    """Draw the counts, a row for each that is trained on and a column for each that is asked."""
    count = {(pair.trained, pair.asked): pair.count for pair in pairs}
    rows, columns = (list(dict.fromkeys(names)) for names in zip(*count, strict=True))
    lines = [["", *columns], *([row, *(count[row, name] for name in columns)] for row in rows)]
    drawn = _drawn(lines)
    if max(map(len, drawn)) <= _WIDTH:
        return "\n".join(drawn)
    heads = [f"{number:>2} {row}" for number, row in enumerate(rows, 1)]
    if rows[-1] == MIX:
        heads[-1] = f"   {MIX}"
    totals = [count[rows[0], name].split(" of ")[1] for name in columns]
    lines = [["", *(str(number) for number in range(1, len(columns) + 1))]]
    for head, row in zip(heads, rows, strict=True):
        lines.append([head, *(count[row, name].split(" of ")[0] for name in columns)])
    return "\n".join(_drawn([*lines, ["   of", *totals]]))


def _drawn(lines: Sequence[Sequence[str]]) -> list[str]:
    """Align the cells of a table, the first column to the left."""
    first, *others = ([line[place] for line in lines] for place in range(len(lines[0])))
    margin, widths = max(map(len, first)), [max(map(len, cells)) for cells in others]
    return [
        "  ".join([f"{head:<{margin}}", *(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))])
        for head, *cells in lines
    ]


def groups_of(pair: TransferPair) -> list[ReasonGroup]:
    """Return the classes left out, or that lose something, grouped by reason."""
    groups: dict[tuple[Status, str], list[Answerable]] = {}
    for answer in sorted(pair.answers, key=lambda answer: _ORDER.index(answer.status)):
        if answer.reason:
            groups.setdefault((answer.status, answer.reason), []).append(answer)
    found: list[ReasonGroup] = []
    for (status, reason), group in groups.items():
        names = [short_name(answer.name, pair.merged) for answer in group]
        merge = [short_name(one, pair.merged) for one in merge_for(group[0], pair.answers)]
        found.append(ReasonGroup(status, tuple(names), reason + _hint(names, merge)))
    return found


def _explain(pair: TransferPair) -> str:
    """Write one pair: a line if all is answerable, else the classes left out, grouped by reason."""
    count = f"all {len(pair.answers)}" if pair.complete else pair.count
    lines = [f"{pair.trained} -> {pair.asked}: {count} classes"]
    shown: Status | None = None
    for group in groups_of(pair):
        label = "" if group.status == shown else group.status
        lines += _wrap(f"  {label:<{_INDENT}}", ", ".join(group.names))
        lines += _wrap(f"    {'':<{_INDENT}}", group.reason)
        shown = group.status
    return "\n".join(lines)


def _hint(names: Sequence[str], merge: Sequence[str]) -> str:
    """Say which classes could be answered if they were one."""
    if not merge:
        return ""
    which = "they" if list(merge) == list(names) else " + ".join(merge)
    return f"; as one class {which} can be answered"


def _wrap(start: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
