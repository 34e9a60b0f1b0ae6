"""Packages that only some networks need."""

import importlib
from types import ModuleType

from harmonize.errors import HarmonizeError

DISTRIBUTION = "harmonize-seg"
"""What pip calls this package."""


def need(module: str, *, extra: str, key: str) -> ModuleType:
    """Import a package that an extra of this one brings along.

    Raises:
        HarmonizeError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != module.split(".")[0]:
            raise
        raise HarmonizeError(
            f"{key}: needs {module}, which is not installed; pip install '{DISTRIBUTION}[{extra}]'"
        ) from None
