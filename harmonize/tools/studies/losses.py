"""The losses that are compared, and which of them are one and the same."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.labels.target_space import TargetSpace
from harmonize.loss.tables import LossTables, loss_tables

BASELINE, OURS = "flat", "hierarchical"
LOSSES: dict[str, dict[str, Any]] = {
    BASELINE: {"terms": "finest", "coarse": "ignore", "depth_weights": None},
    "finest": {"terms": "finest", "coarse": "use", "depth_weights": None},
    OURS: {"terms": "all", "coarse": "use"},
}
"""What of a config's ``loss`` each sets: cross-entropy on leaf labels alone; that, with -log p(S)
on coarse labels; every depth of both. ``depth_weights`` are the hierarchical loss's own: a weighted
single term would be no plain cross-entropy."""


def with_loss(config: RunConfig, name: str) -> RunConfig:
    """Return a config with one of the losses."""
    return dataclasses.replace(config, loss=dataclasses.replace(config.loss, **LOSSES[name]))


def same_losses(config: RunConfig, space: TargetSpace) -> tuple[tuple[str, ...], ...]:
    """Group the losses that are the same for every label of a target space.

    Where all labels are leaves, ``flat`` is ``finest``.
    """
    groups: list[list[str]] = []
    tables: list[LossTables] = []
    for name in LOSSES:
        options = dataclasses.asdict(with_loss(config, name).loss)
        del options["compile"]
        mine = loss_tables(space, **options)
        for group, others in zip(groups, tables, strict=True):
            if torch.equal(mine.weight, others.weight):
                group.append(name)
                break
        else:
            groups.append([name])
            tables.append(mine)
    return tuple(map(tuple, groups))


def choose_losses(
    wanted: Sequence[str], groups: Sequence[tuple[str, ...]]
) -> tuple[tuple[str, ...], ...]:
    """Return the groups of losses that hold one that is wanted.

    Raises:
        HarmonizeError: an unknown loss, or nothing to compare.
    """
    for name in wanted:
        if name not in LOSSES:
            raise HarmonizeError(f"--losses: no loss {name!r}; {near_matches(name, LOSSES)}")
    chosen = tuple(group for group in groups if set(group) & set(wanted))
    if len(chosen) < 2:
        same = "; ".join(" is ".join(group) for group in groups if len(group) > 1)
        reason = f", since {same} for the labels of this config" if same else ""
        raise HarmonizeError(f"--losses: there is nothing to compare{reason}; name two that differ")
    return chosen
