"""The runs of the study of what coarse labels are worth, completed or not."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harmonize.config.data_config import DatasetEntry
from harmonize.config.run_config import RunConfig
from harmonize.config.train_config import CompleteConfig
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.labels.sources import Sources
from harmonize.pipeline.preflight import check_run
from harmonize.runs.run_folder import RUNS
from harmonize.tools.refine.refined_set import RefinedSet
from harmonize.tools.studies.study_runs import PlannedRun, plan_run

PREFIX = "pays_"
"""What the names of configs for this study start with."""
Arm = Literal["fine", "coarse", "finest", "refined", "refined twice", "in-run", "truth"]
ABOUT: Mapping[Arm, str] = {
    "fine": "the fine sets alone",
    "coarse": "coarse labels as they are",
    "finest": "coarse labels, the last term of the loss alone",
    "refined": "coarse labels completed by the network of `fine`",
    "refined twice": "completed once more, by the network of `refined`",
    "in-run": "completed during training",
    "truth": "the labels that `max_depth` made coarse, as they were",
}
"""What each arm is trained on besides the same samples of the fine sets."""
TEACHERS: Mapping[Arm, Arm] = {"refined": "fine", "refined twice": "refined"}
"""Whose network completes the labels of an arm."""
_COMPLETE = CompleteConfig(from_=0.33, every=100)


@dataclass(frozen=True)
class PaysStudy:
    """A study of what coarse labels are worth.

    Attributes:
        name: of the study's config.
        folder: that it lies in.
        config: what all runs share.
        coarse: names of the data sets with coarse labels.
        arms: in the order in which they are trained.
        seeds: that each run is made with.
        confidence: at which labels are completed.
        runs: by arm and seed.
    """

    name: str
    folder: Path
    config: RunConfig
    coarse: tuple[str, ...]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    confidence: float
    runs: dict[tuple[Arm, int], PlannedRun]

    def refined(self, arm: Arm, seed: int, name: str) -> Path:
        """Return the folder of a data set whose labels are completed for a run."""
        return refined_folder(self.folder, arm, seed, name)


def plan_pays(
    config: RunConfig,
    *,
    name: str,
    coarse: Sequence[str],
    arms: Sequence[str] | None,
    seeds: Sequence[int],
    confidence: float,
    folder: Path | None,
) -> PaysStudy:
    """Plan the runs of a study, with all arms that there can be unless some are given.

    Raises:
        HarmonizeError: data sets, arms or a config that the study cannot be made with.
    """
    name = name.removeprefix(PREFIX)
    folder = RUNS / f"pays-{name}" if folder is None else folder
    sources = check_run(config)
    _check(config, sources, coarse)
    known = all(entry.max_depth for entry, spec in sources.trained if spec.name in coarse)
    possible = [arm for arm in ABOUT if arm != "truth" or known]
    chosen = _arms(possible if arms is None else arms, possible)
    shared = dataclasses.replace(config, train=dataclasses.replace(config.train, complete=None))
    runs: dict[tuple[Arm, int], PlannedRun] = {}
    for seed in seeds:
        for arm in chosen:
            made = _config_of(arm, shared, config, sources, coarse, folder, seed, confidence)
            label = f"{arm.replace(' ', '-')}-seed{seed}"
            runs[arm, seed] = plan_run(folder, label, made, seed=seed)
    return PaysStudy(name, folder, shared, tuple(coarse), chosen, tuple(seeds), confidence, runs)


def refined_folder(folder: Path, arm: Arm, seed: int, name: str) -> Path:
    """Return the folder of a data set whose labels are completed for an arm of a study."""
    return folder / f"{name}-{arm.replace(' ', '-')}-seed{seed}"


def refined_name(name: str) -> str:
    """Return the name of a data set once its labels are completed."""
    return f"{name}_refined"


def _arms(words: Sequence[str], possible: Sequence[str]) -> tuple[Arm, ...]:
    """Return the arms in order, with those whose network others need.

    Raises:
        HarmonizeError: one that there cannot be.
    """
    if "truth" in words and "truth" not in possible:
        raise HarmonizeError("--arms truth: is of sets that `max_depth` makes coarse; leave it out")
    wrong = [word for word in words if word not in possible]
    raise_all(f"--arms: no arm {word!r}; {near_matches(word, possible)}" for word in wrong)
    wanted: set[str] = {"fine", *words}
    for arm, teacher in reversed([*TEACHERS.items()]):
        if arm in wanted:
            wanted.add(teacher)
    return tuple(arm for arm in ABOUT if arm in wanted)


def _check(config: RunConfig, sources: Sources, coarse: Sequence[str]) -> None:
    """Make sure that the study can be made.

    Raises:
        HarmonizeError: it cannot.
    """
    trained = {spec.name: entry for entry, spec in sources.trained if entry.train}
    problems = [
        f"--coarse {name}: the config trains on no such set; {near_matches(name, trained)}"
        for name in coarse
        if name not in trained
    ]
    if not problems and not set(trained) - set(coarse):
        problems.append("--coarse: names all data sets; leave those with fine labels out")
    if len(set(coarse)) < len(coarse):
        problems.append("--coarse: names a data set twice")
    if config.mix.by != "weight" or config.mix.to:
        problems.append(
            "mix: the study keeps the samples of the fine sets equal; give shares by `weight`"
        )
    if config.loss.coarse == "ignore":
        problems.append("loss.coarse: ignores the labels that the study is about; say use")
    raise_all(problems)
    _fine_batch(config, sources, coarse)


def _fine_batch(config: RunConfig, sources: Sources, coarse: Sequence[str]) -> int:
    """Return how many samples of a batch are of the fine sets.

    Raises:
        HarmonizeError: it is no whole number.
    """
    weights = {spec.name: entry.weight for entry, spec in sources.trained if entry.train}
    fine = sum(weight for name, weight in weights.items() if name not in coarse)
    number = config.data.batch_size * fine / sum(weights.values())
    if abs(number - round(number)) > 1e-6 or number < 1:
        raise HarmonizeError(
            f"data.batch_size: of {config.data.batch_size} samples {number:g} are of the fine "
            "sets; choose it and the weights so that this is a whole number"
        )
    return round(number)


def _config_of(
    arm: Arm,
    shared: RunConfig,
    given: RunConfig,
    sources: Sources,
    coarse: Sequence[str],
    folder: Path,
    seed: int,
    confidence: float,
) -> RunConfig:
    """Return what the runs of an arm are made from."""
    if arm == "coarse":
        return shared
    if arm == "truth":
        fine = [
            dataclasses.replace(entry, max_depth=None) if spec.name in coarse else entry
            for entry, spec in sources.trained
        ]
        return dataclasses.replace(shared, datasets=tuple(fine))
    if arm == "finest":
        return dataclasses.replace(shared, loss=dataclasses.replace(shared.loss, terms="finest"))
    if arm == "in-run":
        complete = given.train.complete or dataclasses.replace(_COMPLETE, confidence=confidence)
        train = dataclasses.replace(shared.train, complete=complete)
        return dataclasses.replace(shared, train=train)
    entries: list[DatasetEntry] = []
    also = list(shared.evaluate_also)
    gone: list[str] = []
    for entry, spec in sources.trained:
        if spec.name not in coarse:
            entries.append(entry)
            continue
        if arm != "fine":
            target = refined_folder(folder, arm, seed, spec.name)
            path = RefinedSet.path_of(target, refined_name(spec.name))
            entries.append(DatasetEntry(str(path), train=entry.train, weight=entry.weight))
        if entry.evaluate:
            plain = dataclasses.replace(
                entry, train=None, take=None, max_depth=None, augment=None, weight=1.0
            )
            also.append(plain)
        else:
            gone.append(spec.name)
    roots = {name: root for name, root in shared.data.roots.items() if name not in gone}
    data = dataclasses.replace(shared.data, roots=roots)
    if arm == "fine":
        batch = _fine_batch(shared, sources, coarse)
        data = dataclasses.replace(data, batch_size=batch)
    return dataclasses.replace(
        shared, datasets=tuple(entries), evaluate_also=tuple(also), data=data
    )
