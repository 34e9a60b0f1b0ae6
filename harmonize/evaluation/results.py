"""Scores of several data sets, printed as tables and written as JSON."""

import json
from pathlib import Path

from harmonize.errors import printable
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.system.atomic_files import write_whole, writing

MADE_BY = "harmonize evaluate"
"""Stands in every file, so that no other file is replaced."""


def report_results(results: list[DatasetScores], path: Path | None) -> None:
    """Print a table for each data set, and write the same numbers and details to ``path``.

    Raises:
        HarmonizeError: the file cannot be written.
    """
    for result in results:
        print("", *map(printable, result.table().split("\n")), sep="\n")
    if path is None:
        return
    facts = {
        "made_by": MADE_BY,
        "datasets": {one.name: {**one.to_dict(), **one.details()} for one in results},
    }
    with writing(path):
        write_whole(path, (json.dumps(facts, indent=2) + "\n").encode())
