"""Which files of a folder annotation tools wrote, and which pictures they are of."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from harmonize.errors import HarmonizeError
from harmonize.labels.coco_index import coco_index, panoptic_index
from harmonize.labels.cvat_encoding import cvat_index
from harmonize.labels.label_studio_encoding import label_studio_index
from harmonize.labels.set_index import SetIndex
from harmonize.stores.plain_files import open_plain
from harmonize.tools.draft.file_groups import evenly
from harmonize.tools.draft.folder_files import Files
from harmonize.tools.draft.name_words import canonical, split_word
from harmonize.tools.draft.picture_annotations import (
    PER_PICTURE,
    AnnotationFile,
    beside,
    labelme_files,
    shared,
    supervisely_files,
)
from harmonize.tools.draft.yolo_files import yolo_files

_LOOKED = 1 << 16
"""Bytes at the head of a JSON that tell what it may be."""
_FEW = 20
"""JSON files of a folder of which each is looked at; of more, some."""
_INDEXES: dict[str, Callable[[Path], SetIndex]] = {
    "coco_panoptic": panoptic_index,
    "coco": coco_index,
    "label_studio": label_studio_index,
    "cvat": cvat_index,
}
"""By encoding; the first is preferred."""


def find_annotations(folder: Path, files: Files, scan: int) -> list[AnnotationFile]:
    """Return the annotation files of one kind; none if there are none.

    Args:
        folder: of the data set.
        files: what is in it.
        scan: how many files are read where each picture has its own.
    """
    jsons = [path for path in files.texts if path.lower().endswith(".json")]
    by_folder: dict[str, list[str]] = {}
    for path in jsons:
        by_folder.setdefault(path.rpartition("/")[0], []).append(path)
    some = [path for listed in by_folder.values() for path in evenly(listed, _FEW)]
    looked = {path: _kinds(folder / path) for path in some}
    found = [
        find(folder, inside, paths, files, scan)
        for kind, find in (("labelme", labelme_files), ("supervisely", supervisely_files))
        for inside, paths in by_folder.items()
        if any(kind in looked.get(path, ()) for path in paths)
    ]
    if not any(one.pairs for one in found):
        candidates = list(looked.items())
        candidates += [(path, ("cvat",)) for path in files.xmls]
        sets = [_of_set(folder, path, kinds, files.images) for path, kinds in candidates]
        found = [one for one in sets if one is not None]
        if not any(one.pairs for one in found):
            found = yolo_files(folder, files, scan)
    found = [one for one in found if one.pairs]
    for encoding in dict.fromkeys((*PER_PICTURE, *_INDEXES)):
        chosen = [one for one in found if one.encoding == encoding]
        if chosen:
            return _without_doubles(chosen)
    return []


def _kinds(path: Path) -> tuple[str, ...]:
    """Return the encodings that a JSON may be, by what it begins with."""
    try:
        with open_plain(path) as file:
            head = file.read(_LOOKED)
    except (OSError, HarmonizeError):
        return ()
    if b'"shapes"' in head:
        return ("labelme",)
    if b'"objects"' in head and b'"size"' in head and b'"height"' in head:
        return ("supervisely",)
    if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"[":
        return ("label_studio",) if b'"data"' in head or b'"annotations"' in head else ()
    keys = (b'"images"', b'"annotations"', b'"categories"')
    return ("coco_panoptic", "coco") if any(key in head for key in keys) else ()


def _of_set(
    folder: Path, path: str, kinds: Sequence[str], images: Sequence[str]
) -> AnnotationFile | None:
    """Return a file that holds the labels of many pictures; None if it cannot be read."""
    for kind in kinds:
        try:
            index = _INDEXES[kind](folder / path)
        except HarmonizeError:
            continue
        there = _found(index, path, images)
        pairs = [(image, "") for image in there]
        if kind == "coco_panoptic":
            pairs = beside(there, images)
        return AnnotationFile(kind, path, pairs, Counter(index.used))
    return None


def _found(index: SetIndex, path: str, images: Sequence[str]) -> list[str]:
    """Return the picture of each entry of an annotation file: of several of a name, the nearest."""
    best: dict[int, str] = {}
    for image in images:
        try:
            number = index.find(image)
        except HarmonizeError:
            continue
        if number not in best or _nearness(path, image) > _nearness(path, best[number]):
            best[number] = image
    return sorted(best.values())


def _nearness(path: str, image: str) -> tuple[bool, int, bool]:
    """Rate whether an annotation file is of a picture, by their folders."""
    folders = image.split("/")[:-1]
    own, other = split_word(path), split_word("/".join(folders))
    same = own is not None and other is not None and canonical(own[1]) == canonical(other[1])
    return PurePosixPath(path).stem in folders, shared(path, image), same


def _without_doubles(found: Sequence[AnnotationFile]) -> list[AnnotationFile]:
    """Leave out files about pictures that others are about: those with fewer annotations."""
    chosen: list[AnnotationFile] = []
    taken: set[str] = set()
    for one in sorted(found, key=lambda one: -one.used.total()):
        pictures = {picture for picture, _ in one.pairs}
        if not pictures & taken:
            chosen.append(one)
            taken |= pictures
    return sorted(chosen, key=lambda one: one.path)
