"""COCO's labels: one JSON file for all pictures of a split, with PNG files for panoptic labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int, UInt32
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import ClassTable, DataClass
from harmonize.labels.coco_index import coco_index, panoptic_index
from harmonize.labels.coco_polygons import polygon_runs
from harmonize.labels.json_items import read_item
from harmonize.labels.named_encoding import IN, ByName, InSet, file_and_picture, read_size
from harmonize.labels.path_template import Fields, Template
from harmonize.labels.regions import Order, Region, by_category, finish, lay, pixels_of_runs
from harmonize.labels.rle import read_runs
from harmonize.pictures.stored import read_stored
from harmonize.plurals import counted

# Letters of shapes: H x W pixels.

_NUMBER = np.uint32(0xFFFFFF)
_UNKNOWN = -2
"""Class number of a segment whose category no class stands for; -1 is that of no segment."""


@dataclass(frozen=True)
class Coco(InSet):
    """Instances or stuff: polygons as pycocotools draws them, or masks as runs of pixels."""

    name = "coco"
    options = ("order",)

    order: Order | None = None
    """Which of two annotations lies on top."""

    def with_options(self, given: Mapping[str, Any], where: Callable[[str], str]) -> "Coco":
        return Coco(given["order"])

    def locate(self, root: Path, label: str) -> None:
        path, picture = file_and_picture(root, label)
        coco_index(path).find(picture)

    def size(self, root: Path, label: str) -> tuple[int, int]:
        return _Picture(root, label).size

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        picture = _Picture(root, label)
        (width, height), where = picture.size, picture.where
        laid = lay(picture.regions(), width * height, table, where, self.order)
        columns = laid.classes.reshape(width, height)
        return finish(np.ascontiguousarray(columns.T), laid.unknown, table, where)


class _Picture:
    """What a JSON says of one picture."""

    def __init__(self, root: Path, label: str) -> None:
        path, picture = file_and_picture(root, label)
        index = coco_index(path)
        own, self._annotations = index.records(index.find(picture))
        image = read_item(own, str(path))
        self._path, self._categories = path, index.categories
        self.where = f"{path}: {image['file_name']}"
        self.size = read_size(image.get("width"), image.get("height"), self.where)

    def regions(self) -> Iterator[Region]:
        """Yield the pixels of each annotation, counted column by column."""
        for written in self._annotations:
            annotation: dict[str, Any] = read_item(written, str(self._path))
            what = f"annotation {annotation.get('id', '?')}"
            where = f"{self._path}: {what}"
            category = category_name(self._categories, annotation.get("category_id"), where)
            runs = self._runs(annotation.get("segmentation"), where)
            yield Region(what, category, pixels_of_runs(runs))

    def _runs(self, segmentation: Any, where: str) -> Int[ndarray, " N"]:
        if isinstance(segmentation, dict):
            return read_runs(segmentation, self.size, where)
        if isinstance(segmentation, list) and segmentation:
            return polygon_runs(segmentation, self.size, where)
        raise HarmonizeError(
            f"{where}: has no segmentation, and a box says nothing about pixels; export polygons "
            "or masks, or remove it"
        )


@dataclass(frozen=True)
class CocoPanoptic(ByName):
    """A PNG for each picture, whose colours are numbers of segments, and a JSON with these."""

    name = "coco_panoptic"
    options = ("annotations",)

    annotations: str | None = None
    """Path template of the JSON."""

    def with_options(self, given: Mapping[str, Any], where: Callable[[str], str]) -> "CocoPanoptic":
        if not given["annotations"]:
            raise HarmonizeError(
                f"{where('annotations')}: the JSON with the segments is missing; add it, such as "
                "`annotations: annotations/panoptic_{split}.json`"
            )
        Template(given["annotations"], where=where("annotations"))
        return replace(self, annotations=given["annotations"])

    def fill(self, template: Template, fields: Fields) -> str:
        named = Template(self.annotations or "", where="annotations")
        return f"{super().fill(template, fields)}{IN}{super().fill(named, fields)}"

    def files(self, label: str, classes: Sequence[DataClass]) -> list[tuple[int, str]]:
        return [(0, file) for file in label.split(IN)]

    def locate(self, root: Path, label: str) -> None:
        png, _, annotations = label.partition(IN)
        panoptic_index(root / annotations).find(png)

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        png, _, annotations = label.partition(IN)
        path = root / png
        segments = _segments(root / annotations, png)
        ids = _segment_ids(path)
        known = by_category(table)
        numbers = {number: known.get(name, _UNKNOWN) for number, name in segments.items()}
        numbers.setdefault(0, -1)
        classes = _look_up(ids, numbers, path)
        unknown: dict[int | str, int] = {}
        for number, name in segments.items() if classes.min(initial=0) == _UNKNOWN else ():
            if name not in known:
                unknown[name] = unknown.get(name, 0) + int((ids & _NUMBER == number).sum())
        return finish(classes, unknown, table, str(path))


def _segments(path: Path, png: str) -> dict[int, str]:
    """Return the category of each segment of a picture."""
    index = panoptic_index(path)
    annotation = read_item(index.records(index.find(png))[0], str(path))
    found: dict[int, str] = {}
    infos = annotation["segments_info"]
    for info in infos if isinstance(infos, list) else [infos]:
        number = info.get("id") if isinstance(info, dict) else None
        where = f"{path}: {annotation['file_name']}: segment {number}"
        if type(number) is not int or not 0 <= number < 1 << 24:
            raise HarmonizeError(f"{where}: a segment's id is a number from 0 to 16777215")
        if number in found:
            raise HarmonizeError(f"{where}: there are two of this id")
        found[number] = category_name(index.categories, info.get("category_id"), where)
    return found


def _segment_ids(path: Path) -> UInt32[ndarray, "H W"]:
    """Return R + 256 G + 65536 B of each pixel, with alpha in the highest byte."""
    stored = read_stored(path)
    if stored.mode not in ("RGB", "RGBA", "P"):
        raise HarmonizeError(
            f"{path}: expected a colour picture, as segments are numbers R + 256 G + 65536 B, got "
            f"mode {stored.mode}"
        )
    colors = np.ascontiguousarray(stored.colors(path))
    return colors.view("<u4")[..., 0].astype(np.uint32, copy=False)


def _look_up(
    ids: UInt32[ndarray, "H W"], numbers: dict[int, int], path: Path
) -> Int[ndarray, "H W"]:
    """Return the class number of each segment: each run of equal neighbours is looked up once."""
    flat = ids.ravel()
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))[: flat.size]
    runs = flat[starts] & _NUMBER
    known = np.array(sorted(numbers), dtype=np.int64)
    classes = np.array([numbers[number] for number in known.tolist()], dtype=np.int16)
    places = np.searchsorted(known, runs).clip(max=len(known) - 1)
    strange = known[places] != runs
    if strange.any():
        number = int(runs[strange][0])
        pixels = int((ids & _NUMBER == number).sum())
        raise HarmonizeError(
            f"{path}: segment {number} ({counted(pixels, 'pixel')}) has no entry in `segments_info`"
        )
    return np.repeat(classes[places], np.diff(starts, append=flat.size)).reshape(ids.shape)


def category_name(categories: dict[int, str], number: Any, where: str) -> str:
    """Return the name of a category.

    Raises:
        HarmonizeError: there is none of the number.
    """
    if type(number) is not int or number not in categories:
        raise HarmonizeError(f"{where}: category_id {number} is in none of `categories`")
    return categories[number]
