"""What a mapping names relative to itself: the data set's folder, and lists of splits."""

import os
from pathlib import Path

from harmonize.config.strict_yaml import Document
from harmonize.errors import HarmonizeError
from harmonize.labels.path_template import Template
from harmonize.stores.addresses import is_remote, is_stored, parquet_parts, read_address


def find_beside(document: Document, mapping: Path) -> None:
    """Write the paths in full of the folder and the lists that lie beside a mapping's file.

    The folder, where it is not found from the working directory; a list, where the data set's
    folder has none of the name, or is none: archives and addresses are not opened for that. So a
    run finds them again, wherever it goes on.
    """
    value = document.value
    if not isinstance(value, dict):
        return
    here = mapping.absolute().parent
    root = value.get("root")
    stored = isinstance(root, str) and is_stored(root)
    if isinstance(root, str) and stored:
        root = value["root"] = _stored_beside(root, here)
    elif isinstance(root, str) and not Path(root).is_dir() and (here / root).is_dir():
        root = value["root"] = os.path.normpath(here / root)
    splits = value.get("splits")
    for name, split in splits.items() if isinstance(splits, dict) else ():
        listed = split.get("list") if isinstance(split, dict) else None
        if not isinstance(split, dict) or not isinstance(listed, str) or not listed:
            continue
        try:
            file = Template(listed, where="list").fill({"split": str(name)})
        except HarmonizeError:  # it has other fields, or is told to be wrong later
            continue
        own = None if stored or not isinstance(root, str) else Path(os.path.expanduser(root))  # noqa: PTH111
        in_data = own is not None and (own / file).is_file()
        if not in_data and ".." not in file.split("/") and (here / file).is_file():
            folder = str(here).replace("{", "{{").replace("}", "}}")
            split["list"] = f"{folder}/{listed}" if not listed.startswith("/") else listed


def _stored_beside(root: str, here: Path) -> str:
    """Return the path in full of an archive or of Parquet files that lie beside the mapping."""
    if is_remote(root) or root.startswith(("/", "~")) or _is_there(Path(root)):
        return root
    return os.path.normpath(here / root) if _is_there(here / root) else root


def _is_there(place: Path) -> bool:
    """Say whether there is an archive, a folder in one, or a folder with Parquet files."""
    address = read_address(str(place))
    if address.kind == "parquet":
        return Path(parquet_parts(address.text)[0]).is_dir()
    return address.kind == "archive" or Path(address.text).is_dir()
