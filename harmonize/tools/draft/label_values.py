"""Which values the labels hold: how much of each, in how many files, where most."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Integer
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.pictures.reading import open_image
from harmonize.tools.draft.file_groups import File, evenly
from harmonize.tools.draft.folder_layout import Layout, class_filled
from harmonize.tools.draft.mixtures import solid, without_mixtures

# Letters of shapes: H x W pixels of a label, P some of them.

MOST_VALUES = 1000
_MOST_COLORS = 200_000
_MIDDLE = 128


@dataclass
class Value:
    """A value of the labels: an id, a colour as a number, or a mask's text.

    Attributes:
        key: the value.
        pixels: how many pixels have it.
        files: how many labels hold it.
        example: the label that holds most of it.
        most: the share of that label's pixels that have it.
        thirds: how many of the pixels lie in the upper, middle and lower third of their label.
        solid: how many have equal neighbours; counted for blurred colours alone.
    """

    key: int | str
    pixels: int = 0
    files: int = 0
    example: str = ""
    most: float = 0.0
    thirds: list[int] = field(default_factory=lambda: [0, 0, 0])
    solid: int = 0

    def add(self, thirds: Sequence[int], total: int, path: str) -> None:
        """Count one label by its thirds."""
        pixels = sum(thirds)
        self.pixels += pixels
        self.thirds = [old + new for old, new in zip(self.thirds, thirds, strict=True)]
        self.files += pixels > 0
        if pixels / max(total, 1) > self.most:
            self.example, self.most = path, pixels / max(total, 1)


@dataclass
class Scan:
    """What was found in the labels that were read.

    Attributes:
        values: by their key.
        files: the number of labels read.
        pixels: the number of their pixels.
        formula: the mapping's ``value``, if the labels need one.
        tolerance: the mapping's ``tolerance``, if the labels need one.
        sizes: width and height of the labels read.
        refused: labels that cannot be read.
    """

    values: dict[int | str, Value] = field(default_factory=dict[int | str, Value])
    files: int = 0
    pixels: int = 0
    formula: str | None = None
    tolerance: int = 0
    sizes: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    refused: list[str] = field(default_factory=list[str])

    def count(self, key: int | str, thirds: Sequence[int], total: int, path: str) -> None:
        """Count one value of one label by its thirds."""
        if key in self.values or len(self.values) <= _MOST_COLORS:
            self.values.setdefault(key, Value(key)).add(thirds, total, path)


def scan_values(root: Path, layout: Layout, number: int) -> Scan:
    """Read up to so many labels, evenly spaced, and count their values.

    Raises:
        HarmonizeError: none can be read, or they hold too many values for classes.
    """
    scan = Scan(formula=_formula(layout))
    files = evenly([label for label, _ in layout.pairs], number)
    for file in files:
        try:
            if layout.label_group.classes:
                _scan_masks(root, layout, file, scan)
            else:
                _scan_file(root / file.path, file.path, layout, scan)
        except HarmonizeError as error:
            scan.refused.append(str(error))
    if not scan.files:
        raise HarmonizeError(*scan.refused[:3], f"{root}: no label can be read")
    if layout.label_group.content.blurred:
        counted = {int(key): (one.pixels, one.solid) for key, one in scan.values.items()}
        kept, scan.tolerance = without_mixtures(counted, scan.pixels)
        scan.values = {key: one for key, one in scan.values.items() if key in kept}
    lowest = min((key for key in scan.values if isinstance(key, int)), default=0)
    if lowest < 0:
        raise HarmonizeError(
            f"{root / scan.values[lowest].example}: holds {lowest}, but ids start at 0; write the "
            f"mapping by hand, with `value: V + {-lowest}`"
        )
    if len(scan.values) > MOST_VALUES:
        raise HarmonizeError(
            f"{root}: {layout.label_group.name} hold more than {MOST_VALUES} values, too many for "
            "classes; write the mapping by hand, perhaps with `value`"
        )
    return scan


def _formula(layout: Layout) -> str | None:
    content = layout.label_group.content
    if layout.label_group.classes or content.kind not in ("ids", "binary", "soft"):
        return None
    channel = "R" if content.grey_in_color else "V"
    if content.kind == "soft":
        return f"{channel}//{_MIDDLE}"
    return channel if content.grey_in_color else None


def _scan_file(path: Path, name: str, layout: Layout, scan: Scan) -> None:
    """Count the values of one label."""
    picture = open_image(path, exact=True)
    if layout.label_group.kind == "rgb":
        opaque = not layout.label_group.content.alpha
        numbers = _packed(np.asarray(picture.convert("RGB" if opaque else "RGBA")))
    else:
        numbers = np.asarray(picture).astype(np.int64)
        numbers = numbers[..., 0] if numbers.ndim == 3 else numbers
        if scan.formula is not None and "//" in scan.formula:
            numbers = numbers // _MIDDLE
    counts: dict[int, list[int]] = {}
    for place, part in enumerate(np.array_split(numbers, 3)):
        found, times = np.unique(part, return_counts=True)
        for value, count in zip(found.tolist(), times.tolist(), strict=True):
            counts.setdefault(value, [0, 0, 0])[place] = count
    scan.files += 1
    scan.pixels += numbers.size
    scan.sizes.add(picture.size)
    for value, thirds in counts.items():
        scan.count(value, thirds, numbers.size, name)
    if layout.label_group.content.blurred:
        found, times = np.unique(solid(numbers), return_counts=True)
        for value, count in zip(found.tolist(), times.tolist(), strict=True):
            if value in scan.values:
                scan.values[value].solid += count


def _packed(pixels: Integer[ndarray, "H W channels"]) -> Integer[ndarray, "H W"]:
    """Return colours as numbers, as the mapping's reader does."""
    wide = pixels.astype(np.int64)
    color = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return color | wide[..., 3] << 24 if wide.shape[2] == 4 else color


def _scan_masks(root: Path, layout: Layout, file: File, scan: Scan) -> None:
    """Count how much each class's mask covers in one picture."""
    seen = False
    for text in layout.label_group.classes:
        path = mask_path(layout, file, text)
        if not (root / path).is_file():
            continue
        picture = open_image(root / path)
        pixels = np.asarray(picture)
        pixels = pixels[..., 0] if pixels.ndim == 3 else pixels
        soft = layout.label_group.kind == "soft"
        covered = pixels >= _MIDDLE if soft else pixels != 0
        thirds = [int(part.sum()) for part in np.array_split(covered, 3)]
        scan.count(text, thirds, pixels.size, path)
        scan.pixels += 0 if seen else pixels.size
        scan.sizes.add(picture.size)
        seen = True
    scan.files += seen


def mask_path(layout: Layout, file: File, text: str) -> str:
    """Return the path of another class's mask of the same picture."""
    group = layout.label_group
    parts = list(file.folders)
    if "{class}" in group.folders:
        parts[group.folders.index("{class}")] = text
    suffix = class_filled(group.suffix, group, text).replace("{{", "{").replace("}}", "}")
    prefix = group.prefix.replace("{{", "{").replace("}}", "}")
    extension = file.path.rpartition(".")[2]
    return "/".join([*parts, f"{prefix}{file.core}{suffix}.{extension}"])
