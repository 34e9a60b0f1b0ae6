"""Indexes of large files of labels, kept on disk: who starts later need not go through them."""

import contextlib
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy import ndarray

from harmonize.system.atomic_files import write_whole
from harmonize.system.compile_c import cache_folder
from harmonize.system.own_folders import make_own_folder, read_own_file

LEAST = 32 << 20
"""Bytes of a file from which on it is worth it; a smaller one takes a second."""
_FORM = 1
"""Raise it whenever an index holds something else."""
_STAMP = "stamp"


def read_kept(kind: str, path: Path, stamp: tuple[int, ...]) -> dict[str, ndarray] | None:
    """Return what was kept of a file; None if nothing was, or not of the file as it is now.

    Args:
        kind: of the index.
        path: of the file.
        stamp: that changes whenever the file does; its first number is the file's size in bytes.
    """
    if stamp[0] < LEAST:
        return None
    with contextlib.suppress(OSError, ValueError, BadZipFile, EOFError, KeyError):
        content = read_own_file(_place(kind, path))
        if content is not None:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            if arrays.pop(_STAMP).tolist() == [_FORM, *stamp]:
                return arrays
    return None


def keep(kind: str, path: Path, stamp: tuple[int, ...], arrays: Mapping[str, ndarray]) -> None:
    """Keep what an index of a large file holds, in place of what was kept of it before.

    Where it cannot be written, the file is gone through again next time.
    """
    if stamp[0] < LEAST:
        return
    data = io.BytesIO()
    named = {_STAMP: np.array([_FORM, *stamp]), **arrays}
    np.savez(data, **named)  # pyright: ignore[reportArgumentType]  no array is called allow_pickle
    with contextlib.suppress(OSError):
        place = _place(kind, path)
        make_own_folder(place.parent)
        write_whole(place, data.getvalue())


def _place(kind: str, path: Path) -> Path:
    name = hashlib.sha256(f"{kind}\n{path.resolve()}".encode(errors="surrogateescape")).hexdigest()
    return cache_folder() / "indexes" / f"{name[:32]}.npz"
