"""Calibrate data sets: fit temperatures on some pictures, check what they promise on others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from harmonize.calibration.back_off import Nodes, curve
from harmonize.calibration.calibration_results import Change, CurvePoint, DatasetCalibration
from harmonize.calibration.temperatures import Calibration, fit, mean_loss, scaled
from harmonize.config.train_config import Decode
from harmonize.decoding.decoder import Decoder
from harmonize.decoding.decoding_tree import decoding_tree
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.sampling import PixelSample
from harmonize.evaluation.summarize import answers_calibration_error
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.scored_classes import scored_classes
from harmonize.labels.separable import (
    Separable,
    answer_nodes,
    separable_leaves,
    with_twins,
)
from harmonize.labels.sources import Sources

# Letters of shapes: K leaves, C classes.

LEAST = 2
"""Pictures that temperatures are fitted on, and that they are checked on, at least."""


def calibrate(
    results: Sequence[DatasetScores],
    specs: Sequence[DatasetSpec],
    sources: Sources,
    checks: Sequence[DatasetScores] | None = None,
    *,
    decode: Decode = "tree",
) -> tuple[list[DatasetCalibration], list[str]]:
    """Fit temperatures to each data set and check them.

    Labels are taken for what they say to this network: the leaves of a class with all that no
    trained label tells from them. Classes of untrained leaves alone are not looked at.

    Args:
        results: the scores of each set, whose samples are used.
        specs: the mapping of each.
        sources: of the run.
        checks: the scores of each on another split. Unless given, temperatures are fitted on the
            first half of the pictures, in the set's order, and checked on the others; neighbours,
            which may be frames of one video, then are in one half.
        decode: how pixels are decided; see ``Decoder``.

    Returns:
        What was found of each set, and why nothing of the others.
    """
    separable = separable_leaves(sources.ontology, sources.taught)
    decoder = Decoder(decoding_tree(sources.ontology, sources.taught), decode)
    parts: list[_Part] = []
    problems: list[str] = []
    for number, (result, spec) in enumerate(zip(results, specs, strict=True)):
        check = None if checks is None else checks[number]
        part = _split(result, check, spec, sources, separable)
        fitted_on, checked_on = _pictures(part.fitted), _pictures(part.checked)
        if min(fitted_on, checked_on) >= LEAST:
            parts.append(part)
        else:
            problems.append(
                f"{result.name}: pictures with labels: {fitted_on} to fit temperatures on, "
                f"{checked_on} to check them; at least {LEAST} of each are needed"
            )
    fits = [fit(part.fitted, labels=part.labels, names=part.names) for part in parts]
    nodes = Nodes.of(answer_nodes(sources.ontology, separable), decoder)
    largest = torch.stack([one.by_leaf for one in fits]).amax(0) if fits else torch.empty(0)
    found = [
        _check(part, one, largest, nodes, sources.ontology.leaves)
        for part, one in zip(parts, fits, strict=True)
    ]
    return found, problems


def calibrate_trees(
    results: Sequence[DatasetScores],
    specs: Sequence[DatasetSpec],
    sources: Sources,
    checks: Sequence[DatasetScores] | None = None,
    *,
    decode: Decode = "tree",
) -> tuple[list[DatasetCalibration], list[str]]:
    """Calibrate each tree of a run, of one or of several; see ``calibrate``.

    Args:
        results: the scores of each set in each tree that it says something about.
        specs: the mapping of each set.
        sources: of the run.
        checks: those of each set and tree on another split, in the same order.
        decode: how pixels are decided.
    """
    by_name = {spec.name: spec for spec in specs}
    found: list[DatasetCalibration] = []
    problems: list[str] = []
    for _, its in sources.of_trees:
        tree = its.ontology.name if sources.trees else None
        own = [one for one in results if one.tree == tree]
        its_specs = [by_name[one.dataset] for one in own]
        its_checks = None if checks is None else [one for one in checks if one.tree == tree]
        its_found, its_problems = calibrate(own, its_specs, its, its_checks, decode=decode)
        found += its_found
        problems += its_problems
    return found, problems


@dataclass(frozen=True)
class _Part:
    """A data set's sample, in two.

    Attributes:
        result: its scores.
        check_split: the split that is checked.
        names: of its classes.
        labels: the leaves of each class, as far as they are told apart.
        scored: the leaves of each class that is scored.
        fitted, checked: the pixels.
    """

    result: DatasetScores
    check_split: str
    names: tuple[str, ...]
    labels: Bool[Tensor, "C K"]
    scored: Bool[Tensor, "C K"]
    fitted: PixelSample
    checked: PixelSample


def _split(
    result: DatasetScores,
    check: DatasetScores | None,
    spec: DatasetSpec,
    sources: Sources,
    separable: Separable,
) -> _Part:
    """Say which pixels are fitted to, and which are checked."""
    masks = spec.leaf_masks(sources.ontology)
    classes = scored_classes(sources.ontology, spec, sources.taught)
    labels = torch.from_numpy(with_twins(sources.ontology, separable, masks))
    scored = torch.from_numpy(classes.masks)
    scored[[name not in result.classes for name in classes.names]] = False
    fitted = _labelled(result.sample, labels)
    if check is not None:
        checked = _labelled(check.sample, labels)
    else:
        pictures = fitted.pictures.unique()
        second = torch.isin(fitted.pictures, pictures[len(pictures) // 2 :])
        fitted, checked = fitted.where(~second), fitted.where(second)
    split = result.split if check is None else check.split
    return _Part(result, split, classes.names, labels, scored, fitted, checked)


def _check(
    part: _Part,
    calibration: Calibration,
    largest: Float[Tensor, " K"],
    nodes: Nodes,
    leaves: Sequence[str],
) -> DatasetCalibration:
    """Measure what temperatures are worth on other pictures than they are fitted on."""
    temperatures = calibration.by_leaf
    curves = [
        curve(part.checked, nodes, labels=part.labels, temperatures=one)
        for one in (temperatures, None, largest)
    ]
    losses = [mean_loss(part.checked, part.labels, one) for one in (None, temperatures)]
    errors = [_error(part, one, nodes.decoder) for one in (None, temperatures)]
    return DatasetCalibration(
        name=part.result.name,
        split=part.result.split,
        check_split=part.check_split,
        fitted_on=_pictures(part.fitted),
        checked_on=_pictures(part.checked),
        temperature=calibration.temperature,
        temperatures=dict(calibration.by_class),
        leaf_temperatures=dict(zip(leaves, temperatures.tolist(), strict=True)),
        loss=Change(*map(_known, losses)),
        calibration_error=Change(*map(_known, errors)),
        curve=tuple(
            CurvePoint(**vars(point), uncalibrated=own, cautious=cautious)
            for point, own, cautious in zip(*curves, strict=True)
        ),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _error(part: _Part, temperatures: Float[Tensor, " K"] | None, decoder: Decoder) -> float:
    """Return the calibration error of the answers in a set's own classes, as scoring has it."""
    scored = part.scored.any(1)
    if scored.sum() < 2:  # of one class alone every answer is right
        return math.nan
    calibrated = None
    if temperatures is not None:
        calibrated = scaled(part.checked.logits.T, temperatures).T
    return answers_calibration_error(part.checked, part.scored, decoder, calibrated)


def _labelled(sample: PixelSample, labels: Bool[Tensor, "C K"]) -> PixelSample:
    """Return the pixels whose class has leaves."""
    return sample.where(labels.any(1)[sample.classes])


def _pictures(sample: PixelSample) -> int:
    return len(sample.pictures.unique())
