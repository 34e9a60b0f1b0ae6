"""The samples that a config trains on: which sets, how much of each, and what is done to them."""

from collections.abc import Callable, Sequence

from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.drawn_picture import Treatment
from harmonize.data.label_counts import LabelCounts, count_labels
from harmonize.data.mixing import MixedOrder
from harmonize.data.open_datasets import open_trained
from harmonize.data.pixels import Pixels
from harmonize.data.rare import RareClasses, labels_inside
from harmonize.data.samples import MixedSamples, least_side
from harmonize.data.shares import Shares, needs_counts, sample_shares
from harmonize.labels.sources import Sources
from harmonize.system.home import named_folder


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
    names = [dataset.spec.name for dataset in datasets]
    entries = [entry for entry, _ in sources.trained if entry.train]
    for place, (entry, dataset) in enumerate(zip(entries, datasets, strict=True)):
        augment = config.augment if entry.augment is None else entry.augment
        rare = None
        if augment.rare and counts is not None:
            rare = RareClasses(counts[place], labels_inside(sources.space, dataset.spec.name))
        size = entry.size or config.data.size
        rare = rare if rare is not None and len(rare) else None
        style_of = None
        if augment.style and augment.style_of not in (None, names[place]):
            style_of = names.index(augment.style_of)
        found.append(Treatment(augment, size, rare, style_of))
    return found


def least_sides(
    config: RunConfig, sources: Sources, datasets: Sequence[SegmentationDataset]
) -> list[float]:
    """Return the shorter side that pictures of each data set need."""
    return [least_side(one.augment, one.size) for one in treatments(config, sources, datasets)]


def samples_alone(config: RunConfig, sources: Sources) -> MixedSamples:
    """Return the samples of a run for one process, without a run folder.

    Where they need the pixels of the labels, these are counted, and the counts kept in
    ``data.cache_folder`` if there is one.

    Raises:
        HarmonizeError: what is wrong with the data sets.
    """
    trained = open_trained(sources, config)
    counts = counts_alone(config, trained) if needs_counts(config) else None
    shares = sample_shares(config, sources, trained, counts)
    skip_bad = config.data.on_bad_sample == "skip"
    return training_samples(config, sources, trained, shares, counts=counts, skip_bad=skip_bad)


def counts_alone(config: RunConfig, trained: Sequence[SegmentationDataset]) -> list[LabelCounts]:
    """Count the labels of data sets in one process; see ``samples_alone``."""
    folder = config.data.cache_folder
    kept = named_folder(folder, "data.cache_folder") if folder else None
    return count_labels(trained, kept, workers=config.data.workers)


def mixed_order(
    config: RunConfig,
    datasets: Sequence[SegmentationDataset],
    shares: Shares,
    treated: Sequence[Treatment],
) -> MixedOrder:
    """Return the order in which a run draws its samples."""
    return MixedOrder(
        [len(dataset) for dataset in datasets],
        shares.first.tolist(),
        seed=config.seed,
        to=None if shares.last is None else shares.last.tolist(),
        total=config.train.steps * config.data.batch_size,
        rare=[one.augment.rare if one.rare is not None else 0.0 for one in treated],
    )


def training_samples(
    config: RunConfig,
    sources: Sources,
    datasets: list[SegmentationDataset],
    shares: Shares,
    *,
    counts: Sequence[LabelCounts] | None,
    cache: Callable[[int, int], Pixels | None] | None = None,
    skip_bad: bool = False,
) -> MixedSamples:
    """Return the samples of a run; arguments as for ``MixedSamples`` and ``treatments``."""
    treated = treatments(config, sources, datasets, counts)
    return MixedSamples(
        datasets,
        mixed_order(config, datasets, shares, treated),
        sources.space,
        treatments=treated,
        size=config.data.size,
        cache=cache,
        skip_bad=skip_bad,
        plain_from=plain_from(config),
    )


def plain_from(config: RunConfig) -> int | None:
    """Return the position of the first sample whose label is completed, if any is."""
    complete = config.train.complete
    return None if complete is None else first_step(config) * config.data.batch_size


def first_step(config: RunConfig) -> int:
    """Return the step, counted from 0, from which labels are completed."""
    assert config.train.complete is not None
    return round(config.train.complete.from_ * config.train.steps)
