"""The files of a study's results."""

import json
from collections.abc import Mapping
from pathlib import Path

from harmonize.system.atomic_files import write_whole, writing


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files by name into a study's folder.

    Raises:
        HarmonizeError: one cannot be written.
    """
    for name, content in files.items():
        path = folder / name
        with writing(path):
            write_whole(path, content if isinstance(content, bytes) else content.encode())


def as_json(facts: Mapping[str, object]) -> str:
    """Write facts as JSON that people can read."""
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"
