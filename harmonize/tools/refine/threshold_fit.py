"""Thresholds at which as many completed pixels are right as the confidence says.

A network that was trained on balanced classes is too sure of rare ones, and no single temperature
mends that. Where pictures with finer labels are at hand that the network was not trained on, their
labels are coarsened to what the labels to be completed say, and completed: the share that is then
right tells how probable each set must be.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from harmonize.data.bad_samples import BadSample
from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.views import ViewedNetwork
from harmonize.system.agreement import together
from harmonize.tools.refine.complete_labels import read_pictures
from harmonize.tools.refine.label_sets import LabelSets

# Letters of shapes: P pixels, M sets of a label, K leaves.

FEWEST = 200
"""Sampled pixels of a set below which its threshold is not fitted."""
_SAMPLED = 400
"""Pixels of a class that are taken of a picture."""
_MOST_PICTURES = 200
_STEPS = 64
"""Thresholds that are tried for a set."""
_ERRORS = 1.0
"""Standard errors that the share of right pixels must lie above the confidence. The pixels of a
picture hang together, so it is an error over pictures, as of an estimate from clusters."""
_NEVER = 1.0

Thresholds = dict[tuple[int, int], float]
"""By class of the data set and number of the set; a set that is not named takes the confidence."""


@dataclass
class _Sample:
    """Pixels with one label whose truth is finer.

    Attributes:
        picture: a number for each picture.
        within: the probability of each set within the label.
        right: whether the truth lies in the set, or is larger than it.
        weight: how many pixels each stands for.
    """

    picture: list[Int[ndarray, " P"]] = field(default_factory=list[ndarray])
    within: list[Float[ndarray, "P M"]] = field(default_factory=list[ndarray])
    right: list[Bool[ndarray, "P M"]] = field(default_factory=list[ndarray])
    weight: list[Float[ndarray, " P"]] = field(default_factory=list[ndarray])


def fit_thresholds(
    datasets: Sequence[SegmentationDataset],
    truths: Sequence[Bool[ndarray, "_ K"]],
    network: ViewedNetwork,
    sets: LabelSets,
    *,
    confidence: float,
    accelerator: Accelerator,
    workers: int,
) -> Thresholds:
    """Find how probable each set must be; every process must call this.

    From the deepest sets to the shallowest, each takes of the pixels that no deeper one took the
    most probable ones, as many as leave the share of right ones above the confidence by a standard
    error, and none below it. A set that never is right as often takes none.

    Args:
        datasets: with finer labels than those to be completed.
        truths: the leaves of each of their classes.
        network: that completes.
        sets: what labels can become.
        confidence: that must be reached in any case.
        accelerator: whose processes share the pictures.
        workers: loader processes.
    """
    samples: dict[int, _Sample] = {}
    with together():
        for number, dataset in enumerate(datasets):
            before = sum(map(len, datasets[:number]))
            given = _samples(dataset, truths[number], network, sets, accelerator, workers, before)
            with network.network.like(dataset.spec.name):
                for label, one in given:
                    mine = samples.setdefault(label, _Sample())
                    mine.picture += one.picture
                    mine.within += one.within
                    mine.right += one.right
                    mine.weight += one.weight
    gathered: list[dict[int, _Sample]] = gather_object([samples])
    found: Thresholds = {}
    for label in sorted({label for one in gathered for label in one}):
        parts = [one[label] for one in gathered if label in one]
        joined = _Pixels(
            *(
                np.concatenate([array for part in parts for array in getattr(part, name)])
                for name in ("picture", "within", "right", "weight")
            )
        )
        own = _fit(joined, np.array(sets.finer.depths[label]), confidence)
        numbers = sets.finer.choices[label]
        same = [c for c, other in enumerate(sets.finer.choices) if other[:1] == numbers[:1]]
        found |= {(c, numbers[place]): value for c in same for place, value in own.items()}
    return found


@dataclass(frozen=True)
class _Pixels:
    """All samples of a label; see ``_Sample``."""

    picture: Int[ndarray, " P"]
    within: Float[ndarray, "P M"]
    right: Bool[ndarray, "P M"]
    weight: Float[ndarray, " P"]


def _fit(pixels: _Pixels, depths: Int[ndarray, " M"], confidence: float) -> dict[int, float]:
    """Return the thresholds of a label's sets by place, where they are above the confidence."""
    free = np.ones(len(pixels.weight), dtype=bool)
    found: dict[int, float] = {}
    for depth in sorted(set(depths[1:].tolist()), reverse=True):
        level = np.flatnonzero(depths == depth)
        best = level[pixels.within[:, level].argmax(1)]
        taken = np.zeros_like(free)
        for place in level.tolist():
            here = free & (best == place) & (pixels.within[:, place] >= confidence)
            if here.sum() >= FEWEST:
                threshold = _threshold(pixels, np.flatnonzero(here), place, confidence)
                if threshold > confidence:
                    found[place] = threshold
                here &= pixels.within[:, place] >= threshold
            taken |= here
        free &= ~taken
    return found


