"""Labels as Label Studio writes them: a JSON with the tasks of all pictures."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.brush_rle import decode_brush
from harmonize.labels.class_table import ClassTable
from harmonize.labels.coco_polygons import polygon_runs
from harmonize.labels.json_items import json_items, read_item
from harmonize.labels.named_encoding import InSet, file_and_picture
from harmonize.labels.regions import Region, finish, from_columns, lay, pixels_of_runs
from harmonize.labels.set_index import IndexBuilder, SetIndex, open_index

# Letters of shapes: H x W pixels, P pixels of a region.

Size = tuple[int, int]
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio writes before the name of a file that was uploaded."""
_PICTURE = re.compile(r"\.(jpe?g|png|bmp|gif|webp|tiff?)$", re.IGNORECASE)
_LABELS = ("polygonlabels", "brushlabels", "rectanglelabels", "labels")


@dataclass(frozen=True)
class LabelStudio(InSet):
    """Polygons as pycocotools draws them, boxes and brush masks, the later on top."""

    name = "label_studio"
    needs_size = True

    def locate(self, root: Path, label: str) -> None:
        path, picture = file_and_picture(root, label)
        label_studio_index(path).find(picture)

    def read(self, root: Path, label: str, table: ClassTable) -> Int[ndarray, "H W"]:
        raise HarmonizeError(f"{root / label}: is read at the size of its picture")

    def read_sized(
        self, root: Path, label: str, table: ClassTable, size: Size
    ) -> Int[ndarray, "H W"]:
        path, picture = file_and_picture(root, label)
        index = label_studio_index(path)
        task: dict[str, Any] = read_item(index.records(index.find(picture))[0], str(path))
        where = f"{path}: task {task.get('id', '?')}"
        width, height = size
        regions = _regions(_results(task, where), size, where)
        laid = lay(regions, width * height, table, where, "file")
        return finish(laid.classes.reshape(height, width), laid.unknown, table, where)


def label_studio_index(path: Path) -> SetIndex:
    """Return the index of a JSON of tasks.

    Raises:
        HarmonizeError: it cannot be read, or is no such JSON.
    """
    return open_index(path, _build_label_studio)


def _build_label_studio(path: Path, builder: IndexBuilder) -> None:
    for item in json_items(path):
        task = item.value if isinstance(item.value, dict) else {}
        where = f"{path}: task {task.get('id', '?')}"
        if item.key or not isinstance(task.get("data"), dict):
            raise HarmonizeError(
                f"{where}: has no `data`; export from Label Studio as JSON (not as JSON-MIN)"
            )
        names = [_picture_name(text) for text in task["data"].values() if isinstance(text, str)]
        found = [name for name in names if _PICTURE.search(name)]
        if len(found) != 1:
            raise HarmonizeError(f"{where}: expected one picture in `data`, got {len(found)}")
        folder, slash, name = found[0].rpartition("/")
        own = folder + slash + _UPLOADED.sub("", name, count=1)
        builder.add_picture(found[0], item.start, item.end, also=own)
        builder.used.update(region_labels(task))


def region_labels(task: dict[str, Any]) -> Iterator[str]:
    """Yield the label of each region of a task, of whatever annotation."""
    annotations = task.get("annotations")
    for annotation in annotations if isinstance(annotations, list) else ():
        results = annotation.get("result") if isinstance(annotation, dict) else None
        for result in results if isinstance(results, list) else ():
            value = result.get("value") if isinstance(result, dict) else None
            lists = [value.get(key) for key in _LABELS] if isinstance(value, dict) else []
            yield from (str(names[0]) for names in lists if isinstance(names, list) and names)


def _picture_name(text: str) -> str:
    """Return the path of a picture of an address, as Label Studio writes it."""
    address = urlsplit(text)
    local = parse_qs(address.query).get("d")
    if local:
        return local[0]
    path = unquote(address.path)
    return path.rpartition("/")[2] if "/data/upload/" in path else path


def _results(task: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the results of the one annotation of a task that counts; none if there is none."""
    written = task.get("annotations")
    annotations = [
        one
        for one in (written if isinstance(written, list) else [])
        if isinstance(one, dict) and not one.get("was_cancelled")
    ]
    chosen = [one for one in annotations if one.get("ground_truth")] or annotations
    if len(chosen) > 1:
        raise HarmonizeError(
            f"{where}: has {len(chosen)} annotations; mark one as ground truth, or remove the rest"
        )
    results = chosen[0].get("result") if chosen else []
    return [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []


def _regions(results: list[dict[str, Any]], size: Size, where: str) -> Iterator[Region]:
    labels = {one.get("id"): name for one in results if (name := _label(one, where)) is not None}
    drawn: set[str] = set()
    for result in results:
        value, name = result.get("value"), str(result.get("id"))
        if not isinstance(value, dict) or not {"points", "rle", "width"} & value.keys():
            continue  # what is said of the picture or of another region
        what = f"region {name}"
        here = f"{where}: {what}"
        if name in drawn:
            continue  # the same region once more, with its label
        drawn.add(name)
        if labels.get(result.get("id")) is None:
            raise HarmonizeError(f"{here}: has no label")
        theirs = result.get("original_width"), result.get("original_height")
        if theirs != size or result.get("image_rotation"):
            raise HarmonizeError(
                f"{here}: was drawn on a picture of {theirs[0]} x {theirs[1]} pixels, turned by "
                f"{result.get('image_rotation', 0)} degrees; its picture has {size[0]} x {size[1]}"
            )
        yield Region(what, labels[result.get("id")], _pixels(value, size, here))


def _label(result: dict[str, Any], where: str) -> str | None:
    value = result.get("value")
    if not isinstance(value, dict):
        return None
    for key in _LABELS:
        names = value.get(key)
        if isinstance(names, list) and names:
            if len(names) > 1:
                raise HarmonizeError(
                    f"{where}: region {result.get('id')}: has several labels: {names}"
                )
            return str(names[0])
    return None


def _pixels(value: dict[str, Any], size: Size, where: str) -> Int[ndarray, " P"]:
    width, height = size
    if "rle" in value:
        values = decode_brush(value["rle"], 4 * width * height, where)
        return np.flatnonzero(values[3::4])
    if "radiusX" in value or value.get("rotation"):
        raise HarmonizeError(f"{where}: ellipses and turned boxes are not read; draw a polygon")
    try:
        if "points" in value:
            corners = [(float(x), float(y)) for x, y in value["points"]]
        else:
            left, top = float(value["x"]), float(value["y"])
            right, bottom = left + float(value["width"]), top + float(value["height"])
            corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    except (TypeError, ValueError, KeyError):
        raise HarmonizeError(
            f"{where}: expected points in percent of the picture's sides"
        ) from None
    polygon = [part for x, y in corners for part in (x / 100 * width, y / 100 * height)]
    return from_columns(pixels_of_runs(polygon_runs([polygon], size, where)), size)
