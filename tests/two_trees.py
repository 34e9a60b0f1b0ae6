"""The tiny data sets on two trees: what things are, and what they are made of."""

from pathlib import Path
from typing import Any

from harmonize import Ontology
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document, Value
from tiny import tiny_values, write_project

MATERIAL = "hard\n\tstone\n\tmetal\nsoft\n"
TREES = ("tiny", "material")


def write_two_trees(folder: Path) -> Path:
    """Write the tiny sets: fine means nodes of both trees, coarse of the first alone."""
    write_project(folder)
    (folder / "material.txt").write_text(MATERIAL)
    text = (folder / "fine.yaml").read_text()
    own = "right: right, void: ignore}"
    material = "material: {background: soft, left: ignore, right: [stone, metal], void: ignore}"
    (folder / "fine.yaml").write_text(text.replace(f"{own}}}", f"{own},\n  {material}}}"))
    return folder


def two_trees_config(
    project: Path, *overrides: str, output: str = "run", **further: Any
) -> RunConfig:
    """Return a config that trains for a few steps on both sets and both trees."""
    values: dict[str, Value] = tiny_values(project, project / output)
    del values["ontology"]
    values["ontologies"] = [str(project / f"{name}.txt") for name in TREES]
    return RunConfig.from_document(Document("tiny", {**values, **further}), overrides)


def read_trees(project: Path) -> list[Ontology]:
    """Return the two trees."""
    return [Ontology.from_file(project / f"{name}.txt") for name in TREES]
