"""What commands in several processes do in tests; see ``group.run_group``."""

import os
from pathlib import Path
from typing import Any

from harmonize import cli
from harmonize.inference.annotations import project
from harmonize.system.atomic_files import write_whole


def predict(folder: Path, *commands: list[str]) -> dict[str, Any]:
    """Run commands of ``harmonize predict`` in a folder."""
    os.chdir(folder)
    return {"statuses": [cli.main(["predict", *words]) for words in commands]}


def train(words: list[str]) -> dict[str, Any]:
    """Run ``harmonize train``."""
    return {"status": cli.main(["train", *words])}


def predict_with_a_full_disk(folder: Path, words: list[str]) -> dict[str, Any]:
    """Run one where no annotation can be written."""

    def fail(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            raise OSError(28, "No space left on device")
        write_whole(path, data)

    project.write_whole = fail
    return predict(folder, words)
