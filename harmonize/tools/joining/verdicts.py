"""When shares of pixels say that a class lies in another, and when they say nothing."""

import numpy as np
from jaxtyping import Float, Int, Integer
from numpy import ndarray

from harmonize.plurals import plural
from harmonize.tools.joining.contingency import ClassSet, shown

# Letters of shapes: P pictures, A and B classes of two sets.

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

UNSURE, NOTHING, SOME, ALL = range(4)
"""What is said of the share of a class that lies in another."""


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
            many = f"{pixels:,.0f} {plural(round(pixels), 'pixel')}"
            found[name] = f"only {many} of it in {pictures} of the pictures looked at"
        elif value < LEAST_IOU:
            found[name] = f"its own network hardly recognises it (IoU {100 * value:.0f} %)"
    return found


def not_shown(
    one: ClassSet, known: dict[str, str], other: ClassSet, answers: Integer[ndarray, "P B A"]
) -> dict[str, str]:
    """Return the classes of a set that another's pictures do not show, each with the reason."""
    reason = f"its network finds hardly any in the pictures of {other.name}"
    return {
        name: reason
        for name, is_shown in zip(one.classes, shown(answers, one).tolist(), strict=True)
        if not is_shown and name not in known
    }


def judge_shares(
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
    return np.select([whole, none, part], [ALL, NOTHING, SOME], UNSURE)
