"""The runs of a comparison: one for each loss that differs and each seed, the same in all else."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError, near_matches
from harmonize.labels.sources import Sources
from harmonize.labels.target_space import TargetSpace
from harmonize.loss.tables import LossTables, loss_tables
from harmonize.pipeline.preflight import check_run
from harmonize.runs.run_folder import RUNS
from harmonize.tools.studies.study_runs import PlannedRun, plan_run

PREFIX = "compare_"
"""What the names of configs for this study start with."""
SET_BY_IT = ("loss.terms", "loss.coarse")
"""Keys of a config that the study sets."""


BASELINE, OURS = "flat", "hierarchical"
LOSSES: dict[str, dict[str, Any]] = {
    BASELINE: {"terms": "finest", "coarse": "ignore", "depth_weights": None},
    "finest": {"terms": "finest", "coarse": "use", "depth_weights": None},
    OURS: {"terms": "all", "coarse": "use"},
}
"""What of a config's ``loss`` each sets: cross-entropy on leaf labels alone; that, with -log p(S)
on coarse labels; every depth of both. ``depth_weights`` are the hierarchical loss's own: a weighted
single term would be no plain cross-entropy."""


@dataclass(frozen=True)
class Comparison:
    """A comparison of losses.

    Attributes:
        name: of the study's config.
        folder: that it lies in.
        config: what all runs share.
        sources: of all runs.
        losses: those that are compared; where several are the same, their names: "flat = finest".
        seeds: that each is trained with.
        runs: by loss and seed.
    """

    name: str
    folder: Path
    config: RunConfig
    sources: Sources
    losses: tuple[str, ...]
    seeds: tuple[int, ...]
    runs: dict[tuple[str, int], PlannedRun]


def plan_comparison(
    config: RunConfig,
    *,
    name: str,
    seeds: Sequence[int],
    losses: Sequence[str],
    folder: Path | None,
) -> Comparison:
    """Plan a run for each loss and seed; losses that are the same share one.

    Raises:
        HarmonizeError: nothing to compare, or sources that cannot be read.
    """
    if not any(entry.evaluate for entry in (*config.datasets, *config.evaluate_also)):
        raise HarmonizeError("no data set is scored, so nothing can be compared; give `evaluate`")
    name = name.removeprefix(PREFIX)
    folder = RUNS / f"compare-{name}" if folder is None else folder
    sources = check_run(config)
    groups = choose_losses(losses, same_losses(config, sources.space))
    runs = {
        (" = ".join(group), seed): plan_run(
            folder, f"{group[0]}-seed{seed}", with_loss(config, group[0]), seed=seed
        )
        for seed in seeds
        for group in groups
    }
    shown = tuple(" = ".join(group) for group in groups)
    return Comparison(name, folder, config, sources, shown, tuple(seeds), runs)


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
        loss = with_loss(config, name).loss
        mine = loss_tables(
            space,
            terms=loss.terms,
            weighting=loss.weighting,
            coarse=loss.coarse,
            depth_weights=loss.depth_weights_of_one,
        )
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
