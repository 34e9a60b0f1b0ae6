"""Lay the regions of a picture over one another, where each has the name of a class."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError, near_matches
from harmonize.labels.class_table import ClassTable, UnknownValuesError
from harmonize.plurals import counted

# Letters of shapes: N runs, P pixels of a region, Q pixels of a picture, H x W pixels.

_FREE = -1
Order = Literal["area", "file"]


class Region(NamedTuple):
    """Some pixels of a picture that belong to one class."""

    what: str
    """What names it in the file, for errors."""
    category: str
    pixels: Int[ndarray, " P"]
    """Places in the picture, whose rows or columns follow one another."""


class Laid(NamedTuple):
    """The class numbers of a picture, -1 where there is none, and the pixels without a class."""

    classes: Int[ndarray, " Q"]
    unknown: dict[int | str, int]


def lay(
    regions: Iterable[Region], num_pixels: int, table: ClassTable, where: str, order: Order | None
) -> Laid:
    """Lay regions over one another.

    Args:
        regions: as the file has them.
        num_pixels: of the picture.
        table: whose classes name their categories as masks.
        where: names the picture in errors.
        order: ``file``: the later lies on top; ``area``: the smaller; None where regions of
            different classes must not overlap.

    Raises:
        HarmonizeError: they overlap without an order.
    """
    numbers = by_category(table)
    unknown: dict[int | str, int] = {}
    classes = np.full(num_pixels, _FREE, dtype=np.int16)
    if order == "area":
        regions = sorted(regions, key=lambda one: -len(one.pixels))
    owners: list[Region] = []
    owner = np.full(num_pixels if order is None else 0, _FREE, dtype=np.int32)
    others = {}
    for region in regions:
        number = numbers.get(region.category)
        if number is None:
            unknown[region.category] = unknown.get(region.category, 0) + len(region.pixels)
            number = others.setdefault(region.category, -2 - len(others))
        if order is None:
            below = classes[region.pixels]
            wrong = (below != _FREE) & (below != number)
            if wrong.any():
                other = owners[int(owner[region.pixels[wrong][0]])]
                raise HarmonizeError(
                    f"{where}: {other.what} ({other.category}) and {region.what} "
                    f"({region.category}) have {counted(int(wrong.sum()), 'pixel')} in common; say "
                    "which lies on top: `order: area` for the smaller, `order: file` for the later"
                )
            owner[region.pixels] = len(owners)
            owners.append(region)
        classes[region.pixels] = number
    return Laid(classes, unknown)


def finish(
    classes: Int[ndarray, "H W"], unknown: dict[int | str, int], table: ClassTable, where: str
) -> Int[ndarray, "H W"]:
    """Give the pixels that nothing covers to the class of the rest; classes below -1 are unknown.

    Raises:
        UnknownValuesError: there are regions of categories that no class stands for.
        HarmonizeError: pixels are covered by nothing, and no class is for these.
    """
    free = classes == _FREE
    rest = next((number for number, one in enumerate(table.classes) if one.mask is None), None)
    if rest is not None:
        classes = np.where(free, np.int16(rest), classes)
    if unknown:
        known = by_category(table)
        shown = [
            f"{name!r} ({counted(pixels, 'pixel')}; {near_matches(str(name), known)})"
            for name, pixels in unknown.items()
        ]
        raise UnknownValuesError(
            f"{where}: categories that no class of {table.dataset} stands for: {', '.join(shown)}; "
            "add them to `classes`, with the meaning `ignore` if they are void",
            unknown,
            np.maximum(classes, np.int16(-1)),
        )
    if rest is None and free.any():
        raise HarmonizeError(
            f"{where}: {counted(free.sum(), 'pixel lies', 'pixels lie')} in no annotation; give "
            "a class the value [] for them, with the meaning `ignore` if they are void"
        )
    return classes


def by_category(table: ClassTable) -> dict[str, int]:
    """Return the number of the class of each category."""
    return {name: number for number, one in enumerate(table.classes) for name in one.masks}


def pixels_of_runs(counts: Integer[ndarray, " N"]) -> Int[ndarray, " P"]:
    """Return the places within every second run: the first run is outside."""
    ends = np.cumsum(counts, dtype=np.int64)
    lengths = np.asarray(counts[1::2], dtype=np.int64)
    starts = ends[1::2] - lengths
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(int(lengths.sum()))


def from_columns(pixels: Int[ndarray, " P"], size: tuple[int, int]) -> Int[ndarray, " P"]:
    """Return places in a picture whose rows follow one another, of one whose columns do."""
    width, height = size
    columns, rows = np.divmod(pixels, height)
    return rows * width + columns
