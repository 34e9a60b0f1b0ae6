"""Encodings with one label file, which has a number for each pixel that stands for a class."""

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Integer
from numpy import ndarray

from harmonize.config.strict_yaml import Value
from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import ClassTable, DataClass, UnknownValuesError
from harmonize.labels.encoding import Encoding, parse_ids
from harmonize.labels.formula import MAX_ID, MIN_ID, ValueFormula
from harmonize.labels.numbers import ROUNDED, beyond_ids, whole_numbers
from harmonize.labels.path_template import Fields, Template
from harmonize.labels.soft_values import half, lie_around
from harmonize.pictures.stored import Stored, read_stored
from harmonize.pictures.tiff import is_tiff
from harmonize.pictures.tiff_numbers import Window
from harmonize.plurals import counted

# Letters of shapes: C classes, H x W pixels, h x w of a window.

_HEX_COLOR = re.compile(r"#[0-9a-fA-F]{6}(?:[0-9a-fA-F]{2})?")
_SHOWN = 5
"""Unknown values that an error lists."""


class _OneFile(Encoding):
    """One file, which has a number for each pixel that stands for a class."""

    tolerance = 0
    """How far each byte of a number may be from its class's."""

    @abstractmethod
    def numbers(
        self, path: Path, table: ClassTable, window: Window | None = None
    ) -> Integer[ndarray, "H W"]:
        """Read the number of each pixel; HarmonizeError for the wrong kind of file."""

    def soft(self, numbers: Integer[ndarray, "H W"]) -> str:
        """Say how to read numbers that are a mask with soft edges; empty if they are not."""
        return ""

    def fill(self, template: Template, fields: Fields) -> str:
        return template.fill(fields)

    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        return [(0, label)]

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        return self._classes(root, label, table, None)

    def read_window(
        self, root: Path, label: str, table: ClassTable, window: Window
    ) -> Int[ndarray, "h w"]:
        if not is_tiff(root / label):
            return super().read_window(root, label, table, window)
        return self._classes(root, label, table, window)

    def _classes(
        self, root: Path, label: str, table: ClassTable, window: Window | None
    ) -> Int[ndarray, "H W"]:
        path = root / label
        numbers = self.numbers(path, table, window)
        classes = table.look_up(numbers, tolerance=self.tolerance)
        if not classes.size or classes.min() >= 0:
            return classes
        soft = self.soft(numbers)
        if soft:
            raise UnknownValuesError(f"{path}: {soft}", {}, classes, soft=soft)
        found, counts = np.unique(numbers[classes < 0], return_counts=True)
        pixels = dict(zip(found.tolist(), counts.tolist(), strict=True))
        shown = [f"{self.write(n)} ({counted(pixels[n], 'pixel')})" for n in list(pixels)[:_SHOWN]]
        raise UnknownValuesError(
            f"{path}: {self.kind}s that no class of {table.dataset} stands for: "
            f"{', '.join(shown)}; {beyond_ids(np.unique(numbers).tolist())}"
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

    def numbers(
        self, path: Path, table: ClassTable, window: Window | None = None
    ) -> Integer[ndarray, "H W"]:
        stored = read_stored(path, window=window)
        channels = stored.channels()
        if self.formula is None and "V" not in channels:
            raise HarmonizeError(
                f"{path}: expected ids in one channel, got mode {stored.mode}; colours need "
                "`encoding: rgb`, ids made of several channels a formula in `value`"
            )
        if self.formula is None:
            _refuse_loss(stored, path)
            return whole_numbers(channels["V"], path)
        if not self.formula.names <= channels.keys():
            known = ", ".join(channels) or stored.mode
            raise HarmonizeError(
                f"{path}: has the channels {known}, but `value` is {self.formula.text!r}"
            )
        return whole_numbers(
            self.formula(channels), path, within=ROUNDED, formula=self.formula.text
        )

    def soft(self, numbers: Integer[ndarray, "H W"]) -> str:
        return soft_advice(numbers) if self.formula is None and lie_around(numbers) else ""


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

    def numbers(
        self, path: Path, table: ClassTable, window: Window | None = None
    ) -> Integer[ndarray, "H W"]:
        colors = read_stored(path, window=window).colors(path)
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


def soft_advice(numbers: Integer[ndarray, "H W"]) -> str:
    """Say how a mask with soft edges is read as ids."""
    formula = half(numbers)
    top = 255 if formula == "V//128" else 65535
    return f"its values lie around 0 and {top}: say `value: {formula}`, and 0 and 1 in `classes`"


def _refuse_loss(stored: Stored, path: Path) -> None:
    """Refuse ids that were stored with loss, so that they are not those that were saved."""
    if stored.is_jpeg:
        numbers = stored.channels()["V"]
        remedy = soft_advice(numbers) if lie_around(numbers) else "save the labels as PNG again"
        raise HarmonizeError(f"{path}: is a JPEG, which changes ids; {remedy}")
