"""How far a right float32 result may lie from the exact one: bounds that hold on every CPU."""

ROUNDING = 2.0**-24
"""The largest relative error of one float32 operation."""


def rounded(operations: int) -> float:
    """Return the relative error after so many float32 operations, such as the terms of a sum.

    It holds in any order of a sum whose terms have one sign, and so for every way in which a CPU
    shares a sum out to its lanes.
    """
    return operations * ROUNDING


def interpolated(side: int) -> float:
    """Return how far bilinear interpolations may differ, as a share of neighbours' difference.

    A place along a side of so many pixels comes from the scale, a product and a difference, each
    rounded; so does the place it is compared with.
    """
    return 6 * side * ROUNDING


ORDER_OF_SUMS = 1e-4
"""How far weights and losses of one run may move apart if its sums are taken in another order.

The gradient of a batch of 16 x 16 x 6 pixels then differs by up to ``rounded(1536)`` of its length,
about 1, and weights by that times the learning rate of 0.05 in each of 20 steps: 0.9e-4. Other
data, or a part counted twice, moves them by more than 1e-3.
"""
