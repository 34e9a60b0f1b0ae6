"""What a mapping names relative to itself: the data set's folder, and lists of splits."""

import os
from pathlib import Path

from harmonize.config.strict_yaml import Document
from harmonize.errors import HarmonizeError
from harmonize.labels.path_template import Template


def find_beside(document: Document, mapping: Path) -> None:
    """Write the paths in full of the folder and the lists that lie beside a mapping's file.

    The folder, where it is not found from the working directory; a list, where the data set's
    folder has none of the name. So a run finds them again, wherever it goes on.
    """
    value = document.value
    if not isinstance(value, dict):
        return
    here = mapping.absolute().parent
    root = value.get("root")
    if isinstance(root, str) and not Path(root).is_dir() and (here / root).is_dir():
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
        in_data = isinstance(root, str) and (Path(os.path.expanduser(root)) / file).is_file()  # noqa: PTH111
        if not in_data and ".." not in file.split("/") and (here / file).is_file():
            folder = str(here).replace("{", "{{").replace("}", "}}")
            split["list"] = f"{folder}/{listed}" if not listed.startswith("/") else listed
