"""Checkpoints: one file each, which carries the tree, the mappings and the config as well.

The file is in the safetensors format, so that loading it runs no code. It is written aside and
renamed, so that a file under its final name is whole, and it carries a checksum of all that it
holds, so that damage is noticed.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialize
from torch import Tensor

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import load_text
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.joined import join_meanings
from harmonize.labels.ontology import Ontology
from harmonize.labels.sources import Sources
from harmonize.models.sharding import load_state
from harmonize.runs.checkpoint_facts import check_types
from harmonize.runs.standing import Standing, Weights
from harmonize.system.atomic_files import part_of, write_whole


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after ``step`` optimizer steps.

    Attributes:
        step: optimizer steps done.
        model: the network's parameters and buffers.
        ema: the moving average of the parameters; empty without one.
        optimizer: the optimizer's state dict; of a sharded run without what is in the shares.
        depths: what the weights of the depths follow from, if they are found out during the run.
        teacher: the parameters and buffers of the network that completes labels, if one does.
        scaler: the state of fp16's gradient scaler, if there is one.
        meter: the losses added up since the last line of metrics, by each process.
        health: what the run remembers of bad steps.
        standing: what its evaluations have found, before this step's own unless that chose the
            other weights to answer with.
        config: the run's config as YAML.
        ontology: the tree's name and text.
        mappings: the YAML of each data set's mapping, the trained ones first.
        pictures: by use and data set, how many there are and a checksum of their names; empty in
            checkpoints of older versions.
        trees: the name and text of each tree where the run has several, which ``ontology`` joins.
        shares: of a sharded run, the files that hold the rest of the optimizer's state, and their
            checksums; see ``optimizer_shares``.
    """

    step: int
    model: dict[str, Tensor]
    ema: dict[str, Tensor]
    optimizer: dict[str, Any]
    depths: dict[str, Tensor]
    teacher: dict[str, Tensor]
    scaler: dict[str, Any] | None
    meter: Tensor
    health: dict[str, Any]
    standing: Standing
    config: str
    ontology: tuple[str, str]
    mappings: tuple[str, ...]
    pictures: dict[str, str] = field(default_factory=dict[str, str])
    trees: tuple[tuple[str, str], ...] = ()
    shares: dict[str, str] = field(default_factory=dict[str, str])

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
        if len(specs) != number + len(config.evaluate_also):
            raise HarmonizeError("the checkpoint's mappings: not as many as its config has sets")
        ontology = Ontology(text, name=name, source=f"the checkpoint's {name}")
        trees = tuple(Ontology(its, name=one) for one, its in self.trees)
        if trees:
            specs = [join_meanings(spec, trees, ontology) for spec in specs]
        return Sources(
            ontology,
            tuple(zip(config.datasets, specs[:number], strict=True)),
            tuple(zip(config.evaluate_also, specs[number:], strict=True)),
            config.train.complete is not None,
            trees,
        )


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        HarmonizeError: the file cannot be written.
    """
    tensors = {f"model/{name}": tensor for name, tensor in checkpoint.model.items()}
    tensors |= {f"ema/{name}": tensor for name, tensor in checkpoint.ema.items()}
    tensors |= {f"depths/{name}": tensor for name, tensor in checkpoint.depths.items()}
    tensors |= {f"teacher/{name}": tensor for name, tensor in checkpoint.teacher.items()}
    tensors["meter"] = checkpoint.meter
    numbers: dict[str, dict[str, Any]] = {}
    for index, state in checkpoint.optimizer.get("state", {}).items():
        for key, value in state.items():
            if isinstance(value, Tensor):
                tensors[f"optimizer/{index}/{key}"] = value
            else:
                numbers.setdefault(str(index), {})[key] = value
    facts = json.dumps(
        {
            "step": checkpoint.step,
            "standing": asdict(checkpoint.standing),
            "scaler": checkpoint.scaler,
            "health": checkpoint.health,
            "config": checkpoint.config,
            "ontology": checkpoint.ontology,
            "mappings": checkpoint.mappings,
            "pictures": checkpoint.pictures,
            **({"trees": checkpoint.trees} if checkpoint.trees else {}),
            **({"shares": checkpoint.shares} if checkpoint.shares else {}),
            "optimizer_numbers": numbers,
            "param_groups": checkpoint.optimizer.get("param_groups", []),
        }
    )
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    metadata = {"harmonize": f"{checksum_of(facts, ready)} {facts}"}
    try:
        _write(path, serialize(ready, metadata))
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HarmonizeError(f"{path}: the checkpoint cannot be written: {reason}") from None


def _write(path: Path, data: bytes) -> None:
    """Write the file; a folder that is new has it as soon as it is there.

    So a folder without a checkpoint has lost some.
    """
    folder = path.parent
    if os.path.lexists(folder):
        write_whole(path, data)
        return
    aside = part_of(folder)
    try:
        aside.mkdir(parents=True)
        write_whole(aside / path.name, data)
        aside.rename(folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        raise


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
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise HarmonizeError(f"{path}: not a whole checkpoint: {error}") from None
    if "harmonize" not in metadata:
        raise HarmonizeError(f"{path}: not a whole checkpoint of harmonize, but another's file")
    checksum, _, facts = metadata["harmonize"].partition(" ")
    if checksum != checksum_of(facts, tensors):
        raise HarmonizeError(f"{path}: not a whole checkpoint: its checksum does not fit")
    try:
        return _assemble(json.loads(facts), tensors)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError) as error:
        raise HarmonizeError(
            f"{path}: not a whole checkpoint of this version of harmonize: {error!r}"
        ) from None


def checksum_of(facts: str, tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of everything that a checkpoint holds."""
    total = hashlib.sha256(facts.encode(errors="surrogatepass"))
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def _assemble(facts: dict[str, Any], tensors: dict[str, Tensor]) -> Checkpoint:
    check_types(facts)
    state: dict[int, dict[str, Any]] = {
        int(index): dict(numbers) for index, numbers in facts["optimizer_numbers"].items()
    }
    kinds = ("model", "ema", "depths", "teacher")
    weights: dict[str, dict[str, Tensor]] = {kind: {} for kind in kinds}
    for name, tensor in tensors.items():
        kind, _, rest = name.partition("/")
        if kind in weights:
            weights[kind][rest] = tensor
        elif kind == "optimizer":
            index, _, key = rest.partition("/")
            state.setdefault(int(index), {})[key] = tensor
    standing = Standing(**facts["standing"])
    if standing.answers_with == "ema" and not weights["ema"]:
        raise ValueError("there is no average to answer with")
    return Checkpoint(
        step=facts["step"],
        **weights,
        optimizer={"state": state, "param_groups": facts["param_groups"]},
        scaler=facts["scaler"],
        meter=tensors["meter"],
        health=facts["health"],
        standing=standing,
        config=facts["config"],
        ontology=(facts["ontology"][0], facts["ontology"][1]),
        mappings=tuple(facts["mappings"]),
        pictures=facts.get("pictures", {}),
        trees=tuple((name, text) for name, text in facts.get("trees", [])),
        shares=facts.get("shares", {}),
    )


def restore_model(
    model: torch.nn.Module, checkpoint: Checkpoint, path: Path, *, weights: Weights | None = None
) -> None:
    """Load the network's state, with the weights that the run answers with unless others are given.

    Raises:
        HarmonizeError: the state belongs to another network.
    """
    try:
        chosen = weights or checkpoint.standing.answers_with
        load_state(model, checkpoint.model | (checkpoint.ema if chosen == "ema" else {}))
    except RuntimeError as error:
        reason = str(error).splitlines()[1].strip()
        raise HarmonizeError(f"{path}: belongs to another network: {reason}") from None
