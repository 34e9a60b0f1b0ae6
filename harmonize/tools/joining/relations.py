"""What each class of one data set is to each of another: the same, a part, overlapping, apart."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray

from harmonize.tools.draft.by_name import similarity
from harmonize.tools.joining.contingency import ClassSet, Crossing, Shares, find_shares, shown

# Letters of shapes: A and B classes of two sets.

Relation = Literal["same", "part of", "contains", "overlaps", "disjoint", "unknown"]
Class = tuple[str, str]
"""A data set and one of its classes."""

ALIKE = 0.15
"""Information that labels and answers must share, on both sets' pictures; see ``Shares.alike``."""
LEAST_IOU = 0.2
"""Of a class on its own pictures by its own network, below which it says nothing."""
LEAST_PICTURES = 3
LEAST_PIXELS = 200
WHOLE, WHOLE_LEAST, WHOLE_LOW = 0.75, 0.45, 0.55
"""The share that makes a class lie in another: agreed on, either way, and its interval's end."""
WHOLE_REST = 0.2
"""The largest share that it may seem to have in any other class then."""
NONE, NONE_HIGH = 0.1, 0.25
"""The share up to which a class has nothing of another, and its interval's end."""
PART_LOW, PART_HIGH, PART_APART = 0.15, 0.85, 0.3
"""Between which shares it lies partly in another, and how far both ways may be apart."""
SAME_NAME = 0.9
"""Likeness of names from which on they decide what the pixels leave open."""
IN_COMMON = "both have a part in common"
"""What is said of classes whose pixels show it."""
_LEANS = 0.5
"""The share from which on most of a class lies in another."""

_UNSURE, _NONE, _SOME, _ALL = range(4)


@dataclass(frozen=True)
class Seen:
    """What one of the two networks sees of a pair of classes, on one set's pictures.

    Attributes:
        pixels: that are labelled as the one and answered as the other.
        precision: their share of those answered so.
        recall: their share of those labelled so.
    """

    pixels: int
    precision: float
    recall: float


@dataclass(frozen=True)
class Pair:
    """What class ``a`` of one set is to class ``b`` of another.

    Attributes:
        a, b: the classes.
        relation: of a to b, as far as is known: ``part of`` says that a is a part of b.
        sure: whether it is no TODO.
        why: it is a TODO, or what it was decided by besides pixels; empty if nothing.
        on_a: what B's network sees on A's pictures.
        on_b: what A's network sees on B's pictures.
        a_in_b, b_in_a: the share of the one that lies in the other, on A's pictures and on B's,
            the networks' own mistakes taken off.
        a_in_b_interval, b_in_a_interval: of what both agree on, 95 % over pictures.
    """

    a: Class
    b: Class
    relation: Relation
    sure: bool
    why: str
    on_a: Seen
    on_b: Seen
    a_in_b: tuple[float, float]
    b_in_a: tuple[float, float]
    a_in_b_interval: tuple[float, float]
    b_in_a_interval: tuple[float, float]

    @property
    def strength(self) -> float:
        """How much speaks for it: the lower end of the share that it needs most."""
        ends = {"part of": [self.a_in_b_interval], "contains": [self.b_in_a_interval]}
        both = [self.a_in_b_interval, self.b_in_a_interval]
        return min(low for low, _ in ends.get(self.relation, both))


def weak_classes(one: ClassSet) -> dict[str, str]:
    """Return the classes that nothing can be said about, each with the reason."""
    found: dict[str, str] = {}
    recall, precision = one.recall, one.precision
    iou = recall * precision / np.maximum(recall + precision - recall * precision, 1e-9)
    for name, pixels, pictures, value in zip(
        one.classes, one.pixels, one.pictures, iou, strict=True
    ):
        if pixels == 0:
            found[name] = "no pixel of it is labelled in the pictures looked at"
        elif pictures < LEAST_PICTURES or pixels < LEAST_PIXELS:
            found[name] = f"only {pixels:,.0f} pixels of it in {pictures} of the pictures looked at"
        elif value < LEAST_IOU:
            found[name] = f"its own network hardly recognises it (IoU {100 * value:.0f} %)"
    return found


