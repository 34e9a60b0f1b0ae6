"""Which values the labels hold: how much of each, in how many files, where most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.formula import MAX_ID, MIN_ID
from harmonize.labels.numbers import whole_numbers
from harmonize.pictures.stored import read_stored
from harmonize.system.progress import follow
from harmonize.tools.draft.draft_pixels import (
    amid_even,
    amid_like,
    full_colors,
    nearest_colors,
    without_losses,
    without_mixtures,
)
from harmonize.tools.draft.file_groups import CLASS, File, FileGroup, escape, evenly
from harmonize.tools.draft.folder_templates import FolderLayout

# Letters of shapes: H x W pixels of a label.

MOST_VALUES = 1000
_MOST_COLORS = 200_000
_MIDDLE = 128
_MANY, _NUMBERED = 8, 0.95
"""From so many ids on, and in so many of the labels, ids that start at 1 without gaps count."""


@dataclass
class LabelValue:
    """What was counted of a value of the labels: an id, a colour as a number, or a mask's text.

    Attributes:
        pixels: how many pixels have it.
        files: how many labels hold it.
        example: the label that holds most of it.
        most: the share of that label's pixels that have it.
        thirds: how many of the pixels lie in the upper, middle and lower third of their label.
        amid_like: how many have equal neighbours, nearly equal ones in a JPEG; counted for blurred
            and lossy colours alone.
    """

    pixels: int = 0
    files: int = 0
    example: str = ""
    most: float = 0.0
    thirds: list[int] = field(default_factory=lambda: [0, 0, 0])
    amid_like: int = 0

    def add(self, thirds: Sequence[int], total: int, path: str) -> None:
        """Count one label by its thirds."""
        pixels = sum(thirds)
        self.pixels += pixels
        self.thirds = [old + new for old, new in zip(self.thirds, thirds, strict=True)]
        self.files += pixels > 0
        if pixels / max(total, 1) > self.most:
            self.example, self.most = path, pixels / max(total, 1)


@dataclass
class LabelScan:
    """What was found in the labels that were read.

    Attributes:
        values: by the value.
        files: the number of labels read.
        pixels: the number of their pixels.
        formula: the mapping's ``value``, if the labels need one.
        tolerance: the mapping's ``tolerance``, if the labels need one.
        sizes: width and height of the labels read.
        refused: labels that cannot be read.
        counted_up_to: of each label whose ids are 1, 2, 3 and so on, beside 0, the last one.
    """

    values: dict[int | str, LabelValue] = field(default_factory=dict[int | str, LabelValue])
    files: int = 0
    pixels: int = 0
    formula: str | None = None
    tolerance: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    refused: list[str] = field(default_factory=list[str])
    counted_up_to: list[int] = field(default_factory=list[int])

    @property
    def are_instances(self) -> bool:
        """Whether ids number the objects of each picture anew, so that none stands for a class."""
        ends = self.counted_up_to
        return len(ends) >= _NUMBERED * self.files and len({*ends}) > 2 and max(ends) >= _MANY

    def count(self, key: int | str, thirds: Sequence[int], total: int, path: str) -> None:
        """Count one value of one label by its thirds."""
        if key in self.values or len(self.values) <= _MOST_COLORS:
            self.values.setdefault(key, LabelValue()).add(thirds, total, path)


def scan_values(root: Path, layout: FolderLayout, number: int) -> LabelScan:
    """Read up to so many labels, evenly spaced, and count their values.

    Raises:
        HarmonizeError: none can be read, or they hold too many values for classes.
    """
    group = layout.label_group
    scan = LabelScan(formula=_formula(group))
    chosen = evenly([label for label, _ in layout.pairs], number)
    for file in follow(chosen, len(chosen), "reading labels", "labels"):
        try:
            (_scan_masks if group.classes else _scan_file)(root, group, file, scan)
        except HarmonizeError as error:
            scan.refused.append(str(error))
    if not scan.files:
        raise HarmonizeError(*scan.refused[:3], f"{root}: no label can be read")
    if group.content.blurred or group.content.lossy:
        counted = {int(key): (one.pixels, one.amid_like) for key, one in scan.values.items()}
        if group.content.lossy:
            kept, scan.tolerance = without_losses(counted)
        else:
            kept, scan.tolerance = without_mixtures(counted, scan.pixels)
        every = scan.values
        scan.values = {key: one for key, one in every.items() if key in kept}
        if group.content.lossy:
            _add_losses(scan, every)
            scan.values = {full_colors(int(key)): one for key, one in scan.values.items()}
    for key, found in scan.values.items():
        if isinstance(key, int) and not MIN_ID <= key <= MAX_ID:
            raise HarmonizeError(
                f"{root / found.example}: holds {key}, but ids reach from {MIN_ID} to {MAX_ID}; "
                "write the mapping by hand; `harmonize check` then says with which `value`"
            )
    if len(scan.values) > MOST_VALUES and not scan.are_instances:
        raise HarmonizeError(
            f"{root}: {group.name} hold more than {MOST_VALUES} values, too many for "
            "classes: segment or instance ids? Look for other label files, or write the mapping by "
            "hand with what makes classes of them, such as `value: V//1000`"
        )
    return scan


def _add_losses(scan: LabelScan, every: Mapping[int | str, LabelValue]) -> None:
    """Count the pixels of every other colour as the nearest that is kept."""
    rest = [key for key in every if key not in scan.values]
    kept = [*scan.values]
    for key, place in zip(rest, nearest_colors(map(int, rest), map(int, kept)), strict=True):
        one, near = every[key], scan.values[kept[place]]
        near.pixels += one.pixels
        near.thirds = [old + new for old, new in zip(near.thirds, one.thirds, strict=True)]


def _formula(group: FileGroup) -> str | None:
    if group.classes:
        return f"V//{_MIDDLE}" if group.kind == "soft" and group.encoding == "masks" else None
    if group.kind not in ("ids", "binary", "soft"):
        return None
    channel = "R" if group.content.grey_in_color else "V"
    if group.kind == "soft":
        return f"{channel}//{_MIDDLE}"
    return channel if group.content.grey_in_color else None


def _scan_file(root: Path, group: FileGroup, file: File, scan: LabelScan) -> None:
    """Count the values of one label."""
    stored = read_stored(root / file.path)
    if group.kind == "rgb":
        colors = stored.colors(root / file.path)
        numbers = _packed(colors if group.content.alpha else colors[..., :3])
    else:
        values = stored.values[..., 0] if stored.values.ndim == 3 else stored.values
        numbers = whole_numbers(values, root / file.path).astype(np.int64)
        if group.kind == "soft":
            numbers = numbers // _MIDDLE
    scan.files += 1
    scan.pixels += numbers.size
    scan.sizes.add(numbers.shape[::-1])
    parts = [_counted(part) for part in np.array_split(numbers, 3)]
    ids = {value for part in parts for value in part} - {0}
    if ids and min(ids) == 1 and max(ids) == len(ids):
        scan.counted_up_to.append(len(ids))
    for value in sorted({value for part in parts for value in part}):
        scan.count(value, [part.get(value, 0) for part in parts], numbers.size, file.path)
    if group.content.blurred or group.content.lossy:
        amid = amid_even(numbers) if group.content.lossy else amid_like(numbers)
        for value, count in _counted(amid).items():
            if value in scan.values:
                scan.values[value].amid_like += count


def _counted(numbers: Integer[ndarray, "..."]) -> dict[int, int]:
    """Return how often each number is there."""
    values, counts = np.unique(numbers, return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _packed(pixels: Integer[ndarray, "H W channels"]) -> Integer[ndarray, "H W"]:
    """Return colours as numbers, as the mapping's reader does."""
    places = np.array([16, 8, 0, 24][: pixels.shape[2]])
    return (pixels.astype(np.int64) << places).sum(2)


