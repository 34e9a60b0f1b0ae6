"""A copy on this machine of a file that many parts are read of, for as long as the command runs."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.stores.stored_path import StoredPath

_BLOCK = 1 << 22


def local_copy(path: StoredPath) -> Path:
    """Copy a file of a store into a folder of its own, which is removed when the process ends.

    Raises:
        HarmonizeError: it cannot be read, or there is no room for it.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="harmonize-copy-"))
        atexit.register(_remove, folder, os.getpid())
        with path.open("rb") as file, (folder / "copy").open("wb") as copy:
            shutil.copyfileobj(file, copy, _BLOCK)
    except OSError as error:
        raise HarmonizeError(
            f"{path}: cannot be copied to {tempfile.gettempdir()}: {error.strerror or error}; "
            "name another folder by TMPDIR"
        ) from None
    return folder / "copy"


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:  # and no process that was forked from it
        shutil.rmtree(folder, ignore_errors=True)
