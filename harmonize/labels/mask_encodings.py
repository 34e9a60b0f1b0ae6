"""Encodings with a mask for each class: a picture that says where the class is."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Integer, Num
from numpy import ndarray

from harmonize.config.strict_yaml import Value
from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import ClassTable, DataClass
from harmonize.labels.encoding import Encoding, parse_ids
from harmonize.labels.formula import ValueFormula
from harmonize.labels.numbers import ROUNDED, whole_numbers
from harmonize.labels.path_template import Fields, Template
from harmonize.labels.soft_values import half, largest_value, lie_around
from harmonize.pictures.stored import Stored, read_stored
from harmonize.plurals import counted
from harmonize.stores.stored_path import StoredPath

# Letters of shapes: H x W pixels.


class _OnePerClass(Encoding):
    """One picture for each class, a mask."""

    per_class = True

    def fill(self, template: Template, fields: Fields) -> str:
        return template.fill_all_but("class", fields)

    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        template = Template(label, where="label")
        return [
            (number, template.fill({"class": mask}))
            for number, entry in enumerate(classes)
            for mask in entry.masks
        ]

    def mask(self, stored: Stored, path: Path) -> Num[ndarray, "H W"] | Bool[ndarray, "H W"]:
        """Return a file's mask: of a colour picture the first channel.

        Raises:
            HarmonizeError: the wrong kind of pixels.
        """
        return stored.values if stored.values.ndim == 2 else stored.values[..., 0]

    def masks(
        self, root: Path, files: Sequence[tuple[int, str]]
    ) -> Iterator[tuple[int, Num[ndarray, "H W"] | Bool[ndarray, "H W"]]]:
        """Yield the number of each class and its mask."""
        first: tuple[int, ...] | None = None
        for number, file in files:
            path = root / file
            mask = self.mask(read_stored(path, exact=False), path)
            first = first or mask.shape
            if mask.shape != first:
                sizes = ["{1} x {0}".format(*shape) for shape in (mask.shape, first)]
                raise HarmonizeError(
                    f"{path}: {sizes[0]} pixels, but the other masks have {sizes[1]}"
                )
            yield number, mask


@dataclass(frozen=True)
class SoftMasks(_OnePerClass):
    """A grey mask for each class; the largest value above 0 wins, ties go to the lower id."""

    name = "soft_masks"
    has_rest = True
    wanted = "the one id that stands in the mask's file name, or ~ for what is 0 in all masks"

    def parse(self, name: str, value: Value) -> DataClass | None:
        if value is None:
            return DataClass(name)
        ids = parse_ids(value)
        return DataClass(name, ids, str(ids[0])) if ids is not None and len(ids) == 1 else None

    def mask(self, stored: Stored, path: Path) -> Num[ndarray, "H W"]:
        if stored.mode != "L":
            raise HarmonizeError(f"{path}: expected an 8-bit grey mask, got mode {stored.mode}")
        return stored.values

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        by_id = sorted(
            self.files(label, table.classes), key=lambda file: table.classes[file[0]].values
        )
        winner, best = np.array(_rest(table), dtype=np.int16), np.array(0, dtype=np.uint8)
        for number, mask in self.masks(root, by_id):
            winner = np.where(mask > best, np.int16(number), winner)
            best = np.maximum(best, mask)
        if winner.min() < 0:
            raise HarmonizeError(
                f"{root / label}: pixels that are 0 in all masks: {(winner < 0).sum()}; give one "
                "class the value ~, for these (with the meaning `ignore` if they are void)"
            )
        return winner


@dataclass(frozen=True)
class Masks(_OnePerClass):
    """A mask for each class that is in the picture; where it is not 0 it covers those before it."""

    name = "masks"
    wanted = (
        "the text that stands in the mask's file name, a list of such texts or one with a *, or ~ "
        "for what no mask covers"
    )
    options = ("value",)

    formula: ValueFormula | None = None
    """Arithmetic that gives what is 0 outside the mask, ``V`` being the first channel."""

    def with_options(self, given: Mapping[str, Any], where: Callable[[str], str]) -> "Masks":
        text = given["value"]
        if text is None:
            return self
        formula = ValueFormula(text, where=where("value"))
        if formula.names != {"V"}:
            raise HarmonizeError(f"{where('value')}: of masks the channel is V, got {text!r}")
        return Masks(formula)

    def parse(self, name: str, value: Value) -> DataClass | None:
        if value is None:
            return DataClass(name)
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            return None
        return DataClass(name, mask=str(texts[0]), more_masks=tuple(map(str, texts[1:])))

    def mask(self, stored: Stored, path: Path) -> Bool[ndarray, "H W"]:
        values = super().mask(stored, path)
        if self.formula is not None:
            found, text = self.formula({"V": values}), self.formula.text
            return whole_numbers(found, path, within=ROUNDED, formula=text) != 0
        values = whole_numbers(values, path)
        _refuse_between(values, stored, path)
        return values != 0

    def keys(self, entry: DataClass) -> Sequence[int | str | None]:
        return entry.masks or (None,)

    def write(self, key: int | str | None) -> str:
        return "~" if key is None else repr(key)

    def needed(self, files: Sequence[str], find: Callable[[str], Sequence[str]]) -> Sequence[str]:
        return [there for file in files for there in find(file)] or files[:1]

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        files = [
            (number, file)
            for number, written in self.files(label, table.classes)
            for file in find_masks(root, written)
        ]
        winner = np.array(_rest(table), dtype=np.int16)
        for number, mask in self.masks(root, files):
            winner = np.where(mask, np.int16(number), winner)
        if not files or winner.min() < 0:
            raise HarmonizeError(
                f"{root / label}: no mask covers "
                f"{counted((winner < 0).sum() if files else 0, 'pixel')}; "
                "give one class the value ~, for what no mask covers"
            )
        return winner


def _rest(table: ClassTable) -> int:
    """Return the number of the class of what no mask covers, or -1."""
    return next((number for number, one in enumerate(table.classes) if one.mask is None), -1)


def _refuse_between(values: Integer[ndarray, "H W"], stored: Stored, path: Path) -> None:
    """Refuse a mask with the largest value and others than 0, or stored with loss.

    What these mean is not known: a soft edge, a loss, or a number of their own.
    """
    if values.dtype == bool or not values.size:
        return
    top = largest_value(values)
    between = values[(values != 0) & (values != top)]
    if not between.size or not (stored.is_jpeg or values.max() == top or lie_around(values)):
        return
    raise HarmonizeError(
        f"{path}: its values lie around 0 and {top}, such as {between[0]} "
        f"({counted(between.size, 'pixel')} between them); say `value: {half(values)}` to cut them "
        "in the middle, or `value: V` where every value but 0 belongs to the class"
    )


def find_masks(root: Path, file: str) -> list[str]:
    """Return those of a path's files that are there: several where its name has a ``*``."""
    folder, _, name = file.rpartition("/")
    if "*" not in name:
        return [file] if (root / file).exists() else []
    try:
        place = root / folder
        names = fitting_names(name, _names(place, place.stat().st_mtime_ns))
    except OSError:
        return []
    return [f"{folder}/{one}".lstrip("/") for one in names]


def fitting_names(name: str, names: Iterable[str]) -> list[str]:
    """Return the names that fit one with ``*`` for any text, in order."""
    first, *between, last = name.split("*")
    return sorted(one for one in names if _fits(one, first, between, last))


def _fits(name: str, first: str, between: Sequence[str], last: str) -> bool:
    """Say whether a name begins and ends with texts that do not overlap, others between them."""
    end = len(name) - len(last)
    if not name.startswith(first) or not name.endswith(last) or len(first) > end:
        return False
    place = len(first)
    for text in between:  # each as early as it can be, so that none is tried twice
        found = name.find(text, place, end)
        if found < 0:
            return False
        place = found + len(text)
    return True


@lru_cache(maxsize=16)
def _names(folder: Path, _: int) -> tuple[str, ...]:
    """Return the names in a folder, listed anew when it has changed."""
    if isinstance(folder, StoredPath):
        return tuple(folder.names())
    return tuple(os.listdir(folder))  # noqa: PTH208  names are wanted
