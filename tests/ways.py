"""Mappings on a tree of six leaves, each written and read by a test."""

from collections.abc import Mapping
from pathlib import Path

from harmonize import DatasetSpec
from harmonize.config.strict_yaml import Value, dump

TREE = "road\nlane\nrail\nwalk\nkerb\ngrass\n"


def write_mapping(
    name: str, meaning: Mapping[str, Value], *, folder: str = "", **further: Value
) -> DatasetSpec:
    """Write a mapping of one picture on the tree ``ways``, and read it.

    Args:
        name: of the data set.
        meaning: of each class, whose number is its place.
        folder: that the picture and its label are in, ending in a slash.
        further: keys of the mapping.
    """
    values: dict[str, Value] = {
        "name": name,
        "picture": f"{folder}{{id}}.png",
        "label": f"{folder}{{id}}_ids.png",
        "encoding": "ids",
        "splits": {"val": {"range": [0, 0]}},
        "classes": {key: number for number, key in enumerate(meaning)},
        "meaning": {"ways": dict(meaning)},
        **further,
    }
    Path(f"{name}.yaml").write_text(dump(values))
    return DatasetSpec.from_file(f"{name}.yaml")
