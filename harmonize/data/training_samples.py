"""The samples that a config trains on: which sets, how much of each, and what is done to them."""

from collections.abc import Callable, Sequence

from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import Pixels, SegmentationDataset
from harmonize.data.label_counts import LabelCounts
from harmonize.data.mixing import MixedOrder
from harmonize.data.rare import RareClasses
from harmonize.data.samples import MixedSamples, Treatment, least_side
from harmonize.data.shares import Shares
from harmonize.labels.sources import Sources


def treatments(
    config: RunConfig,
    sources: Sources,
    datasets: Sequence[SegmentationDataset],
    counts: Sequence[LabelCounts] | None = None,
) -> list[Treatment]:
    """Return what is done to the pictures of each data set.

    Args:
        config: of the run.
        sources: its data sets.
        datasets: those that are trained on.
        counts: of their labels; without them no sample looks for what is rare.
    """
    found: list[Treatment] = []
    entries = [entry for entry, _ in sources.trained if entry.train]
    for place, (entry, dataset) in enumerate(zip(entries, datasets, strict=True)):
        augment = config.augment if entry.augment is None else entry.augment
        rare = None
        if augment.rare and counts is not None:
            known = sources.space.class_codes(dataset.spec.name) != sources.space.ignore
            rare = RareClasses(counts[place], known.tolist(), augment.rare)
        found.append(Treatment(augment, entry.size or config.data.size, rare))
    return found


def least_sides(
    config: RunConfig, sources: Sources, datasets: Sequence[SegmentationDataset]
) -> list[float]:
    """Return the shorter side that pictures of each data set need."""
    return [least_side(one.augment, one.size) for one in treatments(config, sources, datasets)]


def mixed_order(
    config: RunConfig, datasets: Sequence[SegmentationDataset], shares: Shares
) -> MixedOrder:
    """Return the order in which a run draws its samples."""
    return MixedOrder(
        [len(dataset) for dataset in datasets],
        shares.first.tolist(),
        seed=config.seed,
        to=None if shares.last is None else shares.last.tolist(),
        total=config.train.steps * config.data.batch_size,
    )


def training_samples(
    config: RunConfig,
    sources: Sources,
    datasets: list[SegmentationDataset],
    order: MixedOrder,
    *,
    counts: Sequence[LabelCounts] | None,
    cache: Callable[[int, int], Pixels | None] | None = None,
    skip_bad: bool = False,
) -> MixedSamples:
    """Return the samples of a run; arguments as for ``MixedSamples`` and ``treatments``."""
    return MixedSamples(
        datasets,
        order,
        sources.space,
        treatments=treatments(config, sources, datasets, counts),
        size=config.data.size,
        cache=cache,
        skip_bad=skip_bad,
    )
