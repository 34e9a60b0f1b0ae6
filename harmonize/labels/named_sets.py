"""What is wrong with keys of a config that name data sets."""

from harmonize.config.data_config import DatasetEntry
from harmonize.config.run_config import RunConfig
from harmonize.errors import near_matches
from harmonize.labels.dataset_spec import DatasetSpec


def used_twice(names: list[str]) -> list[str]:
    """Return a problem for each name that two data sets have."""
    return [
        f"{name}: two data sets of the config have this name; override `name` in one of them"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]


def not_as_named(config: RunConfig, loaded: list[tuple[DatasetEntry, DatasetSpec]]) -> list[str]:
    """Return what names a data set that the config does not have, or one that cannot serve."""
    names = [spec.name for _, spec in loaded]
    trained = [spec.name for entry, spec in loaded if entry.train]
    unknown = [
        f"data.roots.{name}: the config has no data set {name!r}; {near_matches(name, names)}"
        for name in config.data.roots
        if name not in names
    ]
    return unknown + _unknown_to(config, trained) + _unknown_styles(config, loaded, trained)


def _unknown_to(config: RunConfig, trained: list[str]) -> list[str]:
    """Return the names in ``mix.to`` that no trained data set has."""
    return [
        f"mix.to.{name}: no data set {name!r} is trained on; {near_matches(name, trained)}"
        for name in config.mix.to
        if name not in trained
    ]


def _unknown_styles(
    config: RunConfig, loaded: list[tuple[DatasetEntry, DatasetSpec]], trained: list[str]
) -> list[str]:
    """Return what is wrong with the data sets whose style others take."""
    of_run = config.augment.style_of
    asked: list[tuple[str, str | None, str | None]] = [("", of_run, None)]
    for number, (entry, spec) in enumerate(loaded[: len(config.datasets)]):
        own = None if entry.augment is None else entry.augment.style_of
        if own != of_run:  # else it has the run's, which leaves out the set itself
            asked.append((f"datasets.{number}.", own, spec.name))
    problems: list[str] = []
    for where, name, owner in asked:
        key = f"{where}augment.style_of"
        if name is None:
            continue
        if name not in trained:
            advice = near_matches(name, trained)
            problems.append(f"{key}: no data set {name!r} is trained on; {advice}")
        elif owner == name or (owner is None and trained == [name]):
            problems.append(f"{key}: {name} would take its own style; name another data set")
    return problems
