"""Judge what each class of one data set is to each of another, by their shares of each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Integer
from numpy import ndarray

from harmonize.tools.draft.by_name import similarity
from harmonize.tools.joining.contingency import ClassShares, Crossing
from harmonize.tools.joining.pairs import IN_COMMON, Pair, Relation, Seen
from harmonize.tools.joining.pieces import PICTURES_WITH_PIECES
from harmonize.tools.joining.verdicts import (
    ALL,
    LEAST_PICTURES,
    NONE,
    NOTHING,
    SOME,
    UNSURE,
    WHOLE_LOW,
    judge_shares,
    not_shown,
    weak_classes,
)

# Letters of shapes: A and B classes of two sets.

SAME_NAME = 0.9
"""Likeness of names from which on they decide what the pixels leave open."""
_LEANS = 0.5
"""The share from which on most of a class lies in another."""


@dataclass
class Judged:
    """Pairs while they are judged.

    Attributes:
        b_in_a, a_in_b: verdicts on each share.
        notes: by pair, what was decided otherwise than by its own pixels.
        pieces: whether whole pieces of the one are answered as the other, which nothing else says.
    """

    crossing: Crossing
    shares: ClassShares
    b_in_a: Int[ndarray, "A B"]
    a_in_b: Int[ndarray, "A B"]
    weak: Bool[ndarray, "A B"]
    reasons: tuple[dict[str, str], dict[str, str]]
    notes: dict[tuple[int, int], str]
    pieces: Bool[ndarray, "A B"]

    @classmethod
    def of(cls, crossing: Crossing, shares: ClassShares, *, names: bool) -> "Judged":
        reasons = weak_classes(crossing.a), weak_classes(crossing.b)
        reasons[0].update(not_shown(crossing.a, reasons[0], crossing.b, crossing.on_b))
        reasons[1].update(not_shown(crossing.b, reasons[1], crossing.a, crossing.on_a))
        weak_a = np.array([name in reasons[0] for name in crossing.a.classes])
        weak_b = np.array([name in reasons[1] for name in crossing.b.classes])
        weak = weak_a[:, None] | weak_b[None]
        b_in_a = judge_shares(shares.b_in_a, shares.agreed_b_in_a, shares.b_in_a_bounds, 0)
        a_in_b = judge_shares(shares.a_in_b, shares.agreed_a_in_b, shares.a_in_b_bounds, 1)
        judged = cls(
            crossing,
            shares,
            np.where(weak, UNSURE, b_in_a),
            np.where(weak, UNSURE, a_in_b),
            weak,
            reasons,
            {},
            np.zeros_like(weak),
        )
        if names:
            judged.use_names()
        judged.exclude()
        judged.heed_pieces()
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
                    if verdicts[i, j] == UNSURE and found[i, j] >= _LEANS:
                        verdicts[i, j] = ALL
                        self.notes[i, j] = "by its name; the pixels alone leave it open"

    def exclude(self) -> None:
        """Use that the classes of one set have no pixel in common.

        Where b lies in a, it lies in no other class of A, and has none in it. A class of A that
        lies in b all the same, as far as shares tell, is b with something small beside it.
        """
        b_in_a, a_in_b = self.b_in_a.copy(), self.a_in_b.copy()
        for i, j in np.argwhere(b_in_a == ALL).tolist():
            for other in set(range(len(b_in_a))) - {i}:
                if self.common[other, j] <= NONE:
                    self._apart(other, j, (i, j))
            for other in set(range(b_in_a.shape[1])) - {j}:
                if a_in_b[i, other] == ALL:
                    self._has_more(self.a_in_b, (i, other), self.crossing.b.classes[j])
        for i, j in np.argwhere(a_in_b == ALL).tolist():
            for other in set(range(b_in_a.shape[1])) - {j}:
                if self.common[i, other] <= NONE:
                    self._apart(i, other, (i, j))
            for other in set(range(len(b_in_a))) - {i}:
                if b_in_a[other, j] == ALL:
                    self._has_more(self.b_in_a, (other, j), self.crossing.a.classes[i])

    def heed_pieces(self) -> None:
        """Leave open what shares call apart, where whole pieces are answered as the other."""
        a, b = self.crossing.a, self.crossing.b
        apart = (self.b_in_a == NOTHING) & (self.a_in_b == NOTHING)
        self.pieces = apart & (self.crossing.pieces.max(0) >= PICTURES_WITH_PIECES)
        for i, j in np.argwhere(self.pieces).tolist():
            found = [
                f"whole pieces of {one} are {other} to the other network in {count} of the "
                f"pictures of {name}"
                for one, other, name, count in zip(
                    (a.classes[i], b.classes[j]),
                    (b.classes[j], a.classes[i]),
                    (a.name, b.name),
                    self.crossing.pieces[:, i, j].tolist(),
                    strict=True,
                )
                if count >= PICTURES_WITH_PIECES
            ]
            self.b_in_a[i, j] = self.a_in_b[i, j] = UNSURE
            self.notes[i, j] = " and ".join(found)

    def _apart(self, i: int, j: int, inside: tuple[int, int]) -> None:
        if self.weak[i, j] or ALL in (self.b_in_a[i, j], self.a_in_b[i, j]):
            return
        if not self.b_in_a[i, j] == self.a_in_b[i, j] == NOTHING:
            a, b = self.crossing.a.classes[inside[0]], self.crossing.b.classes[inside[1]]
            self.notes[i, j] = f"since {a} and {b} lie in each other"
        self.b_in_a[i, j] = self.a_in_b[i, j] = NOTHING

    def _has_more(self, verdicts: Int[ndarray, "A B"], pair: tuple[int, int], more: str) -> None:
        verdicts[pair] = SOME
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
        if inner == outer == ALL:
            return self._same(i, j, note)
        if inner == ALL:
            return self._within(i, j, "contains", note)
        if outer == ALL:
            return self._within(i, j, "part of", note)
        if inner == outer == NOTHING:
            return "disjoint", True, note
        if UNSURE not in (inner, outer):
            if whole := self._mostly(i, j):
                return whole, False, "; ".join(filter(None, (self._undecided(i, j), note)))
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
        """Say that one lies in the other, unless they may well be the same, or it has more."""
        a, b = self.crossing.a.classes, self.crossing.b.classes
        inner, names = (self.pieces[:, j], a) if relation == "contains" else (self.pieces[i], b)
        if inner.any():
            more = ", ".join(names[n] for n in np.flatnonzero(inner).tolist())
            return relation, False, f"unless a part of it is {more}"
        if relation == "contains":
            rest, share = self.a_in_b[i, j], self.shares.a_in_b_bounds[:, i, j]
            others = self._others(self.b_in_a[i], self._open[i], j)
        else:
            rest, share = self.b_in_a[i, j], self.shares.b_in_a_bounds[:, i, j]
            others = self._others(self.a_in_b[:, j], self._open[:, j], i)
        if rest == NOTHING or share[1] < WHOLE_LOW or any(sure for _, sure in others):
            return relation, True, note
        return relation, False, f"or the same: {self._undecided(i, j)}"

    @property
    def _open(self) -> Bool[ndarray, "A B"]:
        """Whether two classes may have something in common."""
        some = (self.b_in_a != NOTHING) | (self.a_in_b != NOTHING)
        return (some & (self.common > NONE)) | self.pieces

    def _others(
        self, verdicts: Int[ndarray, " N"], is_open: Bool[ndarray, " N"], this: int
    ) -> list[tuple[int, bool]]:
        """Return what else lies in a class, or may, and whether that is sure."""
        return [
            (n, verdict == ALL)
            for n, verdict in enumerate(verdicts.tolist())
            if n != this and (verdict == ALL or is_open[n])
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
        return "overlaps" if self._has_common(i, j) else "disjoint"

    def _has_common(self, i: int, j: int) -> bool:
        """Say whether pixels speak for a common part more than for mistakes.

        What a small share of a class is answered as is a mistake more often than not, where most of
        it lies in another class and no whole pieces are answered so.
        """
        if self.crossing.pieces[:, i, j].max() >= LEAST_PICTURES:
            return True
        b_in_a, a_in_b = self.shares.agreed_b_in_a[:, j], self.shares.agreed_a_in_b[i]
        return any(
            shares[this] > NONE and (shares.max() < _LEANS or shares[this] > shares.max() / 2)
            for shares, this in ((b_in_a, i), (a_in_b, j))
        )

    def _mostly(self, i: int, j: int) -> Relation | None:
        """Guess that a class lies in another which most of it lies in, if nothing shows a rest."""
        inner, outer = self.shares.agreed_b_in_a[i, j], self.shares.agreed_a_in_b[i, j]
        numbers = range(len(self.b_in_a)), range(self.b_in_a.shape[1])
        rest_of_a = [bool(self.a_in_b[i, n] == SOME) or self._has_common(i, n) for n in numbers[1]]
        rest_of_b = [bool(self.b_in_a[n, j] == SOME) or self._has_common(n, j) for n in numbers[0]]
        if self.a_in_b[i, j] == SOME and outer >= _LEANS and not any(_but(rest_of_a, j)):
            return "part of"
        if self.b_in_a[i, j] == SOME and inner >= _LEANS and not any(_but(rest_of_b, i)):
            return "contains"
        return None

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


def _but(values: Sequence[bool], number: int) -> list[bool]:
    return [value for n, value in enumerate(values) if n != number]


def _seen(counts: Integer[ndarray, "A B"], i: int, j: int, *, answers: int) -> Seen:
    """Return what is seen of a pair; ``answers`` is the axis of what the network answers."""
    both, rows, columns = counts[i, j], counts[i].sum(), counts[:, j].sum()
    answered, labelled = (columns, rows) if answers == 1 else (rows, columns)
    return Seen(int(both), float(both / max(answered, 1)), float(both / max(labelled, 1)))


def _two(values: Float[ndarray, "2"]) -> tuple[float, float]:
    return round(float(values[0]), 4), round(float(values[1]), 4)


def _percent(values: Float[ndarray, "2"]) -> str:
    return f"{100 * values[0]:.0f} and {100 * values[1]:.0f} %"
