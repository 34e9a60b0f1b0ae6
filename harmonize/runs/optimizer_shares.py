"""The optimizer's state of a sharded run: one file for each process, beside its checkpoints.

torch.distributed.checkpoint writes and reads them, in the safetensors format, so that any number of
processes can go on from them, each reading what it needs, and that reading them runs no code. The
checkpoint that they belong to holds their checksums; what none names is no longer needed.
"""

import hashlib
import math
import re
import secrets
import shutil
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from harmonize.errors import HarmonizeError
from harmonize.models.sharding import shared_like
from harmonize.runs.checkpoint import Checkpoint
from harmonize.system.atomic_files import writing

FOLDER = "optimizer"
_NAME = re.compile(r"step-[0-9]{8,}-[0-9a-f]{8}")


def new_folder(path: Path) -> Path:
    """Return a folder for the shares that belong to a checkpoint's file; its name is new."""
    return path.parents[1] / FOLDER / f"{path.stem}-{secrets.token_hex(4)}"


def shared_tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of an optimizer's state that are as large as a parameter."""
    return {
        f"{index}/{key}": value
        for index, entry in state["state"].items()
        for key, value in entry.items()
        if _is_shared(value)
    }


def without_shared(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return an optimizer's state without them."""
    rest = {
        index: {key: value for key, value in entry.items() if not _is_shared(value)}
        for index, entry in state["state"].items()
    }
    return {**state, "state": rest}


def _is_shared(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def write_shares(tensors: dict[str, Tensor], folder: Path) -> None:
    """Write this process's share of some tensors into a new folder; every process must call this.

    Raises:
        HarmonizeError: one of the processes cannot, in all of them.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
    from torch.distributed.checkpoint.state_dict_saver import save

    writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        save(tensors, storage_writer=writer)
    except CheckpointException as problem:
        rank, (error, _) = next(iter(problem.failures.items()))
        reason = getattr(error, "strerror", None) or f"{error}".partition("\n")[0]
        raise HarmonizeError(
            f"{folder}: process {rank} cannot write its share of the optimizer's state: {reason}"
        ) from None


def settle_shares(folder: Path, tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the checksum of each file that the processes have written; one of them calls this.

    Args:
        folder: that they have written into.
        tensors: of which they wrote their shares.

    Raises:
        HarmonizeError: the files cannot be read, or those of other processes are not there.
    """
    with writing(folder):
        if _numbers_in(folder) != {name: tensor.numel() for name, tensor in tensors.items()}:
            raise HarmonizeError(
                f"{folder}: lacks what other processes have written: all machines must see the "
                "same run folder"
            )
        files = sorted(folder.iterdir())
        return {str(file.relative_to(folder.parent)): _checksum(file) for file in files}


def _numbers_in(folder: Path) -> dict[str, int]:
    """Return how many numbers of each tensor the files of a folder hold."""
    found: Counter[str] = Counter()
    for file in folder.iterdir():
        with safe_open(file, framework="pt") as shares:
            for name in shares.keys():  # noqa: SIM118
                found[name] += math.prod(shares.get_slice(name).get_shape())
    return dict(found)


def check_shares(path: Path, state: Checkpoint) -> None:
    """Make sure that the shares that belong to a checkpoint are whole.

    Raises:
        HarmonizeError: they are not.
    """
    for name, checksum in state.shares.items():
        file = path.parents[1] / FOLDER / name
        try:
            fits = _checksum(file) == checksum
        except OSError as error:
            reason = error.strerror or error
            raise HarmonizeError(f"{path}: not a whole checkpoint: {file}: {reason}") from None
        if not fits:
            raise HarmonizeError(
                f"{path}: not a whole checkpoint: {file}: its checksum does not fit"
            )


def optimizer_state(path: Path, state: Checkpoint, parameters: Sequence[Tensor]) -> dict[str, Any]:
    """Return the optimizer's state of a checkpoint, for parameters that are sharded or not.

    Args:
        path: of the checkpoint.
        state: what it holds.
        parameters: of the optimizer, in its order.

    Raises:
        HarmonizeError: it cannot be read.
    """
    entries = {
        index: {
            key: shared_like(value, parameters[index]) if _is_shared(value) else value
            for key, value in entry.items()
        }
        for index, entry in state.optimizer["state"].items()
    }
    for name, tensor in _read_shares(path, state, parameters).items():
        index, _, key = name.partition("/")
        entries.setdefault(int(index), {})[key] = tensor
    return {**state.optimizer, "state": entries}


def _read_shares(path: Path, state: Checkpoint, parameters: Sequence[Tensor]) -> dict[str, Tensor]:
    """Read what this process needs of the shares, whatever the others do."""
    if not state.shares:
        return {}
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    folder = path.parents[1] / FOLDER / Path(next(iter(state.shares))).parent
    reader = HuggingFaceStorageReader(str(folder))
    try:
        known = reader.read_metadata().state_dict_metadata
        tensors = {name: torch.empty_like(parameters[int(name.split("/")[0])]) for name in known}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")
            load(tensors, storage_reader=reader, no_dist=True)
    except (Exception, CheckpointException) as error:
        reason = f"{error}".partition("\n")[0]
        raise HarmonizeError(f"{folder}: the optimizer's state cannot be read: {reason}") from None
    return {name: tensor.detach() for name, tensor in tensors.items()}


def remove_old_shares(output: Path, kept: Sequence[Path]) -> None:
    """Remove the shares of a run that belong to none of the checkpoints that are kept."""
    folder = output / FOLDER
    if not folder.is_dir():
        return
    facts = [_facts(path) for path in kept]
    for path in folder.iterdir():
        if _NAME.fullmatch(path.name) and not any(path.name in one for one in facts):
            shutil.rmtree(path, ignore_errors=True)


def _facts(path: Path) -> str:
    """Return what a checkpoint holds beside its tensors; nothing if it is damaged."""
    try:
        with safe_open(path, framework="pt") as file:
            return (file.metadata() or {}).get("harmonize", "")
    except (SafetensorError, OSError):
        return ""


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
