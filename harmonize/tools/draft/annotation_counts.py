"""How many annotations of each class some of the pictures of an annotation file have."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any

from harmonize.labels.cvat_encoding import shape_labels
from harmonize.labels.label_studio_encoding import region_labels
from harmonize.labels.set_index import SetIndex


def used_by(kind: str, index: SetIndex, pictures: Collection[int]) -> Counter[str]:
    """Count the annotations of each class, in the order of the file.

    Args:
        kind: the encoding.
        index: of the file.
        pictures: the numbers of the pictures that count; the others' annotations are left out.
    """
    others = {*range(len(index.own))} - {*pictures}
    if len(others) <= len(pictures):
        counts = Counter(index.used)
        counts.subtract(_count(kind, index, others))
    else:
        counts = _count(kind, index, pictures)
    return Counter({name: counts[name] for name in index.used if counts[name] > 0})


def _count(kind: str, index: SetIndex, pictures: Iterable[int]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for number in pictures:
        counts.update(_NAMES[kind](index, *index.records(number)))
    return counts


def _of_categories(index: SetIndex, items: Iterable[Any]) -> list[str]:
    numbers = (item.get("category_id") for item in items if isinstance(item, dict))
    return [index.categories[one] for one in numbers if one in index.categories]


def _objects(index: SetIndex, _: bytes, annotations: list[bytes]) -> list[str]:
    return _of_categories(index, map(json.loads, annotations))


def _segments(index: SetIndex, own: bytes, _: list[bytes]) -> list[str]:
    infos = json.loads(own).get("segments_info")
    return _of_categories(index, infos if isinstance(infos, list) else ())


def _regions(_: SetIndex, own: bytes, __: list[bytes]) -> Iterable[str]:
    return region_labels(json.loads(own))


def _shapes(_: SetIndex, own: bytes, __: list[bytes]) -> Iterable[str]:
    return shape_labels(own)


_NAMES: dict[str, Callable[[SetIndex, bytes, list[bytes]], Iterable[str]]] = {
    "coco": _objects,
    "coco_panoptic": _segments,
    "label_studio": _regions,
    "cvat": _shapes,
}
"""By encoding, what gives the name of the class of each annotation of a picture."""
