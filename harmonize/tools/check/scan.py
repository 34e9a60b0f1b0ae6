"""Read the files of a split, several processes at a time, and count what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from harmonize.data.index import FileIndex
from harmonize.data.labels import LabelReader
from harmonize.data.sizes import refuse_sizes
from harmonize.errors import HarmonizeError
from harmonize.labels.class_table import UnknownValuesError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.palette_order import palette_bytes
from harmonize.pictures.banded import BandedFile
from harmonize.pictures.reading import picture_size
from harmonize.plurals import counted
from harmonize.system.pool import num_cores, shared_out
from harmonize.system.progress import ProgressLine

# Letters of shapes: C classes, H x W pixels.

ClassPair = tuple[int, int]
"""Two classes by number, the first meaning what lies on the left."""

_AT_ONCE = 8
"""Files that a process reads before it hands over."""
_MOST_OF_PALETTE = 20
"""Files with one palette that are named."""
_READ_BY = 16
"""Pixels a side that become one where bands are only gone through."""
_MOST_UNKNOWN = 256
"""Values of a file without a class, beyond which it is hardly a label."""


@dataclass
class UnknownValue:
    """A value in the label files that no class stands for."""

    pixels: int
    files: int
    example: str


@dataclass
class SplitScan:
    """What the files of a split hold.

    Attributes:
        files: the number of label files in the split.
        read: how many of them were read.
        names: their paths, or those of the pictures where there are no labels.
        pixels: of each class.
        pictures: in how many label files each class is.
        unknown: the values that no class stands for.
        soft: label files that are masks with soft edges, by how they are read.
        problems: one line for each file that cannot be read or does not fit.
        sides: by pair of classes, in how many files the first lies left and right of the second.
        palettes: some of the files with each palette, where indexes are read.
    """

    files: int
    pixels: Int[ndarray, " C"]
    pictures: Int[ndarray, " C"]
    read: int = 0
    names: set[str] = field(default_factory=set[str])
    unknown: dict[int | str, UnknownValue] = field(default_factory=dict[int | str, UnknownValue])
    soft: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    problems: list[str] = field(default_factory=list[str])
    sides: dict[ClassPair, tuple[int, int]] = field(
        default_factory=dict[ClassPair, tuple[int, int]]
    )
    palettes: dict[bytes, list[str]] = field(default_factory=dict[bytes, list[str]])

    def add(self, label: str, file: "_FileScan", *, again: bool) -> None:
        """Add what one file holds; only its classes' pixels if another split tells the rest."""
        self.read += 1
        if file.pixels is not None:
            self.pixels += file.pixels
            self.pictures += file.pixels > 0
        if again:
            return
        for path, palette in file.palettes:
            files = self.palettes.setdefault(palette, [])
            if len(files) < _MOST_OF_PALETTE:
                files.append(path)
        self.problems += file.problems
        if file.soft:
            self.soft.setdefault(file.soft, []).append(label)
        for value, pixels in file.unknown.items():
            entry = self.unknown.setdefault(value, UnknownValue(0, 0, label))
            entry.pixels += pixels
            entry.files += 1
        for pair, first_is_left in file.first_is_left.items():
            left, right = self.sides.get(pair, (0, 0))
            self.sides[pair] = (left + first_is_left, right + (not first_is_left))


def scan_split(
    spec: DatasetSpec,
    files: FileIndex,
    root: Path,
    *,
    number: int | None = None,
    pairs: Sequence[ClassPair] = (),
    known: set[tuple[str, str]] | None = None,
) -> SplitScan:
    """Read the label files of a split, and the pictures beside them.

    Args:
        spec: the mapping, with its ids (``DatasetSpec.with_ids``).
        files: the split's files.
        root: their folder.
        number: how many label files to read, evenly spread over the split; all unless given.
        pairs: classes of which to count which one lies on the left.
        known: pictures with their labels that were read in other splits; this split's are added.
    """
    known = set() if known is None else known
    count = len(files) if number is None else min(number, len(files))
    chosen = np.unique(np.linspace(0, len(files) - 1, count).round().astype(int)).tolist()
    classes = len(spec.classes)
    scan = SplitScan(len(files), np.zeros(classes, np.int64), np.zeros(classes, np.int64))
    chunks = [chosen[start : start + _AT_ONCE] for start in range(0, len(chosen), _AT_ONCE)]
    scanner = _Scanner(spec, files, root, tuple(pairs))
    results = shared_out(scanner.chunk, chunks, workers=num_cores())
    with ProgressLine(len(chosen), f"reading {spec.name}", "labels") as progress:
        for chunk, scanned in zip(chunks, results, strict=True):
            for position, file in zip(chunk, scanned, strict=True):
                names = files.picture(position), files.label(position)
                scan.add(names[1], file, again=names in known)
                scan.names.add(str(root / (names[1] if spec.has_labels else names[0])))
                known.add(names)
            progress.update(len(chunk))
    return scan


