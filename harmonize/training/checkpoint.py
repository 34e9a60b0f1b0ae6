"""Checkpoints: one file each, which carries the tree, the mappings and the config as well.

The file is in the safetensors format, so that loading it runs no code. It is written aside and
renamed, so that a file under its final name is whole.
"""

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from harmonize.config import RunConfig
from harmonize.errors import HarmonizeError
from harmonize.ontology import Ontology
from harmonize.sources import Sources
from harmonize.spec import DatasetSpec
from harmonize.strict_yaml import dotted, dump, load_text

FOLDER = "checkpoints"
BEST = "best.safetensors"
_IDENTITY = (
    ("ontology",),
    ("datasets",),
    ("data", "size"),
    ("data", "batch_size"),
    ("augment",),
    ("model",),
    ("loss",),
    ("optim",),
    ("train", "steps"),
    ("seed",),
)
"""The keys of a config that make a run what it is."""
_KEPT = 2
"""How many of the newest checkpoints stay."""


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after ``step`` optimizer steps.

    Attributes:
        step: optimizer steps done.
        model: the network's parameters and buffers.
        optimizer: the optimizer's state dict.
        scaler: the state of fp16's gradient scaler, if there is one.
        meter: the losses added up since the last line of metrics.
        best: the best mean IoU so far, over the trained data sets; None before any evaluation.
        config: the run's config as YAML.
        ontology: the tree's name and text.
        mappings: the YAML of each data set's mapping, the trained ones first.
    """

    step: int
    model: dict[str, Tensor]
    optimizer: dict[str, Any]
    scaler: dict[str, Any] | None
    meter: Tensor
    best: float | None
    config: str
    ontology: tuple[str, str]
    mappings: tuple[str, ...]

    def run_config(self) -> RunConfig:
        """Return the config of the run."""
        return RunConfig.from_document(load_text(self.config, "the checkpoint's config"))

    def sources(self) -> Sources:
        """Return the tree and the mappings of the run."""
        config = self.run_config()
        name, text = self.ontology
        specs = [
            DatasetSpec.from_document(load_text(mapping, "the checkpoint's mapping"))
            for mapping in self.mappings
        ]
        number = len(config.datasets)
        return Sources(
            Ontology(text, name=name, source=f"the checkpoint's {name}"),
            tuple(zip(config.datasets, specs[:number], strict=True)),
            tuple(zip(config.evaluate_also, specs[number:], strict=True)),
        )


def describe_run(config: RunConfig, sources: Sources) -> dict[str, Any]:
    """Return the parts of a checkpoint that stay the same during a run."""
    return {
        "config": dump(config.to_dict()),
        "ontology": (sources.ontology.name, sources.ontology.text),
        "mappings": tuple(spec.text for spec in sources.specs),
    }


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        HarmonizeError: the file cannot be written.
    """
    tensors = {f"model/{name}": tensor for name, tensor in checkpoint.model.items()}
    tensors["meter"] = checkpoint.meter
    numbers: dict[str, dict[str, Any]] = {}
    for index, state in checkpoint.optimizer.get("state", {}).items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{index}/{key}"] = value
            else:
                numbers.setdefault(str(index), {})[key] = value
    facts = {
        "step": checkpoint.step,
        "best": checkpoint.best,
        "scaler": checkpoint.scaler,
        "config": checkpoint.config,
        "ontology": checkpoint.ontology,
        "mappings": checkpoint.mappings,
        "optimizer_numbers": numbers,
        "param_groups": checkpoint.optimizer.get("param_groups", []),
    }
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    aside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(ready, aside, metadata={"harmonize": json.dumps(facts)})
        _flush(aside)
        aside.replace(path)
        _flush(path.parent)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise HarmonizeError(f"{path}: the checkpoint cannot be written: {error}") from None


