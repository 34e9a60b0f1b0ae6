"""What encodings share whose files are a JSON for each picture, of shapes drawn in order."""

import json
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Int
from numpy import ndarray

from harmonize.config.strict_yaml import read_text
from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import ClassTable
from harmonize.labels.named_encoding import ByName
from harmonize.labels.regions import Region, finish, lay

# Letters of shapes: H x W pixels.

Size = tuple[int, int]
"""Width and height in pixels."""


class DrawnShapes(ByName):
    """A JSON whose list of shapes is drawn in its order, the later on top."""

    key: ClassVar[str]
    """Of the list of shapes."""
    tool: ClassVar[str]
    """That writes such files."""

    @abstractmethod
    def size_of(self, content: dict[str, Any], path: Path) -> Size:
        """Return the size that a file gives its picture."""

    @abstractmethod
    def regions_of(self, shapes: list[Any], size: Size, path: Path) -> Iterator[Region]:
        """Yield the pixels of each shape."""

    def size(self, root: Path, label: str) -> Size:
        return self.size_of(self._load(root / label), root / label)

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        path = root / label
        content = self._load(path)
        width, height = size = self.size_of(content, path)
        regions = self.regions_of(content[self.key], size, path)
        laid = lay(regions, width * height, table, str(path), "file")
        return finish(laid.classes.reshape(height, width), laid.unknown, table, str(path))

    def _load(self, path: Path) -> dict[str, Any]:
        try:
            content = json.loads(read_text(path))
        except (ValueError, RecursionError) as error:
            if isinstance(error, HarmonizeError):
                raise
            raise HarmonizeError(f"{path}: not JSON: {error}") from None
        if not isinstance(content, dict) or not isinstance(content.get(self.key), list):
            raise HarmonizeError(f"{path}: has no list `{self.key}`, as {self.tool}'s files have")
        return content
