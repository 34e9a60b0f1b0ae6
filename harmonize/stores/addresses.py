"""What a data set's root names: a folder, an archive, Parquet files or a remote address."""

import os
import re
from dataclasses import dataclass
from typing import Literal

from harmonize.errors import HarmonizeError

_REMOTE = re.compile(r"(?:[\w+.-]+::)*[a-zA-Z][\w+.-]*://")
_ARCHIVE = re.compile(r"(?i)(.*?\.(?:zip|tar|tar\.gz|tgz))(?:/+(.*))?")
_OTHERS = re.compile(r"(?i).*\.(?:7z|rar|t?bz2?|t?xz|t?zst|lz4|gz)")
_WILD = re.compile(r"[*?\[]")
PARQUET = ".parquet"


@dataclass(frozen=True)
class Address:
    """What a root names.

    Attributes:
        kind: of it.
        text: the address of the store.
        inside: the folder in the archive.
    """

    kind: Literal["folder", "archive", "parquet", "remote"]
    text: str
    inside: str = ""


def is_remote(text: str) -> bool:
    """Say whether a text is an address and no path."""
    return _REMOTE.match(text) is not None


def is_stored(text: str) -> bool:
    """Say whether a text looks like the root of a data set that lies in no folder."""
    return is_remote(text) or text.endswith(PARQUET) or _ARCHIVE.fullmatch(text) is not None


def read_address(text: str) -> Address:
    """Tell what a root names, by its text and by what there is on this machine.

    Raises:
        HarmonizeError: an address that is not opened, or an archive of another kind.
    """
    if text.startswith(("file://", "local://")):
        text = text.partition("://")[2]
    remote = is_remote(text)
    if remote:
        _refuse_secrets(text)
    else:
        text = os.path.expanduser(text)  # noqa: PTH111  leaves an unknown ~user alone
        if os.path.isdir(text):  # noqa: PTH112  of any name
            return Address("folder", text)
    if text.endswith(PARQUET):
        return Address("parquet", text)
    match = _ARCHIVE.fullmatch(text)
    if match and (remote or os.path.isfile(match[1])):  # noqa: PTH113
        return Address("archive", match[1], (match[2] or "").rstrip("/"))
    if _OTHERS.fullmatch(text) and (remote or os.path.isfile(text)):  # noqa: PTH113
        raise HarmonizeError(
            f"{text}: an archive of this kind is not read in place; pack its files as .zip or .tar"
        )
    return Address("remote", text.rstrip("/")) if remote else Address("folder", text)


def parquet_parts(text: str) -> tuple[str, str]:
    """Return the folder below which Parquet files lie, and the pattern of their paths in it."""
    wild = _WILD.search(text)
    fixed = text if wild is None else text[: wild.start()]
    folder, _, _ = fixed.rpartition("/")
    return folder or ("/" if text.startswith("/") else "."), text[len(folder) :].lstrip("/")


def _refuse_secrets(text: str) -> None:
    """Refuse addresses that hold what must not be written to run folders and messages."""
    host = text.partition("://")[2].partition("/")[0]
    if "@" in host and text.startswith(("http", "ftp", "sftp", "ssh", "webdav", "smb")):
        shown = text.replace(host, host.rpartition("@")[2])
        what = "a name or a password"
    elif "?" in text and not text.endswith(PARQUET):
        shown, what = text.partition("?")[0], "what follows a question mark"
    elif "::" in text:
        shown, what = text, "several addresses in one"
    else:
        return
    raise HarmonizeError(
        f"{shown}: a root is an address without {what}, as it is written to the run folder; give "
        "credentials by the environment (see docs/guides/remote.md)"
    )
