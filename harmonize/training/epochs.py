"""How many optimizer steps the epochs of a config are."""

import dataclasses
import math
from collections.abc import Sequence

from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.shares import sample_shares
from harmonize.errors import HarmonizeError
from harmonize.labels.sources import Sources

_ROUNDING = 1e-9
"""Share of a step that rounding may add to a whole number of them."""


def with_steps(
    config: RunConfig, sources: Sources, trained: Sequence[SegmentationDataset]
) -> RunConfig:
    """Return a config with as many steps as its epochs are; as it is if it has none.

    An epoch of a data set is as many samples of it as it has training pictures. Samples of the
    others come with them, by their shares.

    Args:
        config: of the run.
        sources: its data sets.
        trained: those that are trained on, with the pictures that the config takes.

    Raises:
        HarmonizeError: the run ends before ``train.unfreeze_at``.
    """
    train = config.train
    if train.epochs is None:
        return config
    mean = sample_shares(config, sources, trained, None).mean.tolist()
    shares = {dataset.spec.name: share for dataset, share in zip(trained, mean, strict=True)}
    sizes = {dataset.spec.name: len(dataset) for dataset in trained}
    name = max(sizes, key=lambda name: sizes[name]) if train.epochs_of is None else train.epochs_of
    samples = train.epochs * sizes[name] / shares[name]
    steps = max(1, math.ceil(samples / config.data.batch_size * (1 - _ROUNDING)))
    if train.unfreeze_at is not None and train.unfreeze_at >= steps:
        raise HarmonizeError(
            f"train.unfreeze_at: never comes in a run of {steps} steps; give a smaller number"
        )
    resolved = dataclasses.replace(train, steps=steps, epochs=None, epochs_of=None)
    return dataclasses.replace(config, train=resolved)
