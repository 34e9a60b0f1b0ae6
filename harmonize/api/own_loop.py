"""The parts of a training for a loop of one's own: the loss and the mixed data of a config."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harmonize.config.run_config import RunConfig, find_file
from harmonize.config.strict_yaml import Document
from harmonize.data.loading import Loader
from harmonize.data.mixing import StepSampler
from harmonize.data.open_datasets import open_trained
from harmonize.data.samples import collate
from harmonize.data.shares import pixels_of_codes, sample_shares
from harmonize.data.training_samples import counts_alone, samples_alone
from harmonize.labels.sources import load_sources
from harmonize.loss.build_loss import build_loss
from harmonize.loss.hierarchical import HierarchicalLoss

Config = RunConfig | Mapping[str, Any] | str | Path


def as_config(config: Config, overrides: Iterable[str] = ()) -> RunConfig:
    """Return a config as the commands read it.

    Args:
        config: a config, its values as in YAML, or a YAML file (one that is shipped, such as
            ``configs/demo.yaml``, is found from anywhere).
        overrides: changes, such as ``train.steps=100``.

    Raises:
        HarmonizeError: one line for each thing that is wrong.
    """
    if isinstance(config, RunConfig):
        config = config.to_dict()
    if isinstance(config, Mapping):
        return RunConfig.from_document(Document("config", dict(config)), overrides)
    return RunConfig.from_file(find_file(str(config)), overrides)


def loss_for(config: Config) -> HierarchicalLoss:
    """Return the loss of a config, for logits (B, leaves, H, W) and codes (B, H, W).

    For ``loss.balance`` it counts the labels of the training pictures, and keeps the counts in
    ``data.cache_folder`` if there is one. ``loss.normalize`` and ``loss.depth_schedule`` are the
    training's: see ``HierarchicalLoss.terms`` and ``HierarchicalLoss.set_depth_factors``.

    Raises:
        HarmonizeError: what is wrong with the config, its tree, its mappings or its labels.
    """
    config = as_config(config)
    sources, pixels = load_sources(config), None
    if config.loss.balance != "none":
        trained = open_trained(sources, config)
        counts = counts_alone(config, trained)
        shares = sample_shares(config, sources, trained, counts).mean
        pixels = pixels_of_codes(sources, counts, shares)
    return build_loss(sources.space, config.loss, pixels)


def loader(config: Config, *, start: int = 0, steps: int | None = None) -> Loader:
    """Return the mixed and augmented training batches of a config.

    The same batches as ``harmonize train`` takes in one process, in the same order.

    Args:
        config: whose data sets are mixed; ``data.cache`` is not used.
        start: the first step, counted from 0.
        steps: the number of the last step; the config's ``train.steps`` unless given.

    Returns:
        A loader of ``Batch``: pictures (B, 3, S, S), uint8 in 0..255; codes (B, S, S), which
        ``loss_for(config)`` takes; and the number of each sample's data set (B,).

    Raises:
        HarmonizeError: what is wrong with the config or its data.
    """
    config = as_config(config)
    samples = samples_alone(config, load_sources(config))
    sampler = StepSampler(
        start=start,
        steps=config.train.steps if steps is None else steps,
        batch_size=config.data.batch_size,
        num_parts=1,
        rank=0,
        num_processes=1,
    )
    return Loader(samples, sampler, collate, workers=config.data.workers)
