"""Where a data set lies that a mapping is drafted of, and how the mapping names that."""

import os
import re
from pathlib import Path

from harmonize.stores.addresses import PARQUET, is_remote, parquet_parts
from harmonize.stores.open_store import open_root
from harmonize.stores.stored_path import StoredPath
from harmonize.tools.draft.folder_files import IMAGES

_ANYWHERE = f"**/*{PARQUET}"
_LOOKED_AT = 1000
"""Files of a folder that are looked at for pictures."""
_ENDING = re.compile(r"(?i)\.(zip|tar|tar\.gz|tgz|parquet)$")


def find_set(given: str) -> Path:
    """Return where a data set lies: a folder of Parquet files alone is what these hold.

    Raises:
        HarmonizeError: it cannot be read.
    """
    place = open_root(given)
    if place is None:
        return Path(given)  # which is refused as a folder is
    if not _is_of_parquet(place):
        return place
    return open_root(f"{str(place).rstrip('/')}/{_ANYWHERE}") or place


def _is_of_parquet(place: Path) -> bool:
    """Say whether a folder holds Parquet files, and no pictures among its first files."""
    if isinstance(place, StoredPath) and (place.inside or not place.is_listed):
        return False
    if isinstance(place, StoredPath) and not is_remote(place.address):
        return False
    if next(iter(place.glob(_ANYWHERE)), None) is None:
        return False
    some = (path for path, _ in zip(place.glob("**/*"), range(_LOOKED_AT), strict=False))
    return not any(path.suffix.lower() in IMAGES for path in some)


def root_of(place: Path, output: Path) -> str:
    """Return a set's place as its mapping names it: relative to itself, where it was so given."""
    text = str(place)
    is_whole = is_remote(text) or text.startswith("/")
    return text if is_whole else os.path.relpath(text, output.parent)


def name_of(place: Path) -> str:
    """Return what a set may be called: the last part of its place that is a name."""
    if not isinstance(place, StoredPath):
        return place.resolve().name
    if place.inside:
        return place.name
    address = place.resolve().address
    if address.endswith(PARQUET) and "*" in address:
        address = parquet_parts(address)[0]
        address = address.removesuffix("/data")
    return _ENDING.sub("", address.rstrip("/").rpartition("/")[2])
