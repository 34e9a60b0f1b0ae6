"""Temperatures that make a network as sure of its answers as labels bear out.

Softmax of logits divided by a temperature (Guo et al., On Calibration of Modern Neural Networks,
2017): one for a data set, and one for each of its classes, for the pixels whose most probable leaf
is of that class.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harmonize.evaluation.sampling import PixelSample

# Letters of shapes: P pixels, K leaves, C classes, Q pictures.

BOUND = 8.0
"""Temperatures lie between its inverse and this."""
LEAST_PICTURES = 20
LEAST_PIXELS = 100
"""With fewer of either, how uncertain a class's temperature is cannot be told. On ten pictures of
FaceSynthetics classes seemed certain to be apart, and on ten others they were not."""
SPREAD = 0.3
"""How far the log of a class's temperature is expected to be from that of the whole set; about as
far as those of well-known classes were for networks trained on CamVid."""
_GRID = 13
"""Temperatures that are tried before the best is refined."""
_TOLERANCE = 1e-3
"""Of the log of a temperature."""
_STEP = 0.02
"""In the log of a temperature, over which derivatives are taken."""


@dataclass(frozen=True)
class Calibration:
    """The temperatures of one data set.

    Attributes:
        temperature: of the whole set.
        by_class: of each of its classes that has leaves.
        by_leaf: of the pixels with each most probable leaf: its class's, or the set's.
    """

    temperature: float
    by_class: Mapping[str, float]
    by_leaf: Float[Tensor, " K"]


def scaled(
    logits: Float[Tensor, "K *P"], temperatures: Float[Tensor, " K"]
) -> Float[Tensor, "K *P"]:
    """Divide each pixel's logits by the temperature of its most probable leaf, which stays it."""
    return logits / temperatures[logits.argmax(0)]


def fit(sample: PixelSample, *, labels: Bool[Tensor, "C K"], names: Sequence[str]) -> Calibration:
    """Find the temperatures that make labels most probable.

    The set's minimises the mean of -log p(S), p the softmax of logits / temperature and S the
    leaves of the true class. A class's minimises the same over the pixels whose most probable leaf
    is its own, and is then moved towards the set's as far as it is uncertain: in logs, by
    variance / (variance + ``SPREAD``**2). The variance is that of an estimate from clusters, which
    the pictures are, so neither many pixels of few pictures nor few pixels of many weigh much. With
    fewer pictures or pixels than ``LEAST_PICTURES`` and ``LEAST_PIXELS``, or at a bound, a class
    takes the set's.

    Args:
        sample: pixels of classes with leaves.
        labels: the leaves of each class.
        names: of the classes.
    """
    gaps = logit_gaps(sample.logits, labels[sample.classes])
    whole = minimize(lambda log_t: _loss(gaps, log_t).mean().item())
    owner = owners(labels)
    winner = owner[sample.logits.argmax(1)]
    logs: dict[int, float] = {}
    for number in labels.any(1).nonzero().flatten().tolist():
        here = winner == number
        own = (gaps[0][here], gaps[1][here], gaps[2][here])
        logs[number] = of_class(own, sample.pictures[here], whole)
    by_leaf = [logs.get(number, whole) for number in owner.tolist()]
    return Calibration(
        math.exp(whole),
        {names[number]: math.exp(log_t) for number, log_t in logs.items()},
        torch.tensor(by_leaf, dtype=torch.float32).exp(),
    )


def mean_loss(
    sample: PixelSample,
    labels: Bool[Tensor, "C K"],
    temperatures: Float[Tensor, " K"] | None = None,
) -> float:
    """Return the mean of -log p(S); see ``fit``.

    Args:
        sample: pixels of classes with leaves.
        labels: the leaves of each class.
        temperatures: see ``scaled``; none unless given.
    """
    logits = sample.logits if temperatures is None else scaled(sample.logits.T, temperatures).T
    return _loss(logit_gaps(logits, labels[sample.classes]), 0.0).mean().item()


def owners(labels: Bool[Tensor, "C K"]) -> Int[Tensor, " K"]:
    """Return the class of each leaf: of several the one with fewest leaves; -1 without any."""
    sizes = torch.where(labels, labels.sum(1)[:, None], labels.shape[1] + 1)
    return torch.where(labels.any(0), sizes.min(0).indices, -1)


def minimize(loss: Callable[[float], float]) -> float:
    """Return the log of the temperature with the least loss, which is looked for within bounds.

    On a grid first, as -log p(S) may have several minima where S is several leaves, then between
    the neighbours of the best by golden section.
    """
    end = math.log(BOUND)
    grid = [end * (2 * number / (_GRID - 1) - 1) for number in range(_GRID)]
    losses = [loss(log_t) for log_t in grid]
    best = losses.index(min(losses))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    golden = (math.sqrt(5) - 1) / 2
    left, right = high - golden * (high - low), low + golden * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > _TOLERANCE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - golden * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + golden * (high - low)
            at_right = loss(right)
    return (low + high) / 2


_Gaps = tuple[Float[Tensor, "P K"], Float[Tensor, "P K"], Float[Tensor, " P"]]


def logit_gaps(logits: Float[Tensor, "P K"], inside: Bool[Tensor, "P K"]) -> _Gaps:
    """Return what of -log p(S) no temperature changes.

    The logits less their maximum, those of S less theirs and minus infinity elsewhere, and the
    difference of the two maxima.
    """
    of_label = logits.masked_fill(~inside, -torch.inf)
    most, most_of_label = logits.amax(1, keepdim=True), of_label.amax(1, keepdim=True)
    return logits - most, of_label - most_of_label, (most - most_of_label)[:, 0]


def _loss(gaps: _Gaps, log_t: float) -> Float[Tensor, " P"]:
    """Return each pixel's -log p(S) at a temperature, in float64."""
    every, of_label, between = gaps
    scale = math.exp(-log_t)
    sums = [(part * scale).exp_().sum(1).double().log() for part in (every, of_label)]
    return sums[0] - sums[1] + between.double() * scale


def of_class(gaps: _Gaps, pictures: Int[Tensor, " P"], whole: float) -> float:
    """Return the log of a class's temperature, moved towards the set's."""
    found, numbers = pictures.unique(return_inverse=True)
    if len(found) < LEAST_PICTURES or len(pictures) < LEAST_PIXELS:
        return whole
    own = minimize(lambda log_t: _loss(gaps, log_t).mean().item())
    before, here, after = (_loss(gaps, own + step) for step in (-_STEP, 0.0, _STEP))
    bend = ((before + after - 2 * here) / _STEP**2).sum().item()
    if abs(own) > math.log(BOUND) - 2 * _TOLERANCE or bend <= 0:
        return whole
    slopes = torch.zeros(len(found), dtype=torch.float64)
    slopes.index_add_(0, numbers, (after - before) / (2 * _STEP))
    variance = (slopes**2).sum().item() / bend**2 * len(found) / (len(found) - 1)
    return whole + (own - whole) * SPREAD**2 / (SPREAD**2 + variance)
