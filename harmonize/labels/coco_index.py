"""Where in a COCO JSON the annotations of each picture are."""

from collections import Counter
from pathlib import Path
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.labels.json_items import Item, json_items
from harmonize.labels.set_index import IndexBuilder, OtherFileError, SetIndex, open_index

Place = tuple[int, int]


def coco_index(path: Path) -> SetIndex:
    """Return the index of a JSON with ``images``, ``annotations`` and ``categories``.

    Raises:
        HarmonizeError: it cannot be read, or is no such JSON.
    """
    return open_index(path, _build_instances)


def panoptic_index(path: Path) -> SetIndex:
    """Return the index of a JSON whose ``annotations`` are PNG files with their segments.

    Raises:
        HarmonizeError: it cannot be read, or is no such JSON.
    """
    return open_index(path, _build_panoptic)


def _build_instances(path: Path, builder: IndexBuilder) -> None:
    images: dict[int, int] = {}
    counts: Counter[Any] = Counter()
    waiting: list[tuple[int, Any, Place]] = []
    seen: set[str] = set()
    for item in json_items(path, seen):
        where = f"{path}: {item.key} {_id(item)}"
        if item.key == "images":
            image = _object(item, where)
            number = _number(image.get("id"), where, "id")
            if number in images:
                raise HarmonizeError(f"{where}: there are two of this id")
            name = _text(image.get("file_name"), where, "file_name")
            images[number] = builder.add_picture(name, item.start, item.end)
        elif item.key == "annotations":
            if isinstance(item.value, dict) and "segments_info" in item.value:
                raise OtherFileError(
                    f"{path}: holds panoptic segments; say encoding: coco_panoptic"
                )
            image_id = item.value.get("image_id") if isinstance(item.value, dict) else None
            number = _number(image_id, where, "image_id")
            category = item.value.get("category_id")
            counts[category if type(category) is int else None] += 1
            waiting.append((number, _id(item), (item.start, item.end)))
        elif item.key == "categories":
            _add_category(builder, item, where)
    _check_keys(path, seen, ("images", "annotations", "categories"))
    _count(builder, counts)
    for number, name, place in waiting:
        if number not in images:
            raise HarmonizeError(
                f"{path}: annotations {name}: image_id {number} is in none of `images`"
            )
        builder.add(images[number], *place)


def _build_panoptic(path: Path, builder: IndexBuilder) -> None:
    counts: Counter[Any] = Counter()
    seen: set[str] = set()
    for item in json_items(path, seen):
        where = f"{path}: {item.key} {_id(item)}"
        if item.key == "annotations":
            if not isinstance(item.value, dict) or "segments_info" not in item.value:
                raise OtherFileError(
                    f"{where}: has no `segments_info`; say encoding: coco if it is of objects"
                )
            name = _text(_object(item, where).get("file_name"), where, "file_name")
            builder.add_picture(name, item.start, item.end)
            infos = item.value["segments_info"]
            for info in infos if isinstance(infos, list) else ():
                category = info.get("category_id") if isinstance(info, dict) else None
                counts[category if type(category) is int else None] += 1
        elif item.key == "categories":
            _add_category(builder, item, where)
    _check_keys(path, seen, ("annotations", "categories"))
    _count(builder, counts)


def _count(builder: IndexBuilder, counts: Counter[Any]) -> None:
    """Note how many annotations each category has, in the order of the file."""
    for number, name in builder.categories.items():
        if counts[number]:
            builder.used[name] += counts[number]


def _add_category(builder: IndexBuilder, item: Item, where: str) -> None:
    category = _object(item, where)
    number = _number(category.get("id"), where, "id")
    if number in builder.categories:
        raise HarmonizeError(f"{where}: there are two of this id")
    builder.categories[number] = _text(category.get("name"), where, "name")


def _check_keys(path: Path, seen: set[str], wanted: tuple[str, ...]) -> None:
    missing = [key for key in wanted if key not in seen]
    if missing:
        raise OtherFileError(f"{path}: has no list {missing[0]!r}, as COCO's JSON has")


def _id(item: Item) -> Any:
    return item.value.get("id", "?") if isinstance(item.value, dict) else "?"


def _object(item: Item, where: str) -> dict[str, Any]:
    """Return an item, which must be an object."""
    value = item.value
    if not isinstance(value, dict):
        raise HarmonizeError(f"{where}: expected an object, got {str(value)[:40]!r}")
    return value


def _number(value: Any, where: str, key: str) -> int:
    if type(value) is not int:
        raise HarmonizeError(f"{where}: expected a whole number as {key!r}, got {value!r}")
    return value


def _text(value: Any, where: str, key: str) -> str:
    if not isinstance(value, str) or not value:
        raise HarmonizeError(f"{where}: expected text as {key!r}, got {value!r}")
    return value
