"""How the classes of two data sets lie over each other, and how sure that is over pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Integer
from numpy import ndarray

# Letters of shapes: P pictures, A and B classes of two sets, R resamples.

RESAMPLES = 200
_STEPS = 60
"""Of the unmixing, from which on shares change by less than a hundredth."""
_TINY = 1e-9


@dataclass(frozen=True)
class ClassSet:
    """The classes of a data set that can be told apart.

    Attributes:
        name: of the data set.
        classes: those with a meaning of their own; of several with one meaning, the first's name.
        members: all names of each.
        own: by picture, true class and answer, pixels of the set's own pictures as its own network
            answers them.
    """

    name: str
    classes: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]
    own: Integer[ndarray, "P A A"]

    @property
    def confusion(self) -> Float[ndarray, "A A"]:
        """What the own network answers in the pixels of each class; rows add up to 1."""
        counts = self.own.sum(0).astype(float)
        unseen = counts.sum(1) == 0
        counts[unseen, unseen] = 1.0
        return counts / counts.sum(1, keepdims=True)

    @property
    def pixels(self) -> Float[ndarray, " A"]:
        """Labelled pixels of each class."""
        return self.own.sum((0, 2)).astype(float)

    @property
    def pictures(self) -> Integer[ndarray, " A"]:
        """Pictures in which each class is labelled."""
        return (self.own.sum(2) > 0).sum(0)

    @property
    def recall(self) -> Float[ndarray, " A"]:
        """The share of each class's pixels that the own network answers so; 0 without pixels."""
        counts = self.own.sum(0)
        return np.diag(counts) / np.maximum(counts.sum(1), 1)

    @property
    def precision(self) -> Float[ndarray, " A"]:
        """The share of the pixels answered as each class that are of it; 0 if none are."""
        counts = self.own.sum(0)
        return np.diag(counts) / np.maximum(counts.sum(0), 1)


@dataclass(frozen=True)
class Crossing:
    """Two data sets, each seen by the other's network.

    Attributes:
        a, b: the sets.
        on_a: by picture of A, its label and what B's network answers there, pixels.
        on_b: by picture of B, its label and what A's network answers there, pixels.
    """

    a: ClassSet
    b: ClassSet
    on_a: Integer[ndarray, "P A B"]
    on_b: Integer[ndarray, "Q B A"]


@dataclass(frozen=True)
class Shares:
    """How much of one set's classes lies in those of the other, from 0 to 1, found in two ways.

    Attributes:
        b_in_a: [i, a, b] is the share of class b that lies in a, on A's pictures (i = 0) and on
            B's (i = 1).
        a_in_b: [i, a, b] is the share of class a that lies in b.
        b_in_a_bounds, a_in_b_bounds: [j, a, b] are the ends (j) of the 95 % interval of the mean
            of both, over pictures drawn anew.
        alike: the information that labels and answers share, as a part of the most that they
            could, on A's pictures and on B's.
    """

    b_in_a: Float[ndarray, "2 A B"]
    a_in_b: Float[ndarray, "2 A B"]
    b_in_a_bounds: Float[ndarray, "2 A B"]
    a_in_b_bounds: Float[ndarray, "2 A B"]
    alike: tuple[float, float]


def unmix(
    counts: Float[ndarray, "*R A B"], confusion: Float[ndarray, "B B"]
) -> Float[ndarray, "*R A B"]:
    """Estimate how many pixels of each label are truly of each class that a network answers.

    A network takes class b for c in ``confusion[b, c]`` of its pixels, so that the answers in the
    pixels of a label are a mixture of the rows. The shares of most likelihood are found by
    expectation maximisation, as in Saerens et al. (Neural Computation 2002), here for each label.
    """
    found = counts + _TINY
    for _ in range(_STEPS):
        found = found * ((counts / (found @ confusion + _TINY)) @ confusion.T)
    return found


def find_shares(crossing: Crossing, *, seed: int = 0, resamples: int = RESAMPLES) -> Shares:
    """Find how much of the classes of two sets lies in each other's."""
    joint = _joint(crossing, crossing.on_a.sum(0)[None], crossing.on_b.sum(0)[None])
    b_in_a, a_in_b = _shares(joint)
    rng = np.random.default_rng(seed)
    drawn = [
        np.tensordot(_draw(rng, len(one), resamples), one, 1)
        for one in (crossing.on_a, crossing.on_b)
    ]
    bounds = [
        np.percentile(one.mean(0), (2.5, 97.5), axis=0) for one in _shares(_joint(crossing, *drawn))
    ]
    alike = information(crossing.on_a.sum(0)), information(crossing.on_b.sum(0))
    return Shares(b_in_a[:, 0], a_in_b[:, 0], bounds[0], bounds[1], alike)


def _draw(rng: np.random.Generator, pictures: int, resamples: int) -> Float[ndarray, "R P"]:
    """Draw how often each picture counts in each resample."""
    return rng.multinomial(pictures, np.full(pictures, 1 / pictures), resamples).astype(float)


def _joint(
    crossing: Crossing, on_a: Float[ndarray, "R A B"], on_b: Float[ndarray, "R B A"]
) -> Float[ndarray, "2 R A B"]:
    """Return pixels by true class of either set, on the pictures of each."""
    first = unmix(on_a.astype(float), crossing.b.confusion)
    second = unmix(on_b.astype(float), crossing.a.confusion)
    return np.stack([first, second.swapaxes(1, 2)])


def _shares(
    joint: Float[ndarray, "2 R A B"],
) -> tuple[Float[ndarray, "2 R A B"], Float[ndarray, "2 R A B"]]:
    b_in_a = joint / np.maximum(joint.sum(2, keepdims=True), _TINY)
    a_in_b = joint / np.maximum(joint.sum(3, keepdims=True), _TINY)
    return b_in_a, a_in_b


def information(counts: Integer[ndarray, "A B"]) -> float:
    """Return the mutual information of rows and columns over the smaller of their entropies."""
    p = counts / max(counts.sum(), 1)
    rows, columns = p.sum(1), p.sum(0)
    most = min(_entropy(rows), _entropy(columns))
    shared = _entropy(rows) + _entropy(columns) - _entropy(p.ravel())
    # Where one of both is always the same, nothing is shared.
    return float(np.clip(shared / most, 0, 1)) if most > 0 else 0.0


def _entropy(p: Float[ndarray, " N"]) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def names_of(sets: Sequence[ClassSet]) -> str:
    """Name several data sets in a sentence."""
    return " and ".join(one.name for one in sets)
