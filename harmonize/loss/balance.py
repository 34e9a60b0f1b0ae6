"""Weights of the loss's terms from how often the sets of leaves occur in the labels."""

from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.labels.target_space import TargetSpace

# Letters of shapes: N codes, D depths, S sets of leaves.

Balance = Literal["none", "sqrt", "inverse", "effective"]
COMMON = 0.02
"""Share of the pixels from which on ``effective`` takes a set for common."""
_ROUNDS = 100


def balance_weights(
    space: TargetSpace, pixels: Float[ndarray, " N"], *, by: Balance, cap: float
) -> Float[ndarray, "N D"]:
    """Return a factor of each code's term at each depth.

    At each depth the terms of all labels with the same S_d share a factor, f(share of S_d among the
    pixels that resolve the depth), scaled so that its mean over those pixels is 1, and capped:

    - ``sqrt``: share ** -0.5
    - ``inverse``: 1 / share
    - ``effective``: 1 / (1 - exp(-share / 0.02)), the inverse of the effective number of samples
      (Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", 2019) with
      1 / (1 - beta) = 2 % of the pixels: sets above that share differ little from each other.

    Args:
        space: gives the codes.
        pixels: of each code, in any unit, as often as a run meets them; codes that do not occur,
            and depths that no label resolves, get 1.
        by: which f.
        cap: the greatest factor, in units of the mean; at least 1.
    """
    num_codes, depth = len(pixels), space.ontology.depth
    factors = np.ones((num_codes, depth))
    if by == "none":
        return factors
    agreement, resolved = space.agreement[:num_codes], space.num_resolved[:num_codes]
    for d in range(1, depth + 1):
        asked = np.flatnonzero((resolved >= d) & (pixels > 0))
        if len(asked) == 0:
            continue
        _, set_of = np.unique(agreement[asked] >= d, axis=0, return_inverse=True)
        set_of = set_of.reshape(-1)
        shares = np.bincount(set_of, weights=pixels[asked])
        shares = shares / shares.sum()
        factors[asked, d - 1] = _capped(_rarity(shares, by), shares, cap)[set_of]
    return factors


def _rarity(shares: Float[ndarray, " S"], by: Balance) -> Float[ndarray, " S"]:
    if by == "sqrt":
        return shares**-0.5
    return 1 / shares if by == "inverse" else -1 / np.expm1(-shares / COMMON)


def _capped(
    factors: Float[ndarray, " S"], shares: Float[ndarray, " S"], cap: float
) -> Float[ndarray, " S"]:
    """Scale to a mean of 1 and cap, until both hold: what the cap takes goes to the others."""
    for _ in range(_ROUNDS):
        factors = np.minimum(factors / (factors * shares).sum(), cap)
    return factors / (factors * shares).sum()
