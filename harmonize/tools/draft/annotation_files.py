"""Which files of a folder annotation tools wrote, and which pictures they are of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from harmonize.errors import HarmonizeError
from harmonize.labels.coco_index import coco_index, panoptic_index
from harmonize.labels.cvat_encoding import cvat_index
from harmonize.labels.label_studio_encoding import label_studio_index
from harmonize.labels.set_index import OtherFileError, SameNameError, SetIndex
from harmonize.stores.plain_files import open_plain
from harmonize.tools.draft.annotation_counts import used_by
from harmonize.tools.draft.file_groups import evenly
from harmonize.tools.draft.folder_files import Files
from harmonize.tools.draft.name_words import canonical, picture_rank, split_word
from harmonize.tools.draft.picture_annotations import (
    PER_PICTURE,
    AnnotationFile,
    beside,
    labelme_files,
    last_parts,
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


@dataclass
class Annotations:
    """The annotation files of a folder.

    Attributes:
        files: those that are drafted, of one encoding.
        unused: the others, and why they are not.
    """

    files: list[AnnotationFile] = field(default_factory=list[AnnotationFile])
    unused: list[str] = field(default_factory=list[str])


def find_annotations(folder: Path, files: Files, scan: int) -> Annotations:
    """Return the annotation files of one kind, if there are any.

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
        _with_missing(folder, kind, find(folder, inside, paths, files, scan), paths)
        for kind, find in (("labelme", labelme_files), ("supervisely", supervisely_files))
        for inside, paths in by_folder.items()
        if any(kind in looked.get(path, ()) for path in paths)
    ]
    refused: list[str] = []
    if not any(one.pairs for one in found):
        candidates = list(looked.items())
        candidates += [(path, ("cvat",)) for path in files.xmls]
        sets = [_of_set(folder, path, kinds, files.images, refused) for path, kinds in candidates]
        found = [one for one in sets if one is not None]
        if not any(one.pairs for one in found):
            found += yolo_files(folder, files, scan, refused)
    return _chosen(found, refused)


def _with_missing(
    folder: Path, kind: str, one: AnnotationFile, paths: Sequence[str]
) -> AnnotationFile:
    """Add the files of a folder that are of the kind, but have no picture."""
    paired = {label for _, label in one.pairs}
    rest = (path for path in paths if path not in paired)
    one.missing = [path for path in rest if kind in _kinds(folder / path)]
    return one


def _chosen(found: Sequence[AnnotationFile], refused: Sequence[str]) -> Annotations:
    """Choose the encoding, and the files that are of different pictures."""
    own: list[AnnotationFile] = []
    for encoding in dict.fromkeys((*PER_PICTURE, *_INDEXES)):
        own = own or [one for one in found if one.encoding == encoding and one.pairs]
    chosen = _without_doubles(own)
    pictures = {picture for one in chosen for picture, _ in one.pairs}
    unused = [*refused]
    for one in found:
        both = sum(picture in pictures for picture, _ in one.pairs)
        if one.pairs and not any(one is other for other in chosen):
            unused.append(
                f"{one.path}: about pictures that have more annotations in other files "
                f"({both} of {len(one.pairs)})"
            )
        elif not one.pairs and one.missing:
            number, example = len(one.missing), one.missing[0]
            unused.append(f"{one.path}: none of its {number} pictures is here, such as {example}")
    return Annotations(chosen, unused)


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
    folder: Path, path: str, kinds: Sequence[str], images: Sequence[str], refused: list[str]
) -> AnnotationFile | None:
    """Return a file that holds the labels of many pictures; None if it is none or wrong."""
    problem = ""
    for kind in kinds:
        try:
            index = _INDEXES[kind](folder / path)
        except OtherFileError:
            continue
        except HarmonizeError as error:
            problem = str(error).removeprefix(f"{folder}/")
            if isinstance(error, SameNameError):
                problem += _in_two_folders(images)
            continue
        there, unsure = _found(index, path, images)
        pairs = [(image, "") for image in sorted(there.values())]
        if kind == "coco_panoptic":
            pairs = beside(sorted(there.values()), images)
            with_picture = {label for _, label in pairs}
            there = {number: label for number, label in there.items() if label in with_picture}
        missing = [name for number, name in index.pictures().items() if number not in there]
        used = used_by(kind, index, there)
        return AnnotationFile(kind, path, pairs, used, missing=missing, unsure=unsure)
    refused += [problem] if problem else []
    return None


def _in_two_folders(images: Sequence[str]) -> str:
    """Give an example of pictures of one name in two folders, and what to call them."""
    known: dict[str, str] = {}
    for image in images:
        first = known.setdefault(image.rpartition("/")[2], image)
        if first != image:
            one, other = last_parts(first, image), last_parts(image, first)
            return f", as {one} for {first} and {other} for {image}"
    return ""


def _found(
    index: SetIndex, path: str, images: Sequence[str]
) -> tuple[dict[int, str], list[tuple[str, str]]]:
    """Return the picture of each entry of an annotation file: of several of a name, the nearest.

    Also return the pairs of pictures of which none is nearer than the other.
    """
    best: dict[int, str] = {}
    unsure: dict[int, str] = {}
    for image in images:
        try:
            number = index.find(image)
        except HarmonizeError:
            continue
        own, other = _nearness(path, image), best.get(number)
        if other is None or own > _nearness(path, other):
            best[number] = image
            unsure.pop(number, None)
        elif own == _nearness(path, other):
            unsure.setdefault(number, image)
    return best, [(best[number], image) for number, image in unsure.items()]


def _nearness(path: str, image: str) -> tuple[bool, int, bool, int]:
    """Rate whether an annotation file is of a picture, by their folders."""
    folders = image.split("/")[:-1]
    own, other = split_word(path), split_word("/".join(folders))
    same = own is not None and other is not None and canonical(own[1]) == canonical(other[1])
    is_near = PurePosixPath(path).stem in folders
    return is_near, shared(path, image), same, picture_rank("/".join(folders))


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
