"""Whole pieces of a class which another set's network answers as one of its classes.

A class that has a twentieth of something else looks like one that has not, as far as shares tell:
networks mistake as much along every edge. A beard that one set calls hair and the other skin is
told from that by being a piece of its own, which one network knows as hair and the other as skin.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float, Integer
from numpy import ndarray
from scipy import ndimage

# Letters of shapes: H x W pixels of a label, N pieces of a picture, P pictures, A and B classes.

LEAST_AREA = 0.003
"""Share of the labelled pixels of a picture that a piece has at least."""
_KNOWN = 0.5
"""Share of a piece that its own network answers as its class."""
_ANSWERED = 0.75
"""Share of a piece that the other network answers as one class."""
PICTURES_WITH_PIECES = 2
"""Pictures with such pieces that make a doubt; one alone may be an annotator's mistake."""

Pieces = Float[ndarray, "N 3"]
"""Of each piece of a picture its class, what most of it is answered as, and how much of it."""


def _label(mask: Bool[ndarray, "H W"]) -> tuple[Integer[ndarray, "H W"], int]:
    """Number the connected pieces of a mask from 1, and count them."""
    places = np.zeros(mask.shape, dtype=np.int32)
    count = ndimage.label(mask, output=places)
    assert isinstance(count, int)
    return places, count


def answer_pieces(
    labels: Integer[ndarray, "H W"], answers: Integer[ndarray, "H W"], num_answers: int
) -> Pieces:
    """Find what each connected piece of each class is answered as.

    Args:
        labels: classes of the set, negative where a pixel has none.
        answers: classes of the network, negative where it has none.
        num_answers: the number of the network's classes.

    Returns:
        Pieces in an order that is the same for every network; small ones are left out.
    """
    least = max(LEAST_AREA * (labels >= 0).sum(), 1)
    found: list[tuple[float, float, float]] = []
    known = answers >= 0
    for number in np.unique(labels[labels >= 0]).tolist():
        places, count = _label(labels == number)
        table = np.bincount(
            places[known].astype(np.int64) * num_answers + answers[known],
            minlength=(count + 1) * num_answers,
        ).reshape(count + 1, num_answers)
        areas = np.bincount(places.ravel(), minlength=count + 1)
        for piece in (np.flatnonzero(areas[1:] >= least) + 1).tolist():
            most = int(table[piece].argmax())
            found.append((number, most, table[piece, most] / areas[piece]))
    return np.array(found).reshape(-1, 3)


def count_pieces(
    seen: Iterable[tuple[Pieces, Pieces]], shape: tuple[int, int]
) -> Integer[ndarray, "A B"]:
    """Count the pictures in which a piece that its own network knows is answered as a class.

    Args:
        seen: of each picture the pieces as the own network answers them, and as the other does.
        shape: the number of classes of the set, and of the other network.
    """
    pictures = np.zeros(shape, dtype=np.int64)
    for own, other in seen:
        known = (own[:, 0] == own[:, 1]) & (own[:, 2] >= _KNOWN)
        whole = other[known & (other[:, 2] >= _ANSWERED)]
        pairs = np.unique(whole[:, :2].astype(np.int64), axis=0)
        pictures[pairs[:, 0], pairs[:, 1]] += 1
    return pictures