def load(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        HarmonizeError: no checkpoint of this project, or a damaged one.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such checkpoint") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise HarmonizeError(f"{path}: not a whole checkpoint: {error}") from None
    if "harmonize" not in metadata:
        raise HarmonizeError(f"{path}: not a whole checkpoint of harmonize, but another's file")
    try:
        return _assemble(json.loads(metadata["harmonize"]), tensors)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise HarmonizeError(
            f"{path}: not a whole checkpoint of this version of harmonize: {error!r}"
        ) from None


def _assemble(facts: dict[str, Any], tensors: dict[str, Tensor]) -> Checkpoint:
    state: dict[int, dict[str, Any]] = {
        int(index): dict(numbers) for index, numbers in facts["optimizer_numbers"].items()
    }
    model: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        if kind == "model":
            model[rest] = tensor
        elif kind == "optimizer":
            index, _, key = rest.partition("/")
            state.setdefault(int(index), {})[key] = tensor
    return Checkpoint(
        step=int(facts["step"]),
        model=model,
        optimizer={"state": state, "param_groups": facts["param_groups"]},
        scaler=facts["scaler"],
        meter=tensors["meter"],
        best=facts["best"],
        config=facts["config"],
        ontology=(facts["ontology"][0], facts["ontology"][1]),
        mappings=tuple(facts["mappings"]),
    )


def step_path(output: Path, step: int) -> Path:
    """Return the file of the checkpoint after so many steps."""
    return output / FOLDER / f"step-{step:08d}.safetensors"


def newest(output: Path) -> Path | None:
    """Return the newest checkpoint of a run, or None."""
    return max((output / FOLDER).glob("step-*.safetensors"), default=None)


def newest_whole(output: Path) -> tuple[Path, Checkpoint] | None:
    """Load the newest checkpoint that is whole, warning of damaged ones; None if there is none.

    Raises:
        HarmonizeError: all of them are damaged.
    """
    damaged: list[HarmonizeError] = []
    for path in sorted((output / FOLDER).glob("step-*.safetensors"), reverse=True):
        try:
            return path, load(path)
        except HarmonizeError as error:
            print(f"warning: {error}", file=sys.stderr)
            damaged.append(error)
    if damaged:
        raise damaged[0]
    return None


def best_so_far(output: Path, checkpoint: Checkpoint) -> float | None:
    """Return the best mean IoU up to a checkpoint, which is saved before it is scored."""
    path = output / FOLDER / BEST
    if not path.is_file():
        return checkpoint.best
    try:
        best = load(path)
    except HarmonizeError as error:
        print(f"warning: {error}", file=sys.stderr)
        return checkpoint.best
    return best.best if best.step <= checkpoint.step else checkpoint.best


def choose(output: Path, which: str) -> tuple[Path, Checkpoint]:
    """Load a run's ``best`` or ``last`` whole checkpoint.

    Raises:
        HarmonizeError: there is none.
    """
    if not output.is_dir():
        raise HarmonizeError(f"{output}: no such run folder")
    if which == "last":
        found = newest_whole(output)
    else:
        best = output / FOLDER / BEST
        found = (best, load(best)) if best.is_file() else None
    if found is None:
        raise HarmonizeError(f"{output}: holds no {which} checkpoint; is it a run folder?")
    return found


def remove_old(output: Path) -> None:
    """Remove all but the newest checkpoints and what interrupted writing left behind."""
    folder = output / FOLDER
    for path in [*sorted(folder.glob("step-*.safetensors"))[:-_KEPT], *folder.glob(".*.part")]:
        path.unlink(missing_ok=True)


def restore_model(model: torch.nn.Module, checkpoint: Checkpoint, path: Path) -> None:
    """Load the network's state.

    Raises:
        HarmonizeError: the state belongs to another network.
    """
    try:
        model.load_state_dict(checkpoint.model)
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise HarmonizeError(f"{path}: belongs to another network: {reason}") from None


def check_same_run(config: RunConfig, sources: Sources, checkpoint: Checkpoint, path: Path) -> None:
    """Refuse to resume with anything that would make it another run.

    Raises:
        HarmonizeError: naming the keys that differ.
    """
    now = describe_run(config, sources)
    changed = [
        f"{name} (its text has changed)"
        for key, name in {"ontology": "tree", "mappings": "mapping"}.items()
        if now[key] != getattr(checkpoint, key)
    ]
    check_same_config(config, checkpoint.run_config(), path, changed)


def check_same_config(
    config: RunConfig, old: RunConfig, path: Path, changed: Sequence[str] = ()
) -> None:
    """Refuse a config that would make the run that ``path`` is of another one.

    Raises:
        HarmonizeError: naming the keys that differ, and what else has ``changed``.
    """
    new_values, old_values = config.to_dict(), old.to_dict()
    differing = [
        dotted(keys) for keys in _IDENTITY if _at(new_values, keys) != _at(old_values, keys)
    ]
    if differing or changed:
        raise HarmonizeError(
            f"{path}: was made with another {', '.join([*differing, *changed])}; resume with the "
            "run's own config, or start a new run"
        )


def _flush(path: Path) -> None:
    """Make sure that a file or a folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _at(values: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        assert isinstance(values, dict)
        values = values[key]
    return values
