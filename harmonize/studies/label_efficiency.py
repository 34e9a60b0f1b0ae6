"""How far coarse labels carry: fine labels on few pictures, with and without coarse on the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonize.agreement import together
from harmonize.commands import processes
from harmonize.config import RunConfig
from harmonize.studies.label_plan import (
    Subject,
    check_depth,
    choose_subject,
    count_fine,
    with_coarse,
    with_fine,
)
from harmonize.studies.running import PlannedRun, plan_run, train_all
from harmonize.training.output import RUNS
from harmonize.training.trainer import check_run

PREFIX = "label_efficiency_"
"""What the names of configs for this study start with."""
FINE, MIXED, ALL = "fine", "fine+coarse", "all"


@dataclass(frozen=True)
class LabelStudy:
    """A label-efficiency study.

    Attributes:
        name: of the study's config.
        folder: that it lies in.
        subject: the data set that it is made on.
        depth: of the coarse labels.
        shares: of the pictures that have fine labels, greatest first.
        pictures: how many each share is.
        seeds: that each run is made with.
        runs: by kind of labels, share and seed; the share of ``all`` is 1.
    """

    name: str
    folder: Path
    subject: Subject
    depth: int
    shares: tuple[float, ...]
    pictures: dict[float, int]
    seeds: tuple[int, ...]
    runs: dict[tuple[str, float, int], PlannedRun]


def label_efficiency(
    config: RunConfig,
    *,
    name: str,
    seeds: Sequence[int],
    shares: Sequence[float],
    depth: int,
    dataset: str | None = None,
    folder: Path | None = None,
) -> Path:
    """Train what is not there yet, and write the table and the plot; return their folder.

    Every process must call this.

    Args:
        config: what all runs share.
        name: of the config.
        seeds: each run is made once with each; they choose the pictures as well.
        shares: of the pictures that have fine labels.
        depth: of the labels of the other pictures.
        dataset: the trained data set to do this with; the only one unless given.
        folder: where all goes; ``runs/label-efficiency-<name>`` unless given.

    Raises:
        HarmonizeError: what the user can mend.
    """
    study = plan_study(
        config,
        name=name,
        seeds=seeds,
        shares=shares,
        depth=depth,
        dataset=dataset,
        folder=folder,
    )
    train_all(list(study.runs.values()))
    return study.folder


def plan_study(
    config: RunConfig,
    *,
    name: str,
    seeds: Sequence[int],
    shares: Sequence[float],
    depth: int,
    dataset: str | None,
    folder: Path | None,
) -> LabelStudy:
    """Plan the runs of a study.

    Raises:
        HarmonizeError: a data set, a share or a depth that the study cannot be made with.
    """
    name = name.removeprefix(PREFIX)
    folder = RUNS / f"label-efficiency-{name}" if folder is None else folder
    processes()
    with together():
        sources = check_run(config)
        subject = choose_subject(config, sources, dataset)
        check_depth(config, sources, subject, depth)
        pictures = {share: count_fine(config, sources, subject, share) for share in shares}
    kinds = {(ALL, 1.0): ("all", config)}
    for share in shares:
        fine, mixed = f"fine-{share:g}", f"fine-{share:g}-coarse"
        kinds[FINE, share] = (fine, with_fine(config, subject, share))
        kinds[MIXED, share] = (mixed, with_coarse(config, subject, share, depth=depth))
    runs = {
        (*kind, seed): plan_run(folder, f"{run_name}-seed{seed}", shared, seed=seed)
        for seed in seeds
        for kind, (run_name, shared) in kinds.items()
    }
    return LabelStudy(name, folder, subject, depth, tuple(shares), pictures, tuple(seeds), runs)
