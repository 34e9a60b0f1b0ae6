"""What stands in for the labels of a data set that has none."""
# ruff: noqa: ARG002  what an encoding is asked does not matter without labels

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Int
from numpy import ndarray

from harmonize.config.strict_yaml import Value
from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import ClassTable, DataClass
from harmonize.labels.encoding import Encoding
from harmonize.labels.path_template import Fields, Template

# Letters of shapes: H x W pixels.

UNLABELLED = "unlabelled"
"""The only class of a data set without labels: it may be any leaf of the tree."""


class NoLabels(Encoding):
    """No label files at all."""

    name = "none"
    wanted = "nothing"

    def parse(self, name: str, value: Value) -> DataClass | None:
        return DataClass(name)

    def fill(self, template: Template, fields: Fields) -> str:
        return ""

    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        return []

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        raise HarmonizeError(f"{table.dataset}: has no labels (label: null)")
