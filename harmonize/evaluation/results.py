"""Scores of several data sets, printed as tables and written as JSON."""

import json
from pathlib import Path

from harmonize.config.saved_json import to_json
from harmonize.config.strict_yaml import Value
from harmonize.errors import printable
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.picture_file import write_pictures
from harmonize.evaluation.protocols import PROTOCOLS
from harmonize.evaluation.saved_protocol import SavedProtocol, draw_protocol
from harmonize.evaluation.saved_scores import VERSION
from harmonize.system.atomic_files import write_whole, writing

MADE_BY = "harmonize evaluate"
"""Stands in every file, so that no other file is replaced."""


def report_results(
    results: list[DatasetScores], path: Path | None, protocol: SavedProtocol | None = None
) -> None:
    """Print a table for each data set, and write the same numbers and details to ``path``.

    The counts of single pictures are written beside it. What a protocol says comes last.

    Raises:
        HarmonizeError: the file cannot be written.
    """
    for result in results:
        print("", *map(printable, result.table().split("\n")), sep="\n")
    if protocol is not None:
        table = draw_protocol(PROTOCOLS[protocol.name].title, protocol)
        print("", *map(printable, table.split("\n")), sep="\n")
    if path is None:
        return
    facts: dict[str, Value] = {
        "made_by": MADE_BY,
        "version": VERSION,
        "datasets": {one.name: {**one.to_dict(), **one.details()} for one in results},
    }
    if protocol is not None:
        facts["protocol"] = to_json(protocol)
    write_pictures(results, path)
    with writing(path):
        write_whole(path, (json.dumps(facts, indent=2) + "\n").encode())
