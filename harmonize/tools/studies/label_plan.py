"""The runs of the label-efficiency study: which labels of which pictures each is trained on."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from harmonize.config.data_config import DatasetEntry
from harmonize.config.run_config import RunConfig
from harmonize.data.open_datasets import open_datasets
from harmonize.errors import HarmonizeError, near_matches
from harmonize.labels.sources import Sources
from harmonize.pipeline.preflight import check_run
from harmonize.runs.run_folder import RUNS
from harmonize.tools.studies.study_runs import PlannedRun, plan_run

PREFIX = "label_efficiency_"
"""What the names of configs for this study start with."""
COARSE = "_coarse"
"""Added to the name of a data set for its pictures with coarse labels."""
FINE, MIXED, ALL = "fine", "fine+coarse", "all"


@dataclass(frozen=True)
class Subject:
    """The data set that a study is made on.

    Attributes:
        number: of its entry in the config's ``datasets``.
        name: of its mapping.
        folder: that its files lie in.
    """

    number: int
    name: str
    folder: str


@dataclass(frozen=True)
class LabelStudy:
    """A label-efficiency study.

    Attributes:
        name: of the study's config.
        folder: that it lies in.
        config: what all runs share.
        subject: the data set that it is made on.
        depth: of the coarse labels.
        shares: of the pictures that have fine labels, greatest first.
        pictures: how many each share is, and the whole.
        seeds: that each run is made with.
        runs: by kind of labels, share and seed; the share of ``all`` is 1.
    """

    name: str
    folder: Path
    config: RunConfig
    subject: Subject
    depth: int
    shares: tuple[float, ...]
    pictures: dict[float, int]
    seeds: tuple[int, ...]
    runs: dict[tuple[str, float, int], PlannedRun]


def plan_study(
    config: RunConfig,
    *,
    name: str,
    seeds: Sequence[int],
    shares: Sequence[float],
    depth: int,
    dataset: str | None,
    folder: Path | None,
) -> LabelStudy:
    """Plan the runs of a study.

    Raises:
        HarmonizeError: a data set, a share or a depth that the study cannot be made with.
    """
    name = name.removeprefix(PREFIX)
    folder = RUNS / f"label-efficiency-{name}" if folder is None else folder
    sources = check_run(config)
    subject = choose_subject(config, sources, dataset)
    check_depth(config, sources, subject, depth)
    pictures = count_pictures(config, sources, subject, shares)
    kinds = {(ALL, 1.0): ("all", config)}
    for share in shares:
        fine = _folder_of(share)
        mixed = f"{fine}-coarse"
        kinds[FINE, share] = (fine, with_fine(config, subject, share))
        kinds[MIXED, share] = (mixed, with_coarse(config, subject, share, depth=depth))
    runs = {
        (*kind, seed): plan_run(folder, f"{run_name}-seed{seed}", shared, seed=seed)
        for seed in seeds
        for kind, (run_name, shared) in kinds.items()
    }
    return LabelStudy(
        name, folder, config, subject, depth, tuple(shares), pictures, tuple(seeds), runs
    )


def parse_shares(words: Sequence[str]) -> tuple[float, ...]:
    """Read the shares of the pictures that have fine labels, such as ``0.25`` or ``1/4``.

    Raises:
        HarmonizeError: one is no share, or one is given twice.
    """
    shares: list[float] = []
    for word in words:
        try:
            share = float(Fraction(word))
        except (ValueError, ZeroDivisionError, OverflowError):
            share = math.nan
        if not 0 < share < 1:
            raise HarmonizeError(f"--shares: a share lies between 0 and 1, got {word!r}")
        shares.append(share)
    if not shares or len(set(shares)) < len(shares):
        raise HarmonizeError(f"--shares: give each share once, got {' '.join(words) or 'none'}")
    return tuple(sorted(shares, reverse=True))


def choose_subject(config: RunConfig, sources: Sources, name: str | None) -> Subject:
    """Find the data set that a study is made on; by default the only one that is trained on.

    Raises:
        HarmonizeError: there is no such set, there are several, or it is not all used.
    """
    trained = {
        spec.name: number for number, (entry, spec) in enumerate(sources.trained) if entry.train
    }
    if name is None and len(trained) > 1:
        raise HarmonizeError(f"say --dataset: the config trains on {', '.join(trained)}")
    name = next(iter(trained)) if name is None else name
    if name not in trained:
        raise HarmonizeError(
            f"--dataset {name}: the config trains on no such set; {near_matches(name, trained)}"
        )
    entry, spec = sources.trained[trained[name]]
    if entry.take is not None or entry.max_depth is not None:
        raise HarmonizeError(f"{name}: take and max_depth are set by the study; leave them out")
    if entry.evaluate is None:
        raise HarmonizeError(f"{name}: is not scored, so nothing can be said; give `evaluate`")
    return Subject(trained[name], name, str(spec.folder(config.data.roots)))


def check_depth(config: RunConfig, sources: Sources, subject: Subject, depth: int) -> None:
    """Make sure that labels at a depth say something, but less than the whole labels.

    Raises:
        HarmonizeError: they do not.
    """
    if config.loss.coarse == "ignore":
        raise HarmonizeError("loss.coarse: ignores the labels that the study is about; say use")
    if depth < 1:
        raise HarmonizeError(f"--depth: the first depth is 1, got {depth}")
    spec = sources.trained[subject.number][1]
    fine = spec.leaf_masks(sources.ontology)
    if depth >= sources.ontology.depth or np.array_equal(
        fine, spec.coarsened(sources.ontology, depth).leaf_masks(sources.ontology)
    ):
        raise HarmonizeError(
            f"--depth {depth}: labels of {subject.name} say no more than that; give a smaller depth"
        )


def count_pictures(
    config: RunConfig, sources: Sources, subject: Subject, shares: Sequence[float]
) -> dict[float, int]:
    """Return how many pictures each share of the data set is, as ``take`` counts them.

    Raises:
        HarmonizeError: none or all of them, two shares that are the same, or the data cannot be
            found.
    """
    entry, spec = sources.trained[subject.number]
    assert entry.train is not None
    number = len(
        open_datasets([(spec, entry.train)], config.data.roots, bands=config.model.bands)[0]
    )
    counts = {share: round(share * number) for share in shares}
    for share, count in counts.items():
        if count in (0, number):
            raise HarmonizeError(f"--shares: {share:g} is {count} of {number} pictures; change it")
    for more, fewer in pairwise(sorted(counts, reverse=True)):
        if counts[more] == counts[fewer] or _folder_of(more) == _folder_of(fewer):
            raise HarmonizeError(
                f"--shares: {more} is {counts[more]} and {fewer} is {counts[fewer]} of {number} "
                "pictures, which is too near; leave one out"
            )
    return {**counts, 1.0: number}


def with_fine(config: RunConfig, subject: Subject, share: float) -> RunConfig:
    """Return a config that is trained on a share of the pictures alone."""
    entry = dataclasses.replace(config.datasets[subject.number], take=share)
    return _with_entries(config, subject, [entry])


def with_coarse(config: RunConfig, subject: Subject, share: float, *, depth: int) -> RunConfig:
    """Return a config that is also trained on the other pictures, with labels at a depth.

    Each picture is drawn equally often, and all together as often as in the config.
    """
    whole = config.datasets[subject.number]
    fine = dataclasses.replace(whole, take=share, weight=whole.weight * share)
    coarse = dataclasses.replace(
        whole,
        take=(share, 1.0),
        weight=whole.weight * (1 - share),
        max_depth=depth,
        evaluate=None,
        override={**whole.override, "name": subject.name + COARSE},
    )
    return _with_entries(config, subject, [fine, coarse])


def _folder_of(share: float) -> str:
    """Return what the folders of the runs with fine labels on a share begin with."""
    return f"fine-{share:g}"


def _with_entries(
    config: RunConfig, subject: Subject, entries: Sequence[DatasetEntry]
) -> RunConfig:
    """Put entries in the place of the subject's."""
    all_ = [*config.datasets]
    all_[subject.number : subject.number + 1] = entries
    roots = dict(config.data.roots)
    if len(entries) > 1:
        roots[subject.name + COARSE] = subject.folder
    data = dataclasses.replace(config.data, roots=roots)
    return dataclasses.replace(config, datasets=tuple(all_), data=data)
