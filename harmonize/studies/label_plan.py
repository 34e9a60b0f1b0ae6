"""The runs of the label-efficiency study: which labels of which pictures each is trained on."""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from harmonize.config import DatasetEntry, RunConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.sources import Sources, open_datasets

COARSE = "_coarse"
"""Added to the name of a data set for its pictures with coarse labels."""


@dataclasses.dataclass(frozen=True)
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


def count_fine(config: RunConfig, sources: Sources, subject: Subject, share: float) -> int:
    """Return how many pictures a share of the data set is, as ``take`` counts them.

    Raises:
        HarmonizeError: none or all of them, or the data cannot be found.
    """
    entry, spec = sources.trained[subject.number]
    assert entry.train is not None
    number = len(open_datasets([(spec, entry.train)], config.data.roots)[0])
    fine = round(share * number)
    if fine in (0, number):
        raise HarmonizeError(f"--shares {share:g}: is {fine} of {number} pictures; take another")
    return fine


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
