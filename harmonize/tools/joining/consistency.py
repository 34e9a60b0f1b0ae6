"""Contradictions between relations of classes: what makes them becomes a doubt."""

import dataclasses
from collections import deque
from collections.abc import Iterator, Sequence

from harmonize.tools.joining.pairs import Class, Pair, Relation

Edges = dict[Class, dict[Class, Pair]]
"""From each class those that it lies in, and the pair that says so."""
CLEARLY = 0.15
"""By how much a relation is stronger than the weakest of a contradiction where it stays sure."""
_OPPOSITE: dict[Relation, Relation] = {"part of": "contains", "contains": "part of"}


def edges_of(pairs: Sequence[Pair]) -> Edges:
    """Return what lies in what, as far as it is sure."""
    edges: Edges = {}
    for pair in pairs:
        for one, other in _inside(pair):
            edges.setdefault(one, {})[other] = pair
    return edges


def assembled(pair: Pair) -> bool:
    """Say whether one class is put into the other: if that is sure, or only *the same* is not."""
    return pair.sure or (pair.relation in ("contains", "part of") and pair.why.startswith("or the"))


def _inside(pair: Pair) -> Iterator[tuple[Class, Class]]:
    if assembled(pair) and pair.relation in ("same", "part of"):
        yield pair.a, pair.b
    if assembled(pair) and pair.relation in ("same", "contains"):
        yield pair.b, pair.a


def reach(edges: Edges, start: Class) -> dict[Class, list[Pair]]:
    """Return all classes that one lies in, each with the pairs on the way."""
    found: dict[Class, list[Pair]] = {start: []}
    queue = deque([start])
    while queue:
        one = queue.popleft()
        for other, pair in edges.get(one, {}).items():
            if other not in found:
                found[other] = [*found[one], pair]
                queue.append(other)
    return found


def settle(pairs: Sequence[Pair]) -> list[Pair]:
    """Make doubts of the relations that contradict others, until none do.

    Of those involved the weakest becomes one, with all that are not clearly stronger: networks that
    mistake a class for another are as sure as those that know it.

    Classes of one set have no pixel in common, so that none lies in another, nor anything in both.
    What follows from others by way of a third set is no doubt any more.
    """
    settled = list(pairs)
    while (clash := _contradiction(settled)) is not None:
        told, involved = clash
        least = min(pair.strength for pair in involved)
        for pair in involved:
            if pair.strength <= least + CLEARLY:
                doubt = dataclasses.replace(pair, sure=False, why=f"contradiction: {told}")
                settled[settled.index(pair)] = doubt
    return _follow(settled)


def _contradiction(pairs: Sequence[Pair]) -> tuple[str, list[Pair]] | None:
    edges = edges_of(pairs)
    apart = {frozenset((p.a, p.b)): p for p in pairs if p.sure and p.relation == "disjoint"}
    only = {_order(p): p for p in pairs if p.sure and p.relation in _OPPOSITE}
    for start in edges:
        found = reach(edges, start)
        above = list(found)
        for number, one in enumerate(above):
            back = only.get((one, start))
            if back is not None:
                told = f"{show(start)} lies in {show(one)}, and would have it as a part"
                return told, _once([*found[one], back])
            for other in above[:number]:
                said = apart.get(frozenset((one, other)))
                if one[0] == other[0] or said is not None:
                    told = f"{show(start)} would lie in both {show(other)} and {show(one)}"
                    if other == start:
                        told = f"{show(start)} would lie in {show(one)}"
                    more = [] if said is None else [said]
                    return f"{told}, which are apart", _once([*found[one], *found[other], *more])
    return None


def _once(pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for number, pair in enumerate(pairs) if pair not in pairs[:number]]


def _order(pair: Pair) -> tuple[Class, Class]:
    """Return the smaller class and the larger one."""
    return (pair.a, pair.b) if pair.relation == "part of" else (pair.b, pair.a)


def _follow(pairs: Sequence[Pair]) -> list[Pair]:
    """Settle the doubts that follow from other relations."""
    edges = edges_of(pairs)
    above = {pair.a: reach(edges, pair.a) for pair in pairs}
    above |= {pair.b: reach(edges, pair.b) for pair in pairs}
    apart = {frozenset((p.a, p.b)) for p in pairs if p.sure and p.relation == "disjoint"}
    return [_followed(pair, above, apart) for pair in pairs]


def _followed(
    pair: Pair, above: dict[Class, dict[Class, list[Pair]]], apart: set[frozenset[Class]]
) -> Pair:
    if pair.sure or assembled(pair):
        return pair
    inside, around = pair.b in above[pair.a], pair.a in above[pair.b]
    relation: Relation | None = None
    if inside or around:
        relation = "same" if inside and around else "part of" if inside else "contains"
    elif any(
        one[0] == other[0] or frozenset((one, other)) in apart
        for one in above[pair.a]
        for other in above[pair.b]
        if one != other
    ):
        relation = "disjoint"
    if relation is None or pair.why.startswith("contradiction"):
        return pair
    return dataclasses.replace(pair, relation=relation, sure=True, why="follows from the others")


def show(one: Class) -> str:
    """Write a class with its data set."""
    return f"{one[0]}:{one[1]}"
