"""The stores that this process has opened, and what opens others."""

import os
import time
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.stores.addresses import read_address
from harmonize.stores.file_table import Store
from harmonize.stores.stored_path import StoredPath

_FRESH = 60.0
"""Seconds for which a store is taken for unchanged, where a data set is opened again."""

_stores: dict[str, tuple[float, Store]] = {}
"""By address, with when it was opened."""


def open_root(place: str) -> Path | None:
    """Return where a data set lies, by what names its root; None if nothing is there.

    Raises:
        HarmonizeError: it is there, but cannot be read.
    """
    address = read_address(place)
    if address.kind == "folder":
        folder = Path(address.text)
        return folder if folder.is_dir() else None
    opened = _stores.get(address.text)
    if opened is None or time.monotonic() - opened[0] > _FRESH or _has_changed(opened[1]):
        _stores.pop(address.text, None)
        try:
            store = store_of(address.text)
        except FileNotFoundError:
            return None
        if address.kind == "remote" and store.table is not None and not len(store.table):
            del _stores[address.text]
            return None
    root = StoredPath(address.text, address.inside)
    return root if root.is_dir() or not root.is_listed else None


def store_of(address: str) -> Store:
    """Return the store at an address, opened once in each process.

    Raises:
        HarmonizeError: it cannot be read.
        FileNotFoundError: it is not there.
    """
    if address not in _stores:
        _stores[address] = time.monotonic(), _open(address)
    return _stores[address][1]


def known_stores() -> dict[str, tuple[float, Store]]:
    """Return the stores of this process, for another one."""
    return dict(_stores)


def take_stores(stores: dict[str, tuple[float, Store]]) -> None:
    """Use the stores that another process has opened."""
    for address, store in stores.items():
        _stores.setdefault(address, store)


def _open(address: str) -> Store:
    kind = read_address(address).kind
    if kind == "archive":
        from harmonize.stores.archives import Archive  # each few need

        return Archive(address)
    if kind == "parquet":
        from harmonize.stores.parquet import ParquetFiles

        return ParquetFiles(address)
    if kind == "remote":
        from harmonize.stores.remote import RemoteFolder

        return RemoteFolder(address)
    raise HarmonizeError(f"{address}: is gone; begin again")


def _has_changed(store: Store) -> bool:
    """Say whether a file of this machine is another than the one that was opened."""
    from harmonize.stores.archives import Archive
    from harmonize.stores.ranged import LocalBytes

    if not isinstance(store, Archive) or not os.path.isfile(store.address):  # noqa: PTH113
        return False
    return LocalBytes(store.address).stamp != store.version
