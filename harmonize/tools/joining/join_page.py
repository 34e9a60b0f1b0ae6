"""The page of a joined tree: what is sure, what is open, and the files as it is decided."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.plurals import plural
from harmonize.report.templates import template_environment
from harmonize.tools.joining.assembling import Joined, plain_name
from harmonize.tools.joining.consistency import show
from harmonize.tools.joining.contingency import ClassSet
from harmonize.tools.joining.join_files import TREE, Looked, MappingText
from harmonize.tools.joining.pairs import Class, Pair
from harmonize.tools.joining.seen_pairs import ShownPair

_SIGNS = {
    "same": "=",
    "part of": "⊂",
    "contains": "⊃",
    "overlaps": "∩",
    "disjoint": "·",
    "unknown": "?",
}


@dataclass(frozen=True)
class JoinView:
    """What the page shows.

    Attributes:
        sets: the data sets.
        pairs: all of them.
        joined: the tree.
        files: the text around the meaning, and the lines of it, by name of the set.
        looked: the pictures of each pair.
        shown: some of them, drawn.
        warnings: about the sets as a whole.
    """

    sets: Sequence[ClassSet]
    pairs: Sequence[Pair]
    joined: Joined
    files: Mapping[str, tuple[MappingText, Sequence[tuple[Class | None, str]]]]
    looked: Mapping[Pair, Looked]
    shown: Mapping[Pair, Sequence[ShownPair]]
    warnings: Sequence[str]


def open_pairs(joined: Joined, pairs: Sequence[Pair]) -> list[tuple[Pair, Class]]:
    """Return the pairs that are to be decided, each with the class whose meaning waits for it."""
    found = [(pair, one) for one, some in joined.doubts.items() for pair in some]
    for pair in pairs:
        waiting = [one for one in (pair.a, pair.b) if one in joined.unknown]
        if pair.relation == "unknown" and waiting:
            found.append((pair, waiting[0]))
    return found


def join_page(view: JoinView, *, made_by: str) -> str:
    """Write the page."""
    asked = open_pairs(view.joined, view.pairs)
    template = template_environment(Path(__file__).parent).get_template("join.html.jinja")
    return template.render(
        title=" and ".join(one.name for one in view.sets),
        made_by=made_by,
        warnings=view.warnings,
        sure=sum(pair.sure for pair in view.pairs),
        total=len(view.pairs),
        tables=_tables(view),
        doubts=[_doubt(n, pair, view) for n, (pair, _) in enumerate(asked)],
        state=_state(view, asked),
        files=[f"{TREE}.txt", *(f"{name}.yaml" for name in view.files)],
    )


def _doubt(number: int, pair: Pair, view: JoinView) -> dict[str, object]:
    return {
        "id": f"d{number}",
        "a": show(pair.a),
        "b": show(pair.b),
        "relation": pair.relation,
        "why": pair.why,
        "numbers": numbers(pair),
        "pictures": view.shown.get(pair, ()),
        "paths": view.looked[pair].text,
        "choices": ["same", "part of", "contains", "overlaps", "disjoint"],
    }


def numbers(pair: Pair) -> str:
    """Write the evidence of a pair in a line."""
    parts = [
        f"{_percent(one)} of {name} in {other} ({_percent(low)} to {_percent(high)})"
        for name, other, one, (low, high) in (
            (pair.a[1], pair.b[1], sum(pair.a_in_b) / 2, pair.a_in_b_interval),
            (pair.b[1], pair.a[1], sum(pair.b_in_a) / 2, pair.b_in_a_interval),
        )
    ]
    seen = [
        f"on {where}: {one.pixels:,} {plural(one.pixels, 'pixel')}, "
        f"precision {one.precision:.2f}, recall {one.recall:.2f}"
        for where, one in ((pair.a[0], pair.on_a), (pair.b[0], pair.on_b))
    ]
    return "; ".join([*parts, *seen])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _tables(view: JoinView) -> list[dict[str, object]]:
    """Draw the relations of each two sets, the classes of the first as rows."""
    tables: list[dict[str, object]] = []
    found = {(pair.a, pair.b): pair for pair in view.pairs}
    for number, second in enumerate(view.sets):
        for first in view.sets[:number]:
            rows = [
                (name, [_cell(found[(first.name, name), (second.name, b)]) for b in second.classes])
                for name in first.classes
            ]
            tables.append(
                {
                    "first": first.name,
                    "second": second.name,
                    "columns": second.classes,
                    "rows": rows,
                }
            )
    return tables


def _cell(pair: Pair) -> dict[str, str]:
    why = f" ({pair.why})" if pair.why else ""
    return {
        "sign": _SIGNS[pair.relation],
        "state": "sure" if pair.sure else "open",
        "tip": f"{show(pair.a)} {pair.relation} {show(pair.b)}{why}: {numbers(pair)}",
    }


def _common_names(joined: Joined, asked: Sequence[tuple[Pair, Class]]) -> dict[Pair, str]:
    """Name a leaf for what the classes of each open pair have in common, if they have."""
    names = dict(joined.common)
    taken = {*joined.tree.nodes, *names.values()}
    for pair, _ in asked:
        if pair not in names:
            own = (joined.own.get(one, ()) for one in (pair.a, pair.b))
            parts = [
                nodes[0] if len(nodes) == 1 else plain_name(one[1])
                for one, nodes in zip((pair.a, pair.b), own, strict=True)
            ]
            name = "_and_".join(parts)
            further = (f"{name}_{number}" for number in itertools.count(2))
            tries = itertools.chain([name], further)
            names[pair] = next(one for one in tries if one not in taken)
            taken.add(names[pair])
    return names


def _state(view: JoinView, asked: Sequence[tuple[Pair, Class]]) -> dict[str, object]:
    """Return what the page's script makes the files of."""
    joined, names = view.joined, _common_names(view.joined, asked)
    return {
        "tree": joined.text.rstrip("\n").split("\n"),
        "own": {show(one): list(nodes) for one, nodes in joined.own.items()},
        "doubts": [
            {
                "id": f"d{number}",
                "a": show(pair.a),
                "b": show(pair.b),
                "owner": show(owner),
                "common": names[pair],
                "drawn": pair in joined.common,
                "unknown": pair.relation == "unknown",
            }
            for number, (pair, owner) in enumerate(asked)
        ],
        "files": {
            f"{name}.yaml": {
                "head": around.head,
                "tail": around.tail,
                "lines": [{"text": text, "of": show(one) if one else ""} for one, text in lines],
            }
            for name, (around, lines) in view.files.items()
        },
    }
