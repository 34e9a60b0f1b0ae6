"""What of a folder of annotation files a draft leaves out: pictures, labels, whole files."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from harmonize.tools.draft.annotation_files import Annotations
from harmonize.tools.draft.folder_files import IMAGES
from harmonize.tools.draft.picture_annotations import PER_PICTURE, AnnotationFile, last_parts

_SHOWN = 12


def left_out(annotations: Annotations, images: Sequence[str]) -> list[str]:
    """Say in a line each what is not used, how many there are, and name one.

    Args:
        annotations: the files that are drafted, and those that are not.
        images: all picture files of the data set's folder.
    """
    lines = [
        *_without_label(annotations.files, images),
        *(line for one in annotations.files for line in _without_picture(one)),
        *annotations.unused,
    ]
    rest = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"{rest} more files like these"] if rest > 0 else [])]


def _without_label(found: Sequence[AnnotationFile], images: Sequence[str]) -> Iterator[str]:
    labelled = {picture for one in found for picture, _ in one.pairs}
    labels = {label for one in found for _, label in one.pairs}
    folders = {_folder(picture) for picture in labelled}
    others = [
        image
        for image in images
        if image not in labelled | labels and PurePosixPath(image).suffix.lower() in IMAGES
    ]
    beside = [image for image in others if _folder(image) in folders]
    apart = [image for image in others if _folder(image) not in folders]
    if beside:
        total = len(labelled) + len(beside)
        advice = ""
        if found[0].encoding == "yolo":
            advice = "; an empty .txt says that a picture is all background"
        yield (
            f"{len(beside)} of {total} pictures {_have(beside)} no label "
            f"({_kind(found)}), such as {beside[0]}{advice}"
        )
    if apart:
        yield (
            f"{len(apart)} more picture file{'s' if len(apart) > 1 else ''} in folders without "
            f"labels, such as {apart[0]}"
        )


def _without_picture(one: AnnotationFile) -> Iterator[str]:
    if one.missing:
        total = len(one.pairs) + len(one.missing)
        what = "files" if one.encoding in PER_PICTURE else "entries"
        place = one.path or "the folder itself"
        yield (
            f"{len(one.missing)} of {total} {what} of {place} {_have(one.missing)} no picture "
            f"here, such as {one.missing[0]}"
        )
    if one.unsure:
        first, second = one.unsure[0]
        entries = "1 entry" if len(one.unsure) == 1 else f"{len(one.unsure)} entries"
        yield (
            f"the second of the two pictures that {entries} of {one.path} may "
            f"mean, such as {first} and {second}; write the folder before each name there, such "
            f"as {last_parts(second, first)}"
        )


def _kind(found: Sequence[AnnotationFile]) -> str:
    """Say what a picture would have if it had a label."""
    if found[0].encoding in PER_PICTURE:
        return f"a file {PER_PICTURE[found[0].encoding].replace('{ending}', '.*')}"
    return f"an entry in {', '.join(one.path for one in found[:3])}"


def _have(items: Sequence[str]) -> str:
    return "has" if len(items) == 1 else "have"


def _folder(path: str) -> str:
    return path.rpartition("/")[0]