def _threshold(pixels: _Pixels, here: Int[ndarray, " P"], place: int, confidence: float) -> float:
    """Return the lowest threshold of a set at which enough of its pixels are right."""
    within = pixels.within[here, place]
    _, picture = np.unique(pixels.picture[here], return_inverse=True)
    weight = pixels.weight[here]
    gained = weight * pixels.right[here, place]
    for threshold in (confidence, *np.unique(np.quantile(within, np.linspace(0, 1, _STEPS)))):
        reached = within >= threshold
        if reached.sum() < FEWEST // 4:
            break
        all_of = np.bincount(picture[reached], weight[reached])
        right_of = np.bincount(picture[reached], gained[reached])
        share = right_of.sum() / all_of.sum()
        number = int((all_of > 0).sum())
        spread = ((right_of - share * all_of) ** 2).sum() * number / max(number - 1, 1)
        if share - _ERRORS * np.sqrt(spread) / all_of.sum() >= confidence:
            return float(threshold)
    return _NEVER


def _samples(
    dataset: SegmentationDataset,
    truth: Bool[ndarray, "_ K"],
    network: ViewedNetwork,
    sets: LabelSets,
    accelerator: Accelerator,
    workers: int,
    offset: int,
) -> Iterable[tuple[int, _Sample]]:
    """Yield samples of this process's pictures, each with the number of the label.

    Pictures are numbered from ``offset``.
    """
    labels = {number: _label_of(mask, sets) for number, mask in enumerate(truth)}
    if all(label is None for label in labels.values()):
        return
    count = min(_MOST_PICTURES, len(dataset))
    numbers = [place * len(dataset) // count for place in range(count)]
    mine = numbers[accelerator.process_index :: accelerator.num_processes]
    least = network.views.largest
    for item in read_pictures(dataset, mine, least=least, workers=workers):
        if isinstance(item, BadSample):
            continue
        height, width = item.classes.shape
        mean = torch.stack(network.look(item.picture, (height, width))).mean(0).flatten(1)
        classes = item.classes.flatten()
        for number in classes.unique().tolist():
            label = labels[number]
            if label is None:
                continue
            where = (classes == number).nonzero().flatten()
            step = max(len(where) // _SAMPLED, 1)
            chosen = where[step // 2 :: step]
            masks = sets.finer.masks[list(sets.finer.choices[label])]
            sums = torch.from_numpy(masks).to(mean.dtype) @ mean[:, chosen]
            within = (sums / sums[0].clamp(min=1e-30)).clamp(max=1).T.numpy()
            fits = ~(truth[number] & ~masks).any(1) | ~(masks & ~truth[number]).any(1)
            right = np.broadcast_to(fits, within.shape)
            weight = np.full(len(chosen), len(where) / len(chosen))
            picture = np.full(len(chosen), item.number + offset)
            yield label, _Sample([picture], [within], [right], [weight])


def num_finer(truth: Bool[ndarray, "_ K"], sets: LabelSets) -> int:
    """Return how many of some classes say more than the labels that they would be coarsened to."""
    return sum(_label_of(mask, sets) is not None for mask in truth)


def _label_of(truth: Bool[ndarray, " K"], sets: LabelSets) -> int | None:
    """Return the class whose label a truth would be coarsened to, if it then says less."""
    holding = [
        number
        for number, label in enumerate(sets.labels)
        if truth.any() and not (truth & ~label).any() and (label & ~truth).any()
        if len(sets.finer.choices[number]) > 1
    ]
    return min(holding, key=lambda number: int(sets.labels[number].sum())) if holding else None
