"""Encodings with one label file, which has a number for each pixel that stands for a class."""

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Integer, Num
from numpy import ndarray

from harmonize.config.strict_yaml import Value
from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import ClassTable, DataClass, UnknownValuesError
from harmonize.labels.encoding import Encoding, parse_ids
from harmonize.labels.formula import MAX_ID, MIN_ID, ValueFormula
from harmonize.labels.path_template import Fields, Template
from harmonize.pictures.stored import read_stored

# Letters of shapes: C classes, H x W pixels.

_HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?")
_ROUNDED = 1e-3
"""How far from whole a number that a formula makes of fractions may be."""
_MOST, _MOST_FLOAT = (1 << 63) - 1, 1 << 53
"""Beyond the first integers, beyond the second whole numbers are not told apart."""
_SHOWN = 5
"""Unknown values that an error lists."""


class _OneFile(Encoding):
    """One file, which has a number for each pixel that stands for a class."""

    tolerance = 0
    """How far each byte of a number may be from its class's."""

    @abstractmethod
    def numbers(self, path: Path, table: ClassTable) -> Integer[ndarray, "H W"]:
        """Read the number of each pixel; HarmonizeError for the wrong kind of file."""

    def fill(self, template: Template, fields: Fields) -> str:
        return template.fill(fields)

    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        return [(0, label)]

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        path = root / label
        numbers = self.numbers(path, table)
        classes = table.look_up(numbers, tolerance=self.tolerance)
        if not classes.size or classes.min() >= 0:
            return classes
        found, counts = np.unique(numbers[classes < 0], return_counts=True)
        pixels = dict(zip(found.tolist(), counts.tolist(), strict=True))
        shown = [f"{self.write(n)} ({pixels[n]} pixels)" for n in list(pixels)[:_SHOWN]]
        raise UnknownValuesError(
            f"{path}: {self.kind}s that no class of {table.dataset} stands for: "
            f"{', '.join(shown)}; "
            "add them to `classes`, with the meaning `ignore` if they are void",
            pixels,
            classes,
        )


@dataclass(frozen=True)
class Ids(_OneFile):
    """Numbers of a grey or palette picture or, by a formula, of a colour picture."""

    name = "ids"
    wanted = "an id or a list of ids and ranges such as 1-200"
    options = ("value", "class_file")

    formula: ValueFormula | None = None
    """Arithmetic that gives the ids."""

    def with_options(self, given: Mapping[str, Any], where: Callable[[str], str]) -> "Ids":
        text = given["value"]
        return self if text is None else Ids(ValueFormula(text, where=where("value")))

    def parse(self, name: str, value: Value) -> DataClass | None:
        ids = parse_ids(value, least=MIN_ID, ranges=True)
        return None if ids is None else DataClass(name, ids)

    def numbers(self, path: Path, table: ClassTable) -> Integer[ndarray, "H W"]:
        stored = read_stored(path)
        channels = stored.channels()
        if self.formula is None and "V" not in channels:
            raise HarmonizeError(
                f"{path}: expected ids in one channel, got mode {stored.mode}; colours need "
                "`encoding: rgb`, ids made of several channels a formula in `value`"
            )
        if self.formula is None:
            return whole_numbers(channels["V"], path)
        if not self.formula.names <= channels.keys():
            known = ", ".join(channels) or stored.mode
            raise HarmonizeError(
                f"{path}: has the channels {known}, but `value` is {self.formula.text!r}"
            )
        return whole_numbers(self.formula(channels), path, within=_ROUNDED)


@dataclass(frozen=True)
class Rgb(_OneFile):
    """Colours, as the numbers ``65536 R + 256 G + B``, with ``A << 24`` added to four parts."""

    name = "rgb"
    wanted = "a colour such as [255, 0, 0] or '#ff0000', or a list of colours"
    kind = "colour"
    options = ("tolerance",)
    written_as = "rgb"
    highest_written = MAX_ID

    tolerance: int = 0

    def with_options(self, given: Mapping[str, Any], where: Callable[[str], str]) -> "Rgb":
        return replace(self, tolerance=given["tolerance"])

    def parse(self, name: str, value: Value) -> DataClass | None:
        items: list[Value] = [value]
        if isinstance(value, list) and value and isinstance(value[0], list | str):
            items = value
        colors = [_color(item) for item in items]
        numbers = tuple(color for color in colors if color is not None)
        known = numbers and len(numbers) == len(colors)
        return DataClass(name, numbers) if known else None

    def write(self, key: int | str | None) -> str:
        assert isinstance(key, int)
        return f"#{key & 0xFFFFFF:06x}" + (f"{key >> 24:02x}" if key >> 24 else "")

    def color(self, entry: DataClass) -> tuple[int, int, int] | None:
        value = entry.values[0]
        return value >> 16 & 255, value >> 8 & 255, value & 255

    def numbers(self, path: Path, table: ClassTable) -> Integer[ndarray, "H W"]:
        colors = read_stored(path).colors(path)
        parts = np.ascontiguousarray(colors).view(">u4")[..., 0].astype(np.uint32)
        return parts >> 8 | (parts & 255) << 24 if table.highest > 0xFFFFFF else parts >> 8

    def pixels(
        self, values: Int[ndarray, " C"], answered: Bool[ndarray, " C"]
    ) -> Integer[ndarray, "C *parts"]:
        parts = np.stack([values >> shift & 255 for shift in (16, 8, 0, 24)], axis=1)
        return (parts if values.max() > 0xFFFFFF else parts[:, :3]).astype(np.uint8)


def _color(value: Value) -> int | None:
    if isinstance(value, str):
        if not _HEX_COLOR.fullmatch(value):
            return None
        parts = list(bytes.fromhex(value[1:]))
    elif isinstance(value, list):
        parts = [part for part in value if type(part) is int and 0 <= part <= 255]
        if len(parts) != len(value) or len(parts) not in (3, 4):
            return None
    else:
        return None
    red, green, blue, *alpha = parts
    return (red << 16) | (green << 8) | blue | (alpha[0] << 24 if alpha else 0)


def whole_numbers(
    values: Num[ndarray, "H W"], path: Path, *, within: float = 0
) -> Integer[ndarray, "H W"]:
    """Return numbers that are whole as integers; those of a formula may be a little off.

    Raises:
        HarmonizeError: others.
    """
    if values.dtype.kind != "f":
        return values if values.dtype != np.uint64 else np.minimum(values, _MOST).astype(np.int64)
    if not np.isfinite(values).all():
        number = np.count_nonzero(~np.isfinite(values))
        raise HarmonizeError(
            f"{path}: holds no number (NaN or infinity) in {number} pixels; write an id of its own "
            "there, and give it a class with the meaning `ignore`"
        )
    values = values.astype(np.float64)
    found = np.rint(values)
    others = (np.abs(values - found) > within) | (np.abs(found) > _MOST_FLOAT)
    if others.any():
        raise HarmonizeError(
            f"{path}: holds numbers that are not whole, such as {values[others][0]:.6g} "
            f"({np.count_nonzero(others)} pixels); say in the mapping how ids are made of them, "
            "such as `value: V*255` of 0 to 1, or `value: V//1` to cut the fractions off"
        )
    return found.astype(np.int64)