@dataclass
class _FileScan:
    """What one label file holds, and what is wrong with it or its picture."""

    pixels: Int[ndarray, " C"] | None = None
    unknown: dict[int | str, int] = field(default_factory=dict[int | str, int])
    soft: str = ""
    problems: list[str] = field(default_factory=list[str])
    first_is_left: dict[ClassPair, bool] = field(default_factory=dict[ClassPair, bool])
    palettes: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])


class _Scanner:
    """Scans the files of a split by their numbers."""

    def __init__(
        self, spec: DatasetSpec, files: FileIndex, root: Path, pairs: tuple[ClassPair, ...]
    ) -> None:
        self._spec = spec
        self._files = files
        self._root = root
        self._pairs = pairs
        self._labels = LabelReader(spec)

    def chunk(self, numbers: list[int]) -> list[_FileScan]:
        """Scan some files."""
        return [self._scan(number) for number in numbers]

    def _scan(self, number: int) -> _FileScan:
        """Scan a label file and its picture; whatever they make fail, the others are scanned."""
        result = _FileScan()
        try:
            return self._found(number, result)
        except HarmonizeError as error:
            result.problems += error.problems
        except Exception as error:
            reason = str(error).partition("\n")[0]
            result.problems.append(
                f"{self._root / self._files.label(number)}: it or its picture cannot be read: "
                f"{type(error).__name__}{': ' if reason else ''}{reason}"
            )
        return result

    def _found(self, number: int, result: _FileScan) -> _FileScan:
        label = self._files.label(number)
        path = self._root / self._files.picture(number)
        size: tuple[int, int] | None = None
        try:
            size = self._size(path)
        except HarmonizeError as error:
            result.problems += error.problems
        if not self._spec.has_labels:
            width, height = size or (0, 0)
            result.pixels = np.array([width * height])
            return result
        try:
            classes = self._labels.read(self._root, label, lambda: size or self._size(path))
        except UnknownValuesError as error:
            classes, result.unknown, result.soft = error.classes, error.counts, error.soft
            if len(error.counts) > _MOST_UNKNOWN:
                result.unknown = {}
                result.problems.append(
                    f"{self._root / label}: {counted(len(error.counts), 'value')} that no class of "
                    f"{self._spec.name} stands for; is this a label, stored without loss?"
                )
        except HarmonizeError as error:
            result.problems += error.problems
            return result
        result.palettes = self._palettes(label)
        result.pixels = self._pixels(classes)
        result.first_is_left = self._first_is_left(classes, result.pixels)
        if size is not None:
            wanted, scaled = (classes.shape[1], classes.shape[0]), self._spec.resize_picture
            try:
                refuse_sizes(
                    path, size, label, wanted, scaled=scaled, fixed=bool(self._spec.channels)
                )
            except HarmonizeError as error:
                result.problems += error.problems
        return result

    def _size(self, path: Path) -> tuple[int, int]:
        """Return a picture's width and height, having gone through all of it."""
        if not self._spec.channels:
            return picture_size(path, exif=self._spec.exif)
        names = [channel.name for channel in self._spec.channels]
        file = BandedFile.open(path, self._spec.channels, names)
        file.read(file.whole, _READ_BY)
        return file.size

    def _palettes(self, label: str) -> list[tuple[str, bytes]]:
        """Return a label's files that have a palette, with it, where indexes are read."""
        if self._spec.encoding.kind != "id":
            return []
        files = self._labels.files(self._root, label)
        palettes = ((str(file.relative_to(self._root)), palette_bytes(file)) for file in files)
        return [(file, palette) for file, palette in palettes if palette]

    def _pixels(self, classes: Int[ndarray, "H W"]) -> Int[ndarray, " C"]:
        """Count the pixels of each class; what is unknown, -1, is left out."""
        number = len(self._spec.classes)
        return np.bincount(classes.ravel() + np.int16(1), minlength=number + 1)[1:]

    def _first_is_left(
        self, classes: Int[ndarray, "H W"], pixels: Int[ndarray, " C"]
    ) -> dict[ClassPair, bool]:
        """Compare the mean columns of the pairs of classes that are both in a file."""
        here = [pair for pair in self._pairs if pixels[pair[0]] and pixels[pair[1]]]
        flat, width = classes.ravel(), classes.shape[1]
        mean = {
            one: (np.flatnonzero(flat == one) % width).sum() / pixels[one]
            for one in {one for pair in here for one in pair}
        }
        means = {pair: (mean[pair[0]], mean[pair[1]]) for pair in here}
        return {pair: bool(left < right) for pair, (left, right) in means.items() if left != right}
