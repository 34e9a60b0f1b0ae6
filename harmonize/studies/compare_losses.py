"""The paper's comparison: one network on the same input with the flat and the hierarchical loss."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.agreement import together
from harmonize.commands import processes
from harmonize.config import RunConfig
from harmonize.studies.losses import LOSSES, choose_losses, same_losses, with_loss
from harmonize.studies.running import PlannedRun, plan_run, train_all
from harmonize.training.output import RUNS
from harmonize.training.trainer import check_run

PREFIX = "compare_"
"""What the names of configs for this study start with."""
SET_BY_IT = ("loss.terms", "loss.coarse")


@dataclass(frozen=True)
class Comparison:
    """A comparison of losses.

    Attributes:
        name: of the study's config.
        folder: that it lies in.
        losses: those that are compared, each with its other names.
        seeds: that each is trained with.
        runs: one for each loss and seed.
    """

    name: str
    folder: Path
    losses: tuple[tuple[str, ...], ...]
    seeds: tuple[int, ...]
    runs: dict[tuple[tuple[str, ...], int], PlannedRun]


def compare_losses(
    config: RunConfig,
    *,
    name: str,
    seeds: Sequence[int],
    losses: Sequence[str] = tuple(LOSSES),
    folder: Path | None = None,
) -> Path:
    """Train what is not there yet, and write the tables and figures; return their folder.

    Every process must call this.

    Args:
        config: what all runs share.
        name: of the config.
        seeds: each loss is trained once with each.
        losses: which to compare.
        folder: where all goes; ``runs/compare-<name>`` unless given.

    Raises:
        HarmonizeError: what the user can mend, or input that was not the same for all losses.
    """
    study = plan_comparison(config, name=name, seeds=seeds, losses=losses, folder=folder)
    main = processes().is_main_process
    if main:
        for names in study.losses:
            if len(names) > 1:
                print(f"{' and '.join(names)} are the same loss here, which is trained once")
    train_all(list(study.runs.values()))
    return study.folder


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
    name = name.removeprefix(PREFIX)
    folder = RUNS / f"compare-{name}" if folder is None else folder
    processes()
    with together():
        chosen = choose_losses(losses, same_losses(config, check_run(config).target_space()))
    runs = {
        (names, seed): plan_run(
            folder, f"{names[0]}-seed{seed}", with_loss(config, names[0]), seed=seed
        )
        for seed in seeds
        for names in chosen
    }
    return Comparison(name, folder, chosen, tuple(seeds), runs)
