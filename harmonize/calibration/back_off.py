"""Backing off: the deepest node that is probable enough, and how often that is right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer, Shaped
from torch import Tensor

from harmonize.calibration.temperatures import scaled
from harmonize.config.schema import Fraction
from harmonize.decoding.decoder import Decoder
from harmonize.evaluation.sampling import PixelSample
from harmonize.evaluation.saved_scores import Number, Share
from harmonize.labels.separable import AnswerNode

# Letters of shapes: P pixels, K leaves, C classes, N nodes (the root first), U units of the
# decoding tree, D draws, Q pictures.

CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Where a curve is measured."""
DRAWS = 1000
"""Draws that an error bar is worked out from."""
MOST_DRAWN = 1000
"""Of more pictures than these, neighbours are drawn together."""
_ROUNDING = 1e-5
"""What a sum of probabilities may fall short of a confidence by."""
_SEED = 0


@dataclass(frozen=True)
class Nodes:
    """What answers back off to, the root first.

    Attributes:
        leaves: of each node.
        depths: of each node.
        above: the nodes that have each unit of the decoder's tree, which form a chain.
        decoder: decides for each pixel which unit it is.
    """

    leaves: Bool[Tensor, "N K"]
    depths: Int[Tensor, " N"]
    above: Bool[Tensor, "U N"]
    decoder: Decoder

    @classmethod
    def of(cls, answers: Sequence[AnswerNode], decoder: Decoder) -> "Nodes":
        """Return nodes that answers back off to from what a decoder decides."""
        leaves = np.stack([answer.leaves for answer in answers])
        outside = decoder.tree.leaves.astype(np.float32) @ (~leaves).T.astype(np.float32)
        depths = torch.tensor([answer.depth for answer in answers])
        return cls(torch.from_numpy(leaves), depths, torch.from_numpy(outside == 0), decoder)


def deepest(
    logits: Float[Tensor, "K *P"],
    nodes: Nodes,
    confidence: float,
    temperatures: Float[Tensor, " K"] | None = None,
    units: Integer[Tensor, "*P"] | None = None,
) -> Int[Tensor, "*P"]:
    """Return the deepest node that is as probable as ``confidence``, of those above a pixel's unit.

    The root if none is. A node's probability is the sum of its leaves'.

    Args:
        logits: of pixels, in any arrangement.
        nodes: the possible answers.
        confidence: in [0, 1].
        temperatures: see ``scaled``; the network's own probabilities are taken unless given.
        units: what the decoder decides of the pixels, if that is known.
    """
    probabilities = node_probabilities(logits, nodes, temperatures)
    units = nodes.decoder.pixels(logits) if units is None else units
    return choose(probabilities, nodes, confidence, units)


def node_probabilities(
    logits: Float[Tensor, "K *P"], nodes: Nodes, temperatures: Float[Tensor, " K"] | None
) -> Float[Tensor, "N *P"]:
    """Return the probability of each node; see ``deepest``."""
    if temperatures is not None:
        logits = scaled(logits, temperatures)
    return torch.tensordot(nodes.leaves.to(logits), logits.softmax(0), dims=1)


def choose(
    probabilities: Float[Tensor, "N *P"],
    nodes: Nodes,
    confidence: float,
    units: Integer[Tensor, "*P"],
) -> Int[Tensor, "*P"]:
    """Return the deepest node that is probable enough; see ``deepest``."""
    reached = probabilities >= confidence - _ROUNDING
    reached[0] = True
    reached &= nodes.above.T.to(units.device)[:, units.long()]
    depths = nodes.depths.to(units.device).view(-1, *[1] * units.ndim)
    return torch.where(reached, depths, -1).max(0).indices


@dataclass(frozen=True)
class Verdicts:
    """What an answer is worth, by the true class (row) and the node that is answered (column).

    Attributes:
        right: the label's leaves are all below the node, or the node's all in the label.
        finer: of these, the node says more than the label, which cannot tell whether it is so.
        wrong: they share no leaf. Where they only overlap, an answer is neither.
    """

    right: Bool[Tensor, "C N"]
    finer: Bool[Tensor, "C N"]
    wrong: Bool[Tensor, "C N"]