def _scan_masks(root: Path, group: FileGroup, file: File, scan: LabelScan) -> None:
    """Count how much each class's mask covers in one picture."""
    seen = False
    for text in group.classes:
        path = mask_path(group, file, text)
        if not (root / path).is_file():
            continue
        pixels = read_stored(root / path, exact=False).values
        pixels = pixels[..., 0] if pixels.ndim == 3 else pixels
        covered = pixels >= _MIDDLE if group.kind == "soft" else pixels != 0
        thirds = [int(part.sum()) for part in np.array_split(covered, 3)]
        scan.count(text, thirds, pixels.size, path)
        scan.pixels += 0 if seen else pixels.size
        scan.sizes.add(pixels.shape[::-1])
        seen = True
    scan.files += seen


def mask_path(group: FileGroup, file: File, text: str) -> str:
    """Return the path of another class's mask of the same picture."""
    folders = list(file.folders)
    if CLASS in group.folders:
        folders[group.folders.index(CLASS)] = text
    prefix, suffix = (
        part.replace(CLASS, escape(text)).replace("{{", "{").replace("}}", "}")
        for part in (group.prefix, group.suffix)
    )
    extension = file.path.rpartition(".")[2]
    return "/".join([*folders, f"{prefix}{file.core}{suffix}.{extension}"])