def relate(crossing: Crossing, *, names: bool = True, seed: int = 0) -> tuple[list[Pair], str]:
    """Find what each class of one set is to each of the other.

    A class lies in another if both networks say so: the other set's network in its labelled
    pixels, and its own network by what is labelled where it answers the class. These are the
    precision-like tests of Bevandic & Segvic (BMVC 2022), here with each network's own mistakes
    taken off and in both directions.

    Args:
        crossing: what the networks see.
        names: whether names decide where the pixels leave it open.
        seed: of the intervals.

    Returns:
        All pairs, and what is wrong with the two sets as a whole; empty if nothing.
    """
    shares = find_shares(crossing, seed=seed)
    judged = _Judged.of(crossing, shares, names=names)
    warning = ""
    if min(shares.alike) < ALIKE:
        warning = (
            f"{crossing.a.name} and {crossing.b.name}: what either network sees in the other's "
            f"pictures has little to do with their labels ({shares.alike[0]:.2f} and "
            f"{shares.alike[1]:.2f} of 1; {ALIKE} or more says something): other scenes, nothing "
            "in common, or networks that have learned too little; nothing is joined"
        )
    return list(judged.pairs(other_scenes=bool(warning))), warning


@dataclass
class _Judged:
    """Pairs while they are judged.

    Attributes:
        b_in_a, a_in_b: verdicts on each share.
        notes: by pair, what was decided otherwise than by its own pixels.
    """

    crossing: Crossing
    shares: Shares
    b_in_a: Int[ndarray, "A B"]
    a_in_b: Int[ndarray, "A B"]
    weak: Bool[ndarray, "A B"]
    reasons: tuple[dict[str, str], dict[str, str]]
    notes: dict[tuple[int, int], str]

    @classmethod
    def of(cls, crossing: Crossing, shares: Shares, *, names: bool) -> "_Judged":
        reasons = weak_classes(crossing.a), weak_classes(crossing.b)
        reasons[0].update(_not_shown(crossing.a, reasons[0], crossing.b, crossing.on_b))
        reasons[1].update(_not_shown(crossing.b, reasons[1], crossing.a, crossing.on_a))
        weak_a = np.array([name in reasons[0] for name in crossing.a.classes])
        weak_b = np.array([name in reasons[1] for name in crossing.b.classes])
        weak = weak_a[:, None] | weak_b[None]
        b_in_a = _verdicts(shares.b_in_a, shares.agreed_b_in_a, shares.b_in_a_bounds, 0)
        a_in_b = _verdicts(shares.a_in_b, shares.agreed_a_in_b, shares.a_in_b_bounds, 1)
        judged = cls(
            crossing,
            shares,
            np.where(weak, _UNSURE, b_in_a),
            np.where(weak, _UNSURE, a_in_b),
            weak,
            reasons,
            {},
        )
        if names:
            judged.use_names()
        judged.exclude()
        return judged

    @property
    def common(self) -> Float[ndarray, "A B"]:
        """The larger share that either of a pair has in the other."""
        return np.maximum(self.shares.agreed_b_in_a, self.shares.agreed_a_in_b)

    def use_names(self) -> None:
        """Let equal names decide what the pixels leave open, but lean to."""
        for i, a in enumerate(self.crossing.a.classes):
            for j, b in enumerate(self.crossing.b.classes):
                if similarity(a, b) < SAME_NAME:
                    continue
                for verdicts, found in (
                    (self.b_in_a, self.shares.agreed_b_in_a),
                    (self.a_in_b, self.shares.agreed_a_in_b),
                ):
                    if verdicts[i, j] == _UNSURE and found[i, j] >= _LEANS:
                        verdicts[i, j] = _ALL
                        self.notes[i, j] = "by its name; the pixels alone leave it open"

    def exclude(self) -> None:
        """Use that the classes of one set have no pixel in common.

        Where b lies in a, it lies in no other class of A, and has none in it. A class of A that
        lies in b all the same, as far as shares tell, is b with something small beside it.
        """
        b_in_a, a_in_b = self.b_in_a.copy(), self.a_in_b.copy()
        for i, j in np.argwhere(b_in_a == _ALL).tolist():
            for other in set(range(len(b_in_a))) - {i}:
                if self.common[other, j] <= NONE:
                    self._apart(other, j, (i, j))
            for other in set(range(b_in_a.shape[1])) - {j}:
                if a_in_b[i, other] == _ALL:
                    self._has_more(self.a_in_b, (i, other), self.crossing.b.classes[j])
        for i, j in np.argwhere(a_in_b == _ALL).tolist():
            for other in set(range(b_in_a.shape[1])) - {j}:
                if self.common[i, other] <= NONE:
                    self._apart(i, other, (i, j))
            for other in set(range(len(b_in_a))) - {i}:
                if b_in_a[other, j] == _ALL:
                    self._has_more(self.b_in_a, (other, j), self.crossing.a.classes[i])

    def _apart(self, i: int, j: int, inside: tuple[int, int]) -> None:
        if self.weak[i, j] or _ALL in (self.b_in_a[i, j], self.a_in_b[i, j]):
            return
        if not self.b_in_a[i, j] == self.a_in_b[i, j] == _NONE:
            a, b = self.crossing.a.classes[inside[0]], self.crossing.b.classes[inside[1]]
            self.notes[i, j] = f"since {a} and {b} lie in each other"
        self.b_in_a[i, j] = self.a_in_b[i, j] = _NONE

    def _has_more(self, verdicts: Int[ndarray, "A B"], pair: tuple[int, int], more: str) -> None:
        verdicts[pair] = _SOME
        self.notes[pair] = f"since it has {more} too"

    def pairs(self, *, other_scenes: bool) -> Iterator[Pair]:
        """Return what was found out."""
        a, b = self.crossing.a, self.crossing.b
        on_a, on_b = self.crossing.on_a.sum(0), self.crossing.on_b.sum(0).T
        for i in range(len(a.classes)):
            for j in range(len(b.classes)):
                relation, sure, why = self._relation(i, j)
                if other_scenes:
                    relation, sure, why = self._swallowed(i, j), False, "the sets show other scenes"
                yield Pair(
                    (a.name, a.classes[i]),
                    (b.name, b.classes[j]),
                    relation,
                    sure,
                    why,
                    _seen(on_a, i, j, answers=1),
                    _seen(on_b, i, j, answers=0),
                    _two(self.shares.a_in_b[:, i, j]),
                    _two(self.shares.b_in_a[:, i, j]),
                    _two(self.shares.a_in_b_bounds[:, i, j]),
                    _two(self.shares.b_in_a_bounds[:, i, j]),
                )

    def _relation(self, i: int, j: int) -> tuple[Relation, bool, str]:
        inner, outer = self.b_in_a[i, j], self.a_in_b[i, j]
        note = self.notes.get((i, j), "")
        if inner == outer == _ALL:
            return self._same(i, j, note)
        if inner == _ALL:
            return self._within(i, j, "contains", note)
        if outer == _ALL:
            return self._within(i, j, "part of", note)
        if inner == outer == _NONE:
            return "disjoint", True, note
        if _UNSURE not in (inner, outer):
            return "overlaps", False, "; ".join(filter(None, (IN_COMMON, note)))
        weak = [
            f"{name}: {reasons[name]}"
            for name, reasons in zip(
                (self.crossing.a.classes[i], self.crossing.b.classes[j]), self.reasons, strict=True
            )
            if name in reasons
        ]
        return self._guess(i, j), False, "; ".join(weak) or note or self._undecided(i, j)

    def _same(self, i: int, j: int, note: str) -> tuple[Relation, bool, str]:
        """Say same, unless one of both has something else too."""
        a, b = self.crossing.a.classes, self.crossing.b.classes
        more_in_a = self._others(self.b_in_a[i], self._open[i], j)
        more_in_b = self._others(self.a_in_b[:, j], self._open[:, j], i)
        if more_in_a and more_in_b:
            return "same", False, "each may have more than the other"
        if not more_in_a and not more_in_b:
            return "same", True, note
        found, names = (more_in_a, b) if more_in_a else (more_in_b, a)
        relation: Relation = "contains" if more_in_a else "part of"
        sure = [names[n] for n, is_sure in found if is_sure]
        if sure:
            return relation, True, f"{', '.join(sure)} being in it too"
        return (
            relation,
            False,
            f"or the same, if {', '.join(names[n] for n, _ in found)} is not in it",
        )

    def _within(self, i: int, j: int, relation: Relation, note: str) -> tuple[Relation, bool, str]:
        """Say that one lies in the other, unless they may well be the same."""
        if relation == "contains":
            rest, share = self.a_in_b[i, j], self.shares.a_in_b_bounds[:, i, j]
            others = self._others(self.b_in_a[i], self._open[i], j)
        else:
            rest, share = self.b_in_a[i, j], self.shares.b_in_a_bounds[:, i, j]
            others = self._others(self.a_in_b[:, j], self._open[:, j], i)
        if rest == _NONE or share[1] < WHOLE_LOW or any(sure for _, sure in others):
            return relation, True, note
        return relation, False, f"or the same: {self._undecided(i, j)}"

    @property
    def _open(self) -> Bool[ndarray, "A B"]:
        """Whether two classes may have something in common."""
        return ((self.b_in_a != _NONE) | (self.a_in_b != _NONE)) & (self.common > NONE)

    def _others(
        self, verdicts: Int[ndarray, " N"], is_open: Bool[ndarray, " N"], this: int
    ) -> list[tuple[int, bool]]:
        """Return what else lies in a class, or may, and whether that is sure."""
        return [
            (n, verdict == _ALL)
            for n, verdict in enumerate(verdicts.tolist())
            if n != this and (verdict == _ALL or is_open[n])
        ]

    def _guess(self, i: int, j: int) -> Relation:
        inner, outer = self.shares.agreed_b_in_a[i, j], self.shares.agreed_a_in_b[i, j]
        seen = self.crossing.a.pixels[i] > 0 and self.crossing.b.pixels[j] > 0
        if not seen:
            return "unknown"
        if inner >= _LEANS and outer >= _LEANS:
            return "same"
        if inner >= _LEANS or outer >= _LEANS:
            return "contains" if inner >= outer else "part of"
        return "overlaps" if max(inner, outer) > NONE else "disjoint"

    def _swallowed(self, i: int, j: int) -> Relation:
        """Guess for sets of other scenes: what is answered nearly everywhere may hold the rest."""
        on_a, on_b = self.crossing.on_a.sum(0), self.crossing.on_b.sum(0)
        if self._guess(i, j) == "unknown":
            return "unknown"
        if on_a[:, j].sum() >= _LEANS * on_a.sum() and on_a[i, j] >= _LEANS * on_a[i].sum():
            return "part of"
        if on_b[:, i].sum() >= _LEANS * on_b.sum() and on_b[j, i] >= _LEANS * on_b[j].sum():
            return "contains"
        return "disjoint"

    def _undecided(self, i: int, j: int) -> str:
        a, b = self.crossing.a, self.crossing.b
        first, second = self.shares.b_in_a[:, i, j], self.shares.a_in_b[:, i, j]
        return (
            f"{_percent(first)} of {b.classes[j]} in {a.classes[i]} and {_percent(second)} the "
            f"other way round, on the pictures of {a.name} and {b.name}"
        )