def judge(classes: Bool[Tensor, "C K"], nodes: Bool[Tensor, "N K"]) -> Verdicts:
    """Judge every node as an answer where a class is true; both are given by their leaves."""
    shared = classes.float() @ nodes.T.float()
    of_class, of_node = classes.sum(1)[:, None], nodes.sum(1)[None]
    inside, within = shared == of_class, shared == of_node
    return Verdicts(inside | within, within & ~inside, shared == 0)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How answers at one confidence fare; None where there is nothing to measure, or it is unknown.

    Attributes:
        kept: whether as many answers are right as the confidence says, at least up to the error
            bar; without answers nothing is promised.
        coverage: share of the labelled pixels that get a node below the root.
        accuracy: share of right answers among those that are right or wrong.
        error_bar: half the width of the interval that holds the accuracy of 95 % of draws of as
            many pictures, with replacement. The pixels of a picture hang together, so pictures are
            drawn and not pixels; pictures that hang together, as the frames of a video do, make it
            too small.
        mean_depth: of the answers below the root.
        finer: share of these that say more than the label can confirm; they count as right.
        not_judged: share of these that only overlap with the label.
    """

    kept: bool
    coverage: Share = None
    accuracy: Share = None
    error_bar: Share = None
    mean_depth: Number = None
    finer: Share = None
    not_judged: Share = None


@dataclass(frozen=True, kw_only=True)
class Point(Outcome):
    """How answers fare, and the confidence that a node must reach."""

    confidence: Fraction


def curve(
    sample: PixelSample,
    nodes: Nodes,
    *,
    labels: Bool[Tensor, "C K"],
    temperatures: Float[Tensor, " K"] | None,
    confidences: Sequence[float] = CONFIDENCES,
) -> list[Point]:
    """Say how answers fare at several confidences.

    Args:
        sample: pixels of classes with leaves.
        nodes: the possible answers.
        labels: the leaves of each class.
        temperatures: see ``deepest``.
        confidences: one for each point.
    """
    found, numbers = sample.pictures.unique(return_inverse=True)
    if len(found) > MOST_DRAWN:
        numbers = numbers * MOST_DRAWN // len(found)
    drawn = draw_pictures(min(len(found), MOST_DRAWN))
    verdicts = judge(labels, nodes.leaves)
    probabilities = node_probabilities(sample.logits.T, nodes, temperatures)
    units = nodes.decoder.pixels(sample.logits.T)
    points: list[Point] = []
    for confidence in confidences:
        given = choose(probabilities, nodes, confidence, units)
        cells = (sample.classes, given)
        answers = _Answers(
            answered=given != 0,
            right=verdicts.right[cells],
            finer=verdicts.finer[cells],
            wrong=verdicts.wrong[cells],
            depths=nodes.depths[given],
            pictures=numbers,
        )
        points.append(_point(confidence, answers, drawn))
    return points


def draw_pictures(number: int, *, seed: int = _SEED) -> Float[Tensor, "D Q"]:
    """Draw as many of some pictures, with replacement, many times; return how often each came."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(max(number, 1), (DRAWS, number), generator=generator)
    ones = torch.ones((), dtype=torch.float64).expand(DRAWS, number)
    return torch.zeros(DRAWS, number, dtype=torch.float64).scatter_add(1, drawn, ones)


def error_bar(
    right: Int[Tensor, " Q"], judged: Int[Tensor, " Q"], drawn: Float[Tensor, "D Q"]
) -> float:
    """Return half the width of the 95 % interval of an accuracy over draws of pictures.

    Args:
        right: the number of right answers in each picture.
        judged: the number of right and wrong ones.
        drawn: see ``draw_pictures``.
    """
    shares = (drawn @ right.double()) / (drawn @ judged.double())  # NaN where none was judged
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = shares.nanquantile(ends).tolist()
    return (high - low) / 2


@dataclass(frozen=True)
class _Answers:
    """What is known of the answer of each pixel."""

    answered: Bool[Tensor, " P"]
    right: Bool[Tensor, " P"]
    finer: Bool[Tensor, " P"]
    wrong: Bool[Tensor, " P"]
    depths: Int[Tensor, " P"]
    pictures: Int[Tensor, " P"]


def _point(confidence: float, answers: _Answers, drawn: Float[Tensor, "D Q"]) -> Point:
    """Sum up the answers at one confidence."""
    answered = answers.answered
    right = answered & answers.right
    judged = right | (answered & answers.wrong)
    number = drawn.shape[1]
    accuracy, bar = _mean(right[judged]), None
    if accuracy is not None:
        per_picture = [answers.pictures[of].bincount(minlength=number) for of in (right, judged)]
        bar = error_bar(per_picture[0], per_picture[1], drawn)
    return Point(
        confidence=confidence,
        kept=accuracy is None or bar is None or accuracy >= confidence - bar,
        coverage=_mean(answered),
        accuracy=accuracy,
        error_bar=bar,
        mean_depth=_mean(answers.depths[answered]),
        finer=_mean(answers.finer[answered]),
        not_judged=_mean(~judged[answered]),
    )


def _mean(values: Shaped[Tensor, " _"]) -> float | None:
    """Return the mean of numbers or truths; None of none."""
    return values.double().mean().item() if len(values) else None
