"""Refuse to resume a run with a config that would make it another run."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import dotted, dump
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError
from harmonize.labels.sources import Sources
from harmonize.runs.checkpoint import Checkpoint

_IDENTITY = (
    ("ontology",),
    ("ontologies",),
    ("datasets",),
    ("mix",),
    ("data", "size"),
    ("data", "batch_size"),
    ("augment",),
    ("model",),
    ("loss",),
    ("optim",),
    ("train", "steps"),
    ("train", "ema"),
    ("train", "complete"),
    ("train", "start_from"),
    ("train", "unfreeze_at"),
    ("evaluate", "crop"),
    ("evaluate", "size"),
    ("seed",),
)
"""The keys of a config that must not change when a run is resumed."""


def describe_run(config: RunConfig, sources: Sources) -> dict[str, Any]:
    """Return the parts of a checkpoint that stay the same during a run."""
    return {
        "config": dump(config.to_dict()),
        "ontology": (sources.ontology.name, sources.ontology.text),
        "trees": tuple((tree.name, tree.text) for tree in sources.trees),
        "mappings": tuple(spec.text for spec in sources.specs),
    }


def describe_pictures(
    trained: Sequence[SegmentationDataset], scored: Sequence[SegmentationDataset]
) -> dict[str, str]:
    """Return, by use and data set, how many pictures there are and a checksum of their names."""
    found: dict[str, str] = {}
    for use, datasets in (("trained on", trained), ("scored", scored)):
        for one in datasets:
            names = hashlib.sha256()
            for paths in (one.files.pictures, one.files.labels):
                names.update(b"\0".join(paths.tolist()) + b"\0\0")
            key = f"{one.spec.name}, {one.split} ({use})"
            found[key] = f"{len(one)} {names.hexdigest()}"
    return found


def check_same_pictures(now: Mapping[str, str], checkpoint: Checkpoint, path: Path) -> None:
    """Refuse to resume with pictures that were added or are gone.

    Raises:
        HarmonizeError: naming the data sets.
    """
    changed = [
        f"{key} ({before.split()[0]} pictures then, {now[key].split()[0]} now)"
        for key, before in checkpoint.pictures.items()
        if key in now and now[key] != before
    ]
    if changed:
        raise HarmonizeError(
            f"{path}: was made with other pictures: {', '.join(changed)}; resume with the run's "
            "own pictures and lists, or start a new run with another output=RUN_DIR"
        )


def check_same_run(config: RunConfig, sources: Sources, checkpoint: Checkpoint, path: Path) -> None:
    """Refuse to resume with anything that would make it another run.

    Raises:
        HarmonizeError: naming the keys that differ.
    """
    changed = changed_texts(config, sources, checkpoint)
    check_same_config(config, checkpoint.run_config(), path, changed)


def changed_texts(config: RunConfig, sources: Sources, checkpoint: Checkpoint) -> list[str]:
    """Say which files that a config names are not those that a checkpoint was made with."""
    now = describe_run(config, sources)
    return [
        f"{name} (its text has changed)"
        for key, name in {"ontology": "tree", "mappings": "mapping"}.items()
        if now[key] != getattr(checkpoint, key)
    ]


def check_same_config(
    config: RunConfig, old: RunConfig, path: Path, changed: Sequence[str] = ()
) -> None:
    """Refuse a config that would make the run that ``path`` is of another one.

    Raises:
        HarmonizeError: naming the keys that differ, and what else has ``changed``.
    """
    new_values, old_values = (_without_shard(one).to_dict() for one in (config, old))
    differing = [
        dotted(keys) for keys in _IDENTITY if _at(new_values, keys) != _at(old_values, keys)
    ]
    if differing or changed:
        raise HarmonizeError(
            f"{path}: was made with another {', '.join([*differing, *changed])}; resume with the "
            "run's own config, or start a new run"
        )


def _without_shard(config: RunConfig) -> RunConfig:
    """Leave out how processes keep the network, which changes nothing about it."""
    return dataclasses.replace(config, model=dataclasses.replace(config.model, shard=False))


def _at(values: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        assert isinstance(values, dict)
        values = values[key]
    return values
