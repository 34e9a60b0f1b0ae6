"""Published protocols that score one network on several data sets: what they say of its scores.

MSeg: Lambert et al., "MSeg: A Composite Dataset for Multi-domain Semantic Segmentation", CVPR 2020.
A set that was not trained on is answered in its own classes, each by the sum of the probabilities
of what it means (section "Using the MSeg taxonomy on a held-out dataset"); a class that nothing
answers stays in the mean, and the sets are joined by the harmonic mean (the tables and
``collect_results.py`` of mseg-dataset/mseg-semantic).

RVC: the Robust Vision Challenge (robustvision.net; ozendelait/rvc_devkit): the same method and
parameters for all sets, each scored by its own benchmark. Its ranks need the other entrants.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.evaluation.dataset_scores import DatasetScores, number_of
from harmonize.evaluation.intervals import (
    NONE,
    SEED,
    Interval,
    draw_weights,
    interval_of,
    mean_ious,
)
from harmonize.evaluation.saved_protocol import ProtocolName, ProtocolSet, SavedProtocol

# Letters of shapes: S sets, R resamples.


@dataclass(frozen=True)
class Protocol:
    """What a protocol asks for.

    Attributes:
        title: for the reader.
        sets: the names of mappings by which each of the published sets may be scored.
        unseen: whether the sets that were not trained on are what counts.
        least: the number of sets that it takes.
    """

    title: str
    sets: Mapping[str, tuple[str, ...]]
    unseen: bool
    least: int


PROTOCOLS: Mapping[ProtocolName, Protocol] = {
    "mseg": Protocol(
        "MSeg (Lambert et al., CVPR 2020)",
        {
            "Pascal VOC": ("voc",),
            "Pascal Context": ("pascal_context",),
            "CamVid": ("camvid",),
            "WildDash": ("wilddash",),
            "KITTI": ("kitti",),
            "ScanNet": ("scannet", "scannet20"),
        },
        unseen=True,
        least=1,
    ),
    "rvc": Protocol(
        "Robust Vision Challenge 2022",
        {
            "ADE20K": ("ade20k",),
            "Cityscapes": ("cityscapes", "cityscapes_train_ids"),
            "Mapillary Vistas": ("vistas_v1.2",),
            "ScanNet": ("scannet", "scannet20"),
            "VIPER": ("viper",),
            "WildDash 2": ("wilddash2_rvc",),
        },
        unseen=False,
        least=2,
    ),
}


def check_protocol(
    name: ProtocolName, scored: Sequence[str], trained: Iterable[str], *, own_norms: bool
) -> None:
    """Make sure that data sets can be scored by a protocol.

    Args:
        name: of the protocol.
        scored: the names of the data sets.
        trained: those of them whose pictures the network was trained on.
        own_norms: whether the network has parameters of its own for each data set.

    Raises:
        HarmonizeError: what is missing.
    """
    known = set(trained)
    asked = PROTOCOLS[name]
    if asked.unseen and known >= set(scored):
        raise HarmonizeError(
            f"--protocol {name}: scores sets that were not trained on, and all of "
            f"{', '.join(scored)} were; name another with --dataset FILE.yaml"
        )
    if len(scored) < asked.least:
        raise HarmonizeError(
            f"--protocol {name}: is for {asked.least} data sets or more, got "
            f"{', '.join(scored)}; name others with --dataset NAME_OR_YAML"
        )
    if name == "rvc" and own_norms:
        raise HarmonizeError(
            "--protocol rvc: asks for the same parameters for all sets, and with model.norm: "
            "batch_per_dataset each has statistics of its own; leave --protocol out, or train with "
            "model.norm=batch"
        )


def summarize_protocol(
    name: ProtocolName, results: Sequence[DatasetScores], trained: Iterable[str]
) -> SavedProtocol:
    """Say what a protocol says of the scores of several data sets."""
    asked, known = PROTOCOLS[name], set(trained)
    unseen = [one for one in results if one.name not in known and not one.is_alone]
    mean, interval = harmonic_mean(unseen) if asked.unseen else (math.nan, NONE)
    names = {one.name for one in results}
    return SavedProtocol(
        name=name,
        sets={one.name: _of_set(one, one.name in known) for one in results},
        harmonic_mean=number_of(mean),
        harmonic_mean_interval=None if math.isnan(interval[0]) else interval,
        missing=tuple(title for title, known_as in asked.sets.items() if not names & {*known_as}),
    )


def harmonic_mean(results: Sequence[DatasetScores]) -> tuple[float, Interval]:
    """Return the harmonic mean of the mean IoU of data sets, and its 95 % interval over pictures.

    Each resample draws the pictures of each set anew, independently of the other sets. A set whose
    mean IoU is not known is left out; one of 0 makes the mean 0.
    """
    known = [one for one in results if not math.isnan(one.scores.mean_iou)]
    if not known:
        return math.nan, NONE
    mean = _harmonic(np.array([[one.scores.mean_iou for one in known]]))[0]
    fewest = min(_pictures(one) for one in known)
    if fewest < 2:
        return float(mean), NONE
    drawn = np.stack([_resampled(one, place) for place, one in enumerate(known)], axis=1)
    return float(mean), interval_of(_harmonic(drawn), fewest)


def _harmonic(values: Float[ndarray, "R S"]) -> Float[ndarray, " R"]:
    """Return the harmonic mean of each row."""
    positive = np.where(values > 0, values, 1)
    mean: Float[ndarray, " R"] = values.shape[1] / (1 / positive).sum(1)
    unknown = np.isnan(values).any(1)
    return np.where(unknown, np.nan, np.where((values == 0).any(1), 0, mean))


def _pictures(one: DatasetScores) -> int:
    return 0 if one.picture_counts is None else len(one.picture_counts.pictures)


def _resampled(one: DatasetScores, place: int) -> Float[ndarray, " R"]:
    """Return the mean IoU of each resample of a set's pictures."""
    assert one.picture_counts is not None
    pixels = one.picture_counts.by_class(range(len(one.classes)))
    weights = draw_weights(len(pixels.right), seed=SEED + 1000 * place)
    return np.concatenate([mean_ious(some, pixels) for some in weights])


def _of_set(one: DatasetScores, trained_on: bool) -> ProtocolSet:
    saved = one.saved()
    return ProtocolSet(
        trained_on=trained_on,
        split=one.split,
        classes=sum(value is not None for value in saved.iou.values()),
        mean_iou=None if one.is_alone else saved.mean_iou,
        mean_iou_interval=saved.mean_iou_interval,
        no_counterpart=saved.unanswered,
        approximate=saved.approximate,
    )
