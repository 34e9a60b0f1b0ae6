"""The runs of a comparison of losses: one for each loss and seed, and the same in all else."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.config.run_config import RunConfig
from harmonize.errors import HarmonizeError
from harmonize.labels.sources import Sources
from harmonize.pipeline.preflight import check_run
from harmonize.runs.run_folder import RUNS
from harmonize.tools.studies.losses import choose_losses, same_losses, with_loss
from harmonize.tools.studies.study_runs import PlannedRun, plan_run

PREFIX = "compare_"
"""What the names of configs for this study start with."""
SET_BY_IT = ("loss.terms", "loss.coarse")
"""Keys of a config that the study sets."""


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
