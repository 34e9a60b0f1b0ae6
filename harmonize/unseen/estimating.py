"""Estimate how often answers are right on pictures without labels, from how steady they are.

Agreement between views stands in for accuracy: over many shifts of the pictures both move along one
line, on the scale of log odds (Baek et al., "Agreement-on-the-Line: Predicting the Performance of
Neural Networks under Distribution Shift", 2022; that disagreement is about as large as the error is
of Jiang et al., "Assessing Generalization of SGD via Disagreement", 2022). Pictures with labels say
where an answer's line begins; from there its slope is taken as 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harmonize.calibration.back_off import draw_pictures
from harmonize.unseen.picture_sums import COUNTS, PictureSums, joined

# Letters of shapes: Q pictures, C answers, D draws; * any draws, or none.

LEAST_PIXELS = 100
"""With fewer labelled ones an answer has nothing of its own to begin from."""
_PRIOR = 50.0
"""Pixels that all answers together weigh, in what is known of each."""
_LEAST_ODDS = 1e-4
"""Shares nearer to 0 or 1 than this count as this."""
_PIXELS, _RIGHT, _CONFIDENCE, _MIRRORED, _STEADY = range(len(COUNTS))


@dataclass(frozen=True)
class Errors:
    """How far an estimate may be off, by reason.

    Attributes:
        pictures: half the width of the interval that holds it in 95 % of draws of as many
            pictures, with labels and without; of one answer at least the error of as many coin
            tosses as pictures have it.
        methods: half the distance between the largest and the smallest that confidence alone, the
            mirrored view alone and all views together give.
        shift: what the estimate is away from the accuracy where labels are.
        sets: how far estimates for each labelled set from the others are from the truth; None
            where no two sets judge the same answers.
    """

    pictures: float
    methods: float
    shift: float
    sets: float | None

    @property
    def total(self) -> float:
        """The root of the sum of squares; of the last two the larger."""
        unseen = max(self.shift, self.sets or 0.0)
        return (self.pictures**2 + self.methods**2 + unseen**2) ** 0.5


@dataclass(frozen=True)
class Estimate:
    """What is estimated of one answer, or of all together.

    Attributes:
        share: of the pixels without labels that are answered so.
        labelled: the accuracy where labels are; None where none of them judges the answer.
        labelled_pixels: the number of pixels there.
        accuracy: the estimate; None where the answer is not given.
        errors: of the estimate.
    """

    share: float
    labelled: float | None
    labelled_pixels: int
    accuracy: float | None
    errors: Errors | None

    @property
    def is_borrowed(self) -> bool:
        """Whether labels hardly judge the answer, so that it goes by all answers together."""
        return self.labelled_pixels < LEAST_PIXELS


def estimate(
    labelled: Sequence[PictureSums], unlabelled: PictureSums
) -> tuple[list[Estimate], Estimate]:
    """Estimate the accuracy of each answer, and of all.

    Args:
        labelled: sets whose pixels count only where labels judge an answer; at least one pixel.
        unlabelled: the pictures in question.
    """
    source = joined(labelled)
    known, asked = source.total, unlabelled.total
    by_method = _by_method(known, asked)
    found, spread = by_method[-1], by_method.amax(0) - by_method.amin(0)
    begin = _shrunk(known, known[:, _RIGHT])
    shift = (found - torch.cat([begin, _overall(begin, asked)[None]])).abs()
    pictures, sets = _picture_errors(source, unlabelled, found), _left_out(labelled)
    known = torch.cat([known, known.sum(0, keepdim=True)])
    asked = torch.cat([asked, asked.sum(0, keepdim=True)])
    estimates: list[Estimate] = []
    for number, (of_known, of_asked) in enumerate(zip(known.tolist(), asked.tolist(), strict=True)):
        judged, pixels = int(of_known[_PIXELS]), of_asked[_PIXELS]
        errors = Errors(
            pictures[number].item(),
            spread[number].item() / 2,
            shift[number].item(),
            None if sets is None else sets[number].item(),
        )
        one = Estimate(
            share=pixels / max(asked[-1, _PIXELS].item(), 1),
            labelled=of_known[_RIGHT] / judged if judged else None,
            labelled_pixels=judged,
            accuracy=found[number].item() if pixels else None,
            errors=errors if pixels else None,
        )
        estimates.append(one)
    return estimates[:-1], estimates[-1]


def _by_method(
    known: Float[Tensor, "*D C 5"], asked: Float[Tensor, "*D C 5"]
) -> Float[Tensor, "4 *D E"]:
    """Return the estimates by confidence, the mirrored view, all views, and the one that is taken.

    The last of the E answers is all of them together.
    """
    begin = _log_odds(_shrunk(known, known[..., _RIGHT]))
    moves: list[Tensor] = []
    for column in (_CONFIDENCE, _MIRRORED, _STEADY):
        usual = _PRIOR * _shrunk(known, known[..., column])
        before, after = (
            (counts[..., column] + usual) / (counts[..., _PIXELS] + _PRIOR)
            for counts in (known, asked)
        )
        moves.append(_log_odds(after) - _log_odds(before))
    moves.append((moves[1] + moves[2]) / 2)
    found = (begin + torch.stack(moves)).sigmoid()
    return torch.cat([found, _overall(found, asked)[..., None]], -1)


def _overall(
    accuracies: Float[Tensor, "*M C"], asked: Float[Tensor, "*D C 5"]
) -> Float[Tensor, "*M"]:
    """Return the mean over the pixels in question."""
    pixels = asked[..., _PIXELS]
    return (accuracies * pixels).sum(-1) / pixels.sum(-1).clamp(min=1)


def _shrunk(
    counts: Float[Tensor, "*D C 5"], number: Float[Tensor, "*D C"]
) -> Float[Tensor, "*D C"]:
    """Return a number's share of each answer's pixels, those of all answers mixed in a little."""
    pixels = counts[..., _PIXELS]
    whole = number.sum(-1, keepdim=True) / pixels.sum(-1, keepdim=True).clamp(min=1)
    return (number + _PRIOR * whole) / (pixels + _PRIOR)


def _log_odds(shares: Float[Tensor, "*D C"]) -> Float[Tensor, "*D C"]:
    return shares.clamp(_LEAST_ODDS, 1 - _LEAST_ODDS).logit()


def _picture_errors(
    source: PictureSums, unlabelled: PictureSums, found: Float[Tensor, " E"]
) -> Float[Tensor, " E"]:
    """Return how far the choice of pictures may move the estimates; see ``Errors``."""
    known = source.drawn(draw_pictures(source.num_blocks, seed=0))
    asked = unlabelled.drawn(draw_pictures(unlabelled.num_blocks, seed=1))
    ends = torch.tensor([0.025, 0.975], dtype=torch.float64)
    low, high = _by_method(known, asked)[-1].quantile(ends, 0)
    number = torch.minimum(_pictures_of(source), _pictures_of(unlabelled))
    tosses = (found * (1 - found))[:-1] / number
    return torch.maximum((high - low) / 2, torch.cat([tosses.sqrt(), tosses.new_zeros(1)]))


def _pictures_of(sums: PictureSums) -> Float[Tensor, " C"]:
    """Return how many pictures have an answer, those counting little that have little of it."""
    pixels = sums.counts[..., _PIXELS]
    return (pixels.sum(0) ** 2 / (pixels**2).sum(0).clamp(min=1)).clamp(min=1)


def _left_out(labelled: Sequence[PictureSums]) -> Float[Tensor, " E"] | None:
    """Return how far the estimates for each set, from the others, are from the truth.

    The root of the mean square over the sets that judge an answer by enough pixels. An answer that
    fewer than two sets judge has the error of all answers' pixels.
    """
    if len(labelled) < 2:
        return None
    squares: list[Tensor] = []
    weights: list[Tensor] = []
    for number, one in enumerate(labelled):
        rest = joined([*labelled[:number], *labelled[number + 1 :]]).total
        both = _judged(rest) & _judged(one.total)
        if not both.any():
            continue
        known, asked = rest * both[:, None], one.total * both[:, None]
        truth = asked[:, _RIGHT] / asked[:, _PIXELS].clamp(min=1)
        truth = torch.cat([truth, _overall(truth, asked)[None]])
        squares.append((_by_method(known, asked)[-1] - truth) ** 2)
        weights.append(torch.cat([asked[:, _PIXELS] * both, asked[:, _PIXELS].sum()[None]]))
    if not squares:
        return None
    square, weight = torch.stack(squares), torch.stack(weights)
    enough = (weight > 0).double()
    of_each = (square * enough).sum(0) / enough.sum(0).clamp(min=1)
    of_all = (square[:, :-1] * weight[:, :-1]).sum() / weight[:, :-1].sum()
    return torch.where(enough.sum(0) > 1, of_each, of_all).sqrt()


def _judged(counts: Float[Tensor, "C 5"]) -> Bool[Tensor, " C"]:
    return counts[:, _PIXELS] >= LEAST_PIXELS
