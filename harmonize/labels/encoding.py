"""What an encoding of labels must be able to do; ``encodings.py`` has those that there are."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Int, Integer
from numpy import ndarray

from harmonize.config.strict_yaml import Value
from harmonize.labels.class_table import ClassTable, DataClass
from harmonize.labels.formula import MAX_ID
from harmonize.labels.path_template import Fields, Template
from harmonize.pictures.tiff_numbers import Window

# Letters of shapes: C classes, H x W pixels, h x w of a window.

_RANGE = re.compile(r"(\d{1,10})\s*-\s*(\d{1,10})")
_LONGEST_RANGE = 100_000


@dataclass(frozen=True)
class Encoding(ABC):
    """How the label files of a data set say which class each pixel has.

    The options that a mapping may give are fields of the subclass, so that two encodings with
    different options differ.

    Attributes:
        name: what mappings call it.
        wanted: what a mapping gives for a class, for errors.
        kind: what a value of a label file is called.
        options: the keys of a mapping that belong to this encoding alone.
        per_class: whether each class has a label file of its own, named by the field ``{class}``.
        in_set: whether one file has the labels of many pictures.
        has_rest: whether ``~`` may stand for a class: that of what nothing else covers.
        needs_size: whether a label is read by ``read_sized``, as its file does not tell its size.
        written_as: the encoding of pictures that answer in a data set's classes.
        highest_written: the largest value that such a picture can hold.
    """

    name: ClassVar[str]
    wanted: ClassVar[str]
    kind: ClassVar[str] = "id"
    options: ClassVar[tuple[str, ...]] = ()
    per_class: ClassVar[bool] = False
    in_set: ClassVar[bool] = False
    has_rest: ClassVar[bool] = False
    needs_size: ClassVar[bool] = False
    written_as: ClassVar[str] = "ids"
    highest_written: ClassVar[int] = (1 << 16) - 1

    def with_options(self, given: Mapping[str, Any], where: Callable[[str], str]) -> "Encoding":
        """Return the encoding with the ``options`` that a mapping gives.

        Raises:
            HarmonizeError: an option is wrong; ``where`` says where it is written.
        """
        return self

    @abstractmethod
    def parse(self, name: str, value: Value) -> DataClass | None:
        """Return a class as a mapping gives it, or None if its value is not what is ``wanted``."""

    def keys(self, entry: DataClass) -> Sequence[int | str | None]:
        """Return what stands for a class, and so for no other."""
        return entry.values or ((None,) if self.has_rest else ())

    def write(self, key: int | str | None) -> str:
        """Write what stands for a class as a user does."""
        return "~" if key is None else str(key)

    def color(self, entry: DataClass) -> tuple[int, int, int] | None:
        """Return a class's own colour, if it has one."""
        return None

    @abstractmethod
    def fill(self, template: Template, fields: Fields) -> str:
        """Return the path that the index keeps of a label."""

    def of_picture(self, label: str, picture: str) -> str:
        """Return what the index keeps of the label of a picture, which ``fill`` gave the path of.

        It differs only where files do not tell the labels of pictures apart.
        """
        return label

    def locate(self, root: Path, label: str) -> None:
        """Make sure that a label is in its files, which are there, where they may lack it.

        Raises:
            HarmonizeError: they lack it, or cannot be read.
        """
        return

    def size(self, root: Path, label: str) -> tuple[int, int] | None:
        """Return the width and height that a label tells, if its file is no picture."""
        return None

    @abstractmethod
    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        """Return the files of a label, each with its class's number; the only one with 0."""

    def needed(self, files: Sequence[str], find: Callable[[str], Sequence[str]]) -> Sequence[str]:
        """Return those of a label's files without which it cannot be read.

        Args:
            files: of the label.
            find: returns those of a path's files that are there: several where it has a ``*``.
        """
        return files

    @abstractmethod
    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        """Return the class number of each pixel, int16.

        Raises:
            UnknownValuesError: the file holds values that no class stands for.
            HarmonizeError: a file that cannot be read or has the wrong kind of pixels.
        """

    def read_window(
        self, root: Path, label: str, table: ClassTable, window: Window
    ) -> Int[ndarray, "h w"]:
        """Return the class numbers of a part of a label whose file tells its size.

        Args:
            root, label, table: as for ``read``.
            window: inside the label; of large TIFF files only what it lies in is read.
        """
        rows, columns = slice(window.top, window.bottom), slice(window.left, window.right)
        return self.read(root, label, table)[rows, columns]

    def read_sized(
        self, root: Path, label: str, table: ClassTable, size: tuple[int, int]
    ) -> Int[ndarray, "H W"]:
        """Return the same where the file does not tell the label's size.

        Args:
            root, label, table: as for ``read``.
            size: width and height of the picture.
        """
        return self.read(root, label, table)

    def pixels(
        self, values: Int[ndarray, " C"], answered: Bool[ndarray, " C"]
    ) -> Integer[ndarray, "C *parts"]:
        """Return what a picture of answers holds for each class, those never answered marked.

        Ids as uint8 if those that are answered allow, else uint16.
        """
        return values.astype(np.uint8 if values[answered].max() < 256 else np.uint16)

    def fingerprint(self, classes: Sequence[DataClass]) -> str:
        """Return a text that differs wherever the same label files would be read otherwise."""
        read = [(entry.values, entry.mask) for entry in classes]
        more = [entry.more_masks for entry in classes]
        return repr((self, read, more) if any(more) else (self, read))


def parse_ids(value: Value, *, least: int = 0, ranges: bool = False) -> tuple[int, ...] | None:
    """Return an id or a list of ids, ``1-200`` among them if ranges may be, or None for others."""
    numbers: list[int] = []
    for item in value if isinstance(value, list) else [value]:
        if type(item) is int:
            numbers.append(item)
        elif ranges and isinstance(item, str) and (match := _RANGE.fullmatch(item)):
            first, last = int(match[1]), int(match[2])
            if not first < last <= first + _LONGEST_RANGE:
                return None
            numbers += range(first, last + 1)
        else:
            return None
    right = numbers and all(least <= number <= MAX_ID for number in numbers)
    return tuple(numbers) if right else None
