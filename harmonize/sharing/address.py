"""Where packages are: ``hub:USER/NAME``, a folder, or what fsspec opens (``s3://...``)."""

import re
from pathlib import Path

from harmonize.errors import HarmonizeError
from harmonize.sharing.folder_store import FolderStore
from harmonize.sharing.fsspec_store import FsspecStore
from harmonize.sharing.hub_store import HubStore
from harmonize.sharing.store import PackageStore

HUB = "hub:"
_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def is_remote(text: str) -> bool:
    """Say whether a text is the address of a package that has to be pulled first."""
    return text.startswith(HUB) or "://" in text


def open_store(address: str, *, public: bool = False) -> PackageStore:
    """Return where an address leads.

    Args:
        address: of a package.
        public: whether a new one on a hub may be seen by all.

    Raises:
        HarmonizeError: it is none, or what opens it is not installed.
    """
    if address.startswith(HUB):
        repo, _, revision = address.removeprefix(HUB).partition("@")
        if not _REPO.fullmatch(repo):
            raise HarmonizeError(f"{address}: expected hub:USER/NAME or hub:USER/NAME@REVISION")
        return HubStore(address, repo, revision or None, public=public)
    if public:
        raise HarmonizeError(f"--public: is about hubs, and {address} is on none; leave it out")
    if "://" in address:
        return FsspecStore.of(address)
    if not address:
        raise HarmonizeError("expected an address: hub:USER/NAME, a folder, or s3://BUCKET/NAME")
    return FolderStore(address, Path(address).expanduser())
