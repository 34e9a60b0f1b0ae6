"""Files of pretrained weights: found by path or inside an installed package, and read safely."""

import importlib.util
import os
import pickle
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from harmonize.errors import HarmonizeError

KEY = "model.weights"
PACKAGE = "package:"
HUB = "hub"
OTHER_WAYS = f"give a file (.safetensors or .pth), or {PACKAGE}NAME of an installed package"
_ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model_ema", "model")


def find_weights(source: str) -> Path:
    """Find the file that ``model.weights`` names.

    Raises:
        HarmonizeError: there is no such file or package, or the package has not exactly one.
    """
    if source.startswith(PACKAGE):
        return _in_package(source.removeprefix(PACKAGE))
    path = Path(os.path.expanduser(source))  # noqa: PTH111  leaves an unknown ~user alone
    if path.is_file():
        return path
    raise HarmonizeError(f"{KEY}: {source}: no such file; {OTHER_WAYS}")


def _in_package(name: str) -> Path:
    """Find a package's one file of weights by its records, without importing the package."""
    try:
        records = metadata.distribution(name).files or []
        files = [Path(str(record.locate())) for record in records]
    except (metadata.PackageNotFoundError, ValueError):
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None:
            raise HarmonizeError(
                f"{KEY}: {PACKAGE}{name}: no such package is installed; pip install {name or 'it'}"
            ) from None
        folders = map(Path, spec.submodule_search_locations or [])
        files = [path for folder in folders for path in folder.rglob("*")]
    found = sorted(path for path in files if path.suffix in _ENDINGS and path.is_file())
    if len(found) == 1:
        return found[0]
    got = f"several: {', '.join(map(str, found))}; give one of them" if found else "none"
    raise HarmonizeError(f"{KEY}: {PACKAGE}{name}: one file of weights is needed, got {got}")


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a file, which runs no code that the file may hold.

    Raises:
        HarmonizeError: it cannot be read, or holds other things than tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings(action="ignore"):  # about pickles that it refuses next
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise HarmonizeError(
            f"{KEY}: {path}: holds more than tensors, which could run code, and is not loaded; "
            "save its state_dict() alone"
        ) from None
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise HarmonizeError(f"{KEY}: {path}: cannot be read: {reason}") from None
    return _unwrapped(content, path)


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping):
        items = cast("Mapping[object, object]", content)
        for wrapper in _WRAPPERS:
            if isinstance(items.get(wrapper), Mapping):
                return _unwrapped(items[wrapper], path)
        tensors = {str(name): item for name, item in items.items() if isinstance(item, Tensor)}
        if tensors:
            return tensors
    raise HarmonizeError(f"{KEY}: {path}: holds no tensors by name; save a state_dict()")
