"""How many of a run's samples come from each data set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.label_counts import LabelCounts
from harmonize.labels.sources import Sources

# Letters of shapes: S data sets, N codes.


@dataclass(frozen=True)
class Shares:
    """Shares of the samples; each adds up to 1.

    Attributes:
        first: at the start of the run.
        last: at its end, if they change.
    """

    first: Float[ndarray, " S"]
    last: Float[ndarray, " S"] | None

    @property
    def mean(self) -> Float[ndarray, " S"]:
        """Over the whole run."""
        return self.first if self.last is None else (self.first + self.last) / 2


def needs_counts(config: RunConfig) -> bool:
    """Say whether a run needs the pixels of its labels."""
    augments = [config.augment, *(entry.augment for entry in config.datasets)]
    rare = any(augment is not None and augment.rare > 0 for augment in augments)
    return rare or config.loss.balance != "none" or config.mix.by == "pixels"


def sample_shares(
    config: RunConfig,
    sources: Sources,
    datasets: Sequence[SegmentationDataset],
    counts: Sequence[LabelCounts] | None,
) -> Shares:
    """Return the shares that ``mix`` and the sets' weights ask for.

    Args:
        config: of the run.
        sources: its data sets.
        datasets: those that are trained on.
        counts: of their labels; needed for ``mix.by=pixels``.
    """
    names = [dataset.spec.name for dataset in datasets]
    weights = {spec.name: entry.weight for entry, spec in sources.trained if entry.train}
    sizes = _sizes(config, sources, datasets, counts)
    first = sizes * np.array([weights[name] for name in names])
    last = sizes * np.array([config.mix.to.get(name, weights[name]) for name in names])
    return Shares(first / first.sum(), last / last.sum() if config.mix.to else None)


def _sizes(
    config: RunConfig,
    sources: Sources,
    datasets: Sequence[SegmentationDataset],
    counts: Sequence[LabelCounts] | None,
) -> Float[ndarray, " S"]:
    mix = config.mix
    if mix.by == "weight":
        return np.ones(len(datasets))
    if mix.by == "pixels":
        assert counts is not None
        labelled = [
            its.pixels[:, sources.space.class_codes(dataset.spec.name) != sources.space.ignore]
            for dataset, its in zip(datasets, counts, strict=True)
        ]
        return np.array([max(float(pixels.sum()), 1.0) for pixels in labelled])
    root = {"pictures": 1.0, "sqrt": 2.0, "temperature": mix.temperature or 1.0}[mix.by]
    return np.array([len(dataset) for dataset in datasets], dtype=float) ** (1 / root)


def pixels_of_codes(
    sources: Sources, counts: Sequence[LabelCounts], shares: Float[ndarray, " S"]
) -> Float[ndarray, " N"]:
    """Return how often a run meets each code of the target space, as a share of all pixels.

    Args:
        sources: of the run.
        counts: of each data set that is trained on.
        shares: of the samples.
    """
    space = sources.space
    pixels = np.zeros(space.num_codes)
    specs = [spec for entry, spec in sources.trained if entry.train]
    for spec, its_counts, share in zip(specs, counts, shares.tolist(), strict=True):
        codes = space.class_codes(spec.name)
        known = codes != space.ignore
        np.add.at(pixels, codes[known], its_counts.shares[known] * share)
    return pixels
