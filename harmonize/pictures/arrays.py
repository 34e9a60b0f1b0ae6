"""Label maps in array files: NumPy's .npy and .npz, MATLAB's .mat."""

import math
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.pictures.limits import refuse_huge
from harmonize.stores.file_table import Opened
from harmonize.stores.plain_files import open_plain

# Letters of shapes: H x W pixels.

ARRAYS = (".npy", ".npz", ".mat")
_MAT_NUMBERS = frozenset(
    (
        "double",
        "single",
        "logical",
        *(f"{u}int{bits}" for u in ("", "u") for bits in (8, 16, 32, 64)),
    )
)
"""What a .mat file calls arrays of numbers; structures and cells are not read."""
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
        with open_plain(path) as file:
            is_mat = path.suffix.lower() == ".mat"
            arrays = _read_mat(file, path) if is_mat else _read_numpy(file, path)
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except HarmonizeError:
        raise
    except Exception as error:  # a damaged file can make readers raise anything
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise HarmonizeError(f"{path}: not a readable array file: {reason}") from None
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


def _read_numpy(file: Opened, path: Path) -> dict[str, ndarray]:
    start = file.read(6)
    file.seek(0)
    if start == b"\x93NUMPY":
        return {"": _read_npy(file, path)}
    with zipfile.ZipFile(file) as packed:
        found: dict[str, ndarray] = {}
        for name in packed.namelist():
            with packed.open(name) as part:
                found[name.removesuffix(".npy")] = _read_npy(part, path)
        return found


def _read_npy(file: Any, path: Path) -> ndarray:
    """Read an array whose header says that it is not too large; pickles, which run code, are not.

    What its file may hold beyond that is left alone.
    """
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"version {version} of the format")
    shape, by_columns, dtype = readers[version](file)
    if dtype.hasobject:
        raise ValueError("holds objects, not numbers")
    _refuse_large(shape, path)
    size = math.prod(shape) * dtype.itemsize
    data = file.read(size)
    if len(data) < size:
        raise ValueError(f"ends {size - len(data)} bytes early")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_columns else "C")


def _refuse_large(shape: tuple[int, ...], path: Path) -> None:
    refuse_huge((math.prod(shape[1:]), math.prod(shape[:1])), path)


def _read_mat(file: Opened, path: Path) -> dict[str, ndarray]:
    from scipy.io import loadmat, whosmat  # slow to import

    wanted = [(name, shape) for name, shape, kind in whosmat(file) if kind in _MAT_NUMBERS]
    for _, shape in wanted:
        _refuse_large(shape, path)
    file.seek(0)
    found = loadmat(file, variable_names=[name for name, _ in wanted])
    return {name: a for name, a in found.items() if isinstance(a, ndarray) and name[:2] != "__"}
