"""Annotation files of which each is of one picture: LabelMe's and Supervisely's."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from harmonize.config.strict_yaml import read_text
from harmonize.tools.draft.file_groups import evenly
from harmonize.tools.draft.folder_files import Files

PER_PICTURE = {"supervisely": "{id}{ending}.json", "labelme": "{id}.json", "yolo": "{id}.txt"}
"""How encodings with a file for each picture name it."""


@dataclass
class AnnotationFile:
    """A file with annotations, or several of them with a picture each.

    Attributes:
        encoding: how they are read.
        path: of the file; of the folder where each picture has its own.
        pairs: the picture of each label that is there, with the label's own file if it has one.
        used: how many annotations each name of a class has.
        all_read: whether this is of all of them; else there are also names that it knows of.
        values: what stands for a class instead of its name, if something does.
        missing: what the file calls pictures that are not there; files of labels without a picture.
        unsure: pictures of which the file may mean either, as the names and folders are.
    """

    encoding: str
    path: str
    pairs: list[tuple[str, str]]
    used: Counter[str] = field(default_factory=Counter[str])
    all_read: bool = True
    values: dict[str, int] = field(default_factory=dict[str, int])
    missing: list[str] = field(default_factory=list[str])
    unsure: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])


def labelme_files(
    folder: Path, inside: str, paths: Sequence[str], files: Files, scan: int
) -> AnnotationFile:
    """Return LabelMe's files of a folder, with the names in some of them."""
    pairs = beside(paths, files.images)
    return AnnotationFile("labelme", inside, pairs, _used(folder, pairs, scan, "shapes", "label"))


def supervisely_files(
    folder: Path, inside: str, paths: Sequence[str], files: Files, scan: int
) -> AnnotationFile:
    """Return Supervisely's files of a folder, with the names in its project's ``meta.json``."""
    images = frozenset(files.images)
    above = inside.rpartition("/")[0]
    places = ((path, PurePosixPath(path).stem) for path in paths)
    pairs = [
        (image, path)
        for path, name in places
        if (image := f"{above}/img/{name}".lstrip("/")) in images
    ]
    used = _used(folder, pairs, scan, "objects", "classTitle")
    meta = f"{above.rpartition('/')[0]}/meta.json".lstrip("/")
    for one in _load(folder / meta).get("classes", []) if meta in files.texts else []:
        if isinstance(one, dict) and isinstance(one.get("title"), str):
            used.setdefault(one["title"], 0)
    return AnnotationFile("supervisely", inside, pairs, used, len(pairs) <= scan)


def _used(
    folder: Path, pairs: Sequence[tuple[str, str]], scan: int, items: str, name: str
) -> Counter[str]:
    """Count the names in some files, each with a list of items."""
    used: Counter[str] = Counter()
    for _, path in evenly(pairs, scan):
        listed = _load(folder / path).get(items)
        for item in listed if isinstance(listed, list) else ():
            if isinstance(item, dict) and isinstance(item.get(name), str):
                used[item[name]] += 1
    return used


def _load(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds; nothing where it cannot be read."""
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def beside(labels: Sequence[str], images: Sequence[str]) -> list[tuple[str, str]]:
    """Pair label files with the pictures of the same stem that lie nearest."""
    taken = set(labels)
    by_stem: dict[str, list[str]] = {}
    for image in images:
        if image not in taken:
            by_stem.setdefault(PurePosixPath(image).stem, []).append(image)
    pairs: list[tuple[str, str]] = []
    for label in labels:
        near = by_stem.get(PurePosixPath(label).stem, [])
        if near:
            pairs.append((max(near, key=lambda image: shared(image, label)), label))
    return pairs


def shared(first: str, second: str) -> int:
    """Return how many folders two paths have in common."""
    same = 0
    for one, other in zip(first.split("/")[:-1], second.split("/")[:-1], strict=False):
        if one != other:
            break
        same += 1
    return same


def last_parts(path: str, other: str) -> str:
    """Return the end of a path from the last folder on that differs from another's."""
    parts, others = path.split("/"), other.split("/")
    number = 1
    while number < len(parts) and parts[-number:] == others[-number:]:
        number += 1
    return "/".join(parts[-number:])
