"""Folders that a user names, ``~`` being the home folder."""

import os
from pathlib import Path

from harmonize.errors import HarmonizeError


def named_folder(path: str, key: str) -> Path:
    """Return the folder that a key of a config names.

    Raises:
        HarmonizeError: it lies in the home folder of somebody who is not known here.
    """
    expanded = os.path.expanduser(path)  # noqa: PTH111  leaves an unknown ~user alone
    if expanded.startswith("~"):
        user = Path(expanded).parts[0]
        raise HarmonizeError(
            f"{key}: there is no home folder {user} here, got {path!r}; write the whole path, or "
            f"./{path}"
        )
    return Path(expanded)
