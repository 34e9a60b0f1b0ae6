"""Polygons as the YOLO tools write them: a text file for each picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from harmonize.config.strict_yaml import Value, read_text
from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import ClassTable, DataClass, UnknownValuesError
from harmonize.labels.encoding import Encoding, parse_ids
from harmonize.labels.path_template import Fields, Template
from harmonize.plurals import counted

# Letters of shapes: H x W pixels, N corners.

_BOX = 4
"""Numbers after the class of a line that is a box, which says nothing about pixels."""
_CORNERS = 3


@dataclass(frozen=True)
class Yolo(Encoding):
    """A line for each object: the class's number, then x and y of each corner, from 0 to 1.

    The smaller of two polygons lies on top, which is Ultralytics' order. A pixel is inside where
    its middle is, while Ultralytics draws with OpenCV, whose edges take in more.
    """

    name = "yolo"
    wanted = "a number or a list of numbers that lines begin with, or ~ for what no polygon covers"
    kind = "class number"
    needs_size = True
    has_rest = True

    def parse(self, name: str, value: Value) -> DataClass | None:
        if value is None:
            return DataClass(name)
        ids = parse_ids(value)
        return None if ids is None else DataClass(name, ids)

    def fill(self, template: Template, fields: Fields) -> str:
        return template.fill(fields)

    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        return [(0, label)]

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        raise HarmonizeError(f"{root / label}: polygons are drawn at the size of their picture")

    def read_sized(
        self, root: Path, label: str, table: ClassTable, size: tuple[int, int]
    ) -> Int[ndarray, "H W"]:
        from skimage.draw import polygon2mask  # slow to import

        path = root / label
        numbers = {value: n for n, entry in enumerate(table.classes) for value in entry.values}
        rest = next((n for n, entry in enumerate(table.classes) if not entry.values), None)
        width, height = size
        classes = np.full((height, width), -1 if rest is None else rest, dtype=np.int16)
        polygons = [_parse(line, f"{path}:{n}") for n, line in enumerate(_lines(path), 1) if line]
        unknown: dict[int, int] = {}
        for number, corners in sorted(polygons, key=lambda one: -_area(one[1])):
            inside = polygon2mask((height, width), corners * (height, width) - 0.5)
            if number not in numbers:
                unknown[number] = unknown.get(number, 0) + int(inside.sum())
            classes[inside] = numbers.get(number, -1)
        if unknown:
            shown = ", ".join(
                f"{value} ({counted(pixels, 'pixel')})" for value, pixels in unknown.items()
            )
            raise UnknownValuesError(
                f"{path}: class numbers that no class of {table.dataset} stands for: {shown}; add "
                "them to `classes`, with the meaning `ignore` if they are void",
                unknown,
                classes,
            )
        if rest is None and (classes < 0).any():
            number = int((classes < 0).sum())
            raise HarmonizeError(
                f"{path}: {counted(number, 'pixel lies', 'pixels lie')} in no polygon; give a "
                "class ~ for them"
            )
        return classes


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).splitlines()]


def _parse(line: str, where: str) -> tuple[int, Float[ndarray, "N 2"]]:
    """Return the class's number and the corners, row before column, of a line."""
    words = line.split()
    try:
        number, values = int(words[0]), [float(word) for word in words[1:]]
    except ValueError:
        raise HarmonizeError(
            f"{where}: expected a class number and the corners x y x y ..., got {line[:60]!r}"
        ) from None
    if len(values) == _BOX:
        raise HarmonizeError(
            f"{where}: is a box (centre, width, height), which says nothing about pixels; "
            "export polygons (segmentation labels)"
        )
    if len(values) % 2 or len(values) < 2 * _CORNERS:
        raise HarmonizeError(f"{where}: expected x and y of 3 corners or more, got {line[:60]!r}")
    if not all(math.isfinite(value) and -0.01 <= value <= 1.01 for value in values):
        raise HarmonizeError(
            f"{where}: corners are fractions of the picture's sides, from 0 to 1, got {line[:60]!r}"
        )
    return number, np.array(values).reshape(-1, 2)[:, ::-1]


def _area(corners: Float[ndarray, "N 2"]) -> float:
    """Return the area within corners (the shoelace formula)."""
    rows, columns = corners.T
    return abs(float(rows @ np.roll(columns, 1) - columns @ np.roll(rows, 1))) / 2
