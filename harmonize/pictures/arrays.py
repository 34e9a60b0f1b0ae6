"""Label maps in array files: NumPy's .npy and .npz, MATLAB's .mat."""

import re
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.pictures.limits import refuse_huge

# Letters of shapes: H x W pixels.

ARRAYS = (".npy", ".npz", ".mat")
_NAMED = re.compile(r"(?i)label|mask|seg|gt|truth|class|arr_0")


def is_array(path: Path) -> bool:
    """Say whether a file holds arrays, by its extension."""
    return path.suffix.lower() in ARRAYS


def read_array(path: Path) -> Num[ndarray, "H W"]:
    """Read the label map of an array file: its only one, or the only one that is named so.

    Raises:
        HarmonizeError: naming the file; it is damaged, or holds no such array.
    """
    try:
        arrays = _read_mat(path) if path.suffix.lower() == ".mat" else _read_numpy(path)
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except HarmonizeError:
        raise
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        EOFError,
        MemoryError,
        NotImplementedError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise HarmonizeError(f"{path}: not a readable array file: {error}") from None
    maps = {name: found for name, array in arrays.items() if (found := _map(array)) is not None}
    chosen = [name for name in maps if len(maps) == 1 or _NAMED.search(name)]
    if len(chosen) != 1:
        shapes = ", ".join(f"{name or 'array'} {a.dtype} {a.shape}" for name, a in arrays.items())
        raise HarmonizeError(
            f"{path}: expected one array of height x width with a number for each pixel, got "
            f"{shapes or 'none'}; save the one with the ids alone"
        )
    values = maps[chosen[0]]
    refuse_huge((values.shape[1], values.shape[0]), path)
    return values


def _map(array: Any) -> Num[ndarray, "H W"] | None:
    """Return an array without sides of 1 if it has a number for each pixel, else None."""
    if not isinstance(array, ndarray) or array.dtype.kind not in "biuf" or array.ndim > 4:
        return None
    if array.ndim > 2:
        array = array.reshape([side for side in array.shape if side != 1] or [1, 1])
    if array.ndim != 2 or not array.size:
        return None
    return array.astype(np.uint8) if array.dtype == np.bool_ else array


def _read_numpy(path: Path) -> dict[str, ndarray]:
    with path.open("rb") as file:
        loaded = np.load(file, allow_pickle=False)  # pickles may run code
        if isinstance(loaded, ndarray):
            return {"": loaded}
        return {name: loaded[name] for name in loaded.files}


def _read_mat(path: Path) -> dict[str, ndarray]:
    try:
        from scipy.io import loadmat  # an extra
    except ImportError:
        raise HarmonizeError(
            f"{path}: needs scipy, which is not installed; pip install 'harmonize-seg[matlab]'"
        ) from None
    try:
        found = loadmat(path)
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(str(error)) from None
    return {name: a for name, a in found.items() if isinstance(a, ndarray) and name[:2] != "__"}
