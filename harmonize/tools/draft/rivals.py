"""Other labels of the same pictures: which of several folders holds the classes?"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.pictures.stored import read_stored
from harmonize.tools.draft.file_groups import SAMPLES, File, FileGroup, evenly
from harmonize.tools.draft.folder_templates import FolderLayout
from harmonize.tools.draft.name_words import are_annotators, label_rank

# Letters of shapes: H x W pixels of a label.

_MOST = 0.5
"""The share of the pictures that a rival has to be paired with."""


def find_rivals(
    root: Path, chosen: FolderLayout, layouts: Sequence[FolderLayout]
) -> list[FolderLayout]:
    """Return the other layouts of the chosen one's pictures that may hold the classes as well.

    Not those whose names say otherwise (colours, instances), nor copies: labels of which each value
    always lies on the same value of the chosen ones.
    """
    pictures = {picture.path for _, picture in chosen.pairs}
    taken = {label.path for label in chosen.label_group.files}
    rivals: list[FolderLayout] = []
    for one in sorted(layouts, key=lambda layout: -len(layout.pairs)):
        shared = sum(picture.path in pictures for _, picture in one.pairs)
        if (
            shared >= _MOST * len(pictures)
            and label_rank(one.label_group.name) >= 0
            and not any(label.path in taken for label, _ in one.pairs)
            and not (chosen.label_group.classes and _is_part(chosen.label_group, one.label_group))
            and not _is_copy(root, chosen, one)
        ):
            rivals.append(one)
            taken |= {label.path for label in one.label_group.files}
    return rivals


def annotators(chosen: FileGroup, rival: FileGroup) -> bool:
    """Say whether two groups of labels are two people's answers for the same pictures."""
    return chosen.kind == rival.kind and are_annotators([chosen.name, rival.name])


def _is_part(chosen: FileGroup, rival: FileGroup) -> bool:
    """Say whether a group lies among the masks of another one's classes."""
    return {file.folders for file in rival.files} <= {file.folders for file in chosen.files}


def _is_copy(root: Path, chosen: FolderLayout, rival: FolderLayout) -> bool:
    """Say whether each value of the chosen labels always has the same value in the rival's."""
    if chosen.label_group.classes or rival.label_group.classes:
        return False
    others = {picture.path: label for label, picture in rival.pairs}
    shared = [(label, others[p.path]) for label, p in chosen.pairs if p.path in others]
    seen: dict[int, int] = {}
    for label, other in evenly(shared, SAMPLES):
        own, theirs = _numbers(root, label), _numbers(root, other)
        if own is None or theirs is None or own.shape != theirs.shape:
            return False
        pairs = np.unique(np.stack([own.ravel(), theirs.ravel()]), axis=1)
        for value, image in pairs.T.tolist():
            if seen.setdefault(value, image) != image:
                return False
    return bool(seen)


def _numbers(root: Path, file: File) -> Int[ndarray, "H W"] | None:
    """Read a label as numbers: its ids, or its colours in one; None if it cannot be read."""
    try:
        values = read_stored(root / file.path, exact=False).values
    except HarmonizeError:
        return None
    if values.dtype.kind == "f":
        return None
    values = values.astype(np.int64)
    return values if values.ndim == 2 else values @ 256 ** np.arange(values.shape[2])