def _not_shown(
    one: ClassSet, known: dict[str, str], other: ClassSet, answers: Integer[ndarray, "P B A"]
) -> dict[str, str]:
    """Return the classes of a set that another's pictures do not show, each with the reason."""
    reason = f"its network finds hardly any in the pictures of {other.name}"
    return {
        name: reason
        for name, is_shown in zip(one.classes, shown(answers, one).tolist(), strict=True)
        if not is_shown and name not in known
    }


def _verdicts(
    shares: Float[ndarray, "2 A B"],
    agreed: Float[ndarray, "A B"],
    bounds: Float[ndarray, "2 A B"],
    axis: int,
) -> Int[ndarray, "A B"]:
    """Judge shares, which add up to 1 along an axis."""
    least, most, (low, high) = shares.min(0), shares.max(0), bounds
    second = np.sort(agreed, axis).take([-2], axis)
    whole = (agreed >= WHOLE) & (second <= WHOLE_REST)
    whole &= (least >= WHOLE_LEAST) & (low >= WHOLE_LOW)
    none = (agreed <= NONE) & (high <= NONE_HIGH)
    part = (least >= PART_LOW) & (most <= PART_HIGH) & (most - least <= PART_APART)
    part &= low > NONE
    return np.select([whole, none, part], [_ALL, _NONE, _SOME], _UNSURE)


def _seen(counts: Integer[ndarray, "A B"], i: int, j: int, *, answers: int) -> Seen:
    """Return what is seen of a pair; ``answers`` is the axis of what the network answers."""
    both, rows, columns = counts[i, j], counts[i].sum(), counts[:, j].sum()
    answered, labelled = (columns, rows) if answers == 1 else (rows, columns)
    return Seen(int(both), float(both / max(answered, 1)), float(both / max(labelled, 1)))


def _two(values: Float[ndarray, "2"]) -> tuple[float, float]:
    return round(float(values[0]), 4), round(float(values[1]), 4)


def _percent(values: Float[ndarray, "2"]) -> str:
    return f"{100 * values[0]:.0f} and {100 * values[1]:.0f} %"
