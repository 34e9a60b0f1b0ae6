"""How the classes of two data sets lie over each other, and how sure that is over pictures."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray

# Letters of shapes: P pictures, A and B classes of two sets, R resamples.

RESAMPLES = 200
_STEPS = 3
"""Of the unmixing. With many, what is rare is moved about by the mistakes of what is common."""
_SHOWN = 0.1
"""Of what a class usually covers, which pictures must show of it."""
_LEAST_PICTURES = 3
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
        pieces: [0, a, b] are the pictures of A in which a whole piece of a is answered b, and
            [1, a, b] those of B in which one of b is answered a (``pieces.count_pieces``).
    """

    a: ClassSet
    b: ClassSet
    on_a: Integer[ndarray, "P A B"]
    on_b: Integer[ndarray, "Q B A"]
    pieces: Integer[ndarray, "2 A B"]


@dataclass(frozen=True)
class ClassShares:
    """How much of one set's classes lies in those of the other, from 0 to 1, found in two ways.

    Attributes:
        b_in_a: [i, a, b] is the share of class b that lies in a, on A's pictures (i = 0) and on
            B's (i = 1).
        a_in_b: [i, a, b] is the share of class a that lies in b.
        agreed_b_in_a, agreed_a_in_b: [a, b] is what both ways agree on: their geometric mean,
            scaled so that the shares of a class add up to 1.
        b_in_a_bounds, a_in_b_bounds: [j, a, b] are the ends (j) of the 95 % interval of that, over
            pictures drawn anew.
        alike: the information that labels and answers share, as a part of the entropy of the
            labels of the set that has less of it, on A's pictures and on B's.
    """

    b_in_a: Float[ndarray, "2 A B"]
    a_in_b: Float[ndarray, "2 A B"]
    agreed_b_in_a: Float[ndarray, "A B"]
    agreed_a_in_b: Float[ndarray, "A B"]
    b_in_a_bounds: Float[ndarray, "2 A B"]
    a_in_b_bounds: Float[ndarray, "2 A B"]
    alike: tuple[float, float]


def unmix(
    counts: Float[ndarray, "*R A B"], confusion: Float[ndarray, "B B"]
) -> Float[ndarray, "*R A B"]:
    """Estimate how many pixels of each label are truly of each class that a network answers.

    A network takes class b for c in ``confusion[b, c]`` of its pixels, so that the answers in the
    pixels of a label are a mixture of the rows. A few steps of expectation maximisation, as in
    Saerens et al. (Neural Computation 2002), here for each label, take most of that off.
    """
    found = counts + _TINY
    for _ in range(_STEPS):
        found = found * ((counts / (found @ confusion + _TINY)) @ confusion.T)
    return found


def find_shares(crossing: Crossing, *, seed: int = 0, resamples: int = RESAMPLES) -> ClassShares:
    """Find how much of the classes of two sets lies in each other's."""
    sums = [one.sum(0, keepdims=True).astype(float) for one in (crossing.on_a, crossing.on_b)]
    joint = _joint(crossing, *sums)
    b_in_a, a_in_b = (one[:, 0] for one in _shares(joint))
    rng = np.random.default_rng(seed)
    drawn = [
        np.tensordot(_draw(rng, len(one), resamples), one, 1)
        for one in (crossing.on_a, crossing.on_b)
    ]
    resampled = _shares(_joint(crossing, *drawn))
    bounds = [
        np.percentile(_agreed(one, axis), (2.5, 97.5), axis=0)
        for axis, one in enumerate(resampled, 1)
    ]
    most = min(_entropy(one.pixels / one.pixels.sum()) for one in (crossing.a, crossing.b))
    alike = information(crossing.on_a.sum(0), most), information(crossing.on_b.sum(0), most)
    return ClassShares(
        b_in_a, a_in_b, _agreed(b_in_a, 0), _agreed(a_in_b, 1), bounds[0], bounds[1], alike
    )


def _draw(rng: np.random.Generator, pictures: int, resamples: int) -> Float[ndarray, "R P"]:
    """Draw how often each picture counts in each resample."""
    return rng.multinomial(pictures, np.full(pictures, 1 / pictures), resamples).astype(float)


def _joint(
    crossing: Crossing, on_a: Float[ndarray, "R A B"], on_b: Float[ndarray, "R B A"]
) -> Float[ndarray, "2 R A B"]:
    """Return pixels by true class of either set, on the pictures of each."""
    first = unmix(on_a, crossing.b.confusion)
    second = unmix(on_b, crossing.a.confusion)
    return np.stack([first, second.swapaxes(1, 2)])


def _shares(
    joint: Float[ndarray, "2 R A B"],
) -> tuple[Float[ndarray, "2 R A B"], Float[ndarray, "2 R A B"]]:
    b_in_a = joint / np.maximum(joint.sum(2, keepdims=True), _TINY)
    a_in_b = joint / np.maximum(joint.sum(3, keepdims=True), _TINY)
    return b_in_a, a_in_b


def _agreed(shares: Float[ndarray, "2 *R A B"], axis: int) -> Float[ndarray, "*R A B"]:
    """Return what both ways agree on; shares add up to 1 along an axis."""
    both = np.sqrt(shares[0] * shares[1])
    return both / np.maximum(both.sum(axis, keepdims=True), _TINY)


def shown(answers: Integer[ndarray, "P A B"], one: ClassSet) -> Bool[ndarray, " B"]:
    """Say which classes of a set the pictures of another show, by the answers of its network.

    The network answers each on a share of their pixels. That must be more than in those of its own
    pictures which have nothing of the class, by a tenth of what those have more that have it.
    """
    pixels = np.maximum(answers.sum((1, 2)), 1)[:, None]
    found = (answers.sum(1) / pixels).mean(0)
    answered = one.own.sum(1) / np.maximum(one.own.sum((1, 2)), 1)[:, None]
    labelled = one.own.sum(2) > 0
    result = np.zeros(len(one.classes), dtype=bool)
    for number, having in enumerate(labelled.T):
        usual = answered[having, number].mean() if having.any() else 0.0
        enough = (~having).sum() >= _LEAST_PICTURES
        mistaken = answered[~having, number].mean() if enough else 0.0
        result[number] = found[number] > mistaken + _SHOWN * max(usual - mistaken, 0)
    return result


def information(counts: Integer[ndarray, "A B"], most: float) -> float:
    """Return the mutual information of rows and columns over the most that it could be, in nats.

    A network that has never seen such pictures answers the same of most labels, or anything.
    """
    p = counts / max(counts.sum(), 1)
    shared = _entropy(p.sum(1)) + _entropy(p.sum(0)) - _entropy(p.ravel())
    return float(np.clip(shared / most, 0, 1)) if most > 0 else 0.0


def _entropy(p: Float[ndarray, " N"]) -> float:
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())
