"""A class of one data set beside one of another: what the one is to the other, and the evidence."""

from dataclasses import dataclass
from typing import Literal

Relation = Literal["same", "part of", "contains", "overlaps", "disjoint", "unknown"]
Class = tuple[str, str]
"""A data set and one of its classes."""

IN_COMMON = "both have a part in common"
"""What is said of classes whose pixels show it."""


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
