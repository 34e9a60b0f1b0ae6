"""Label files to class numbers: the position of each pixel's class among the data set's classes."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Integer
from numpy import ndarray
from PIL import Image

from harmonize.data.index import mask_files
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.encodings import write_value
from harmonize.labels.mapping import MASKS
from harmonize.pictures.reading import open_image, refuse_turned

# Letters of shapes: H x W pixels.

_TABLE_LIMIT = 1 << 16
"""Ids below this are looked up in a table, others among the sorted ids."""

_LOOKED_UP = 1 << 14
"""Pixels that are looked up at a time."""


class UnknownValuesError(HarmonizeError):
    """Values in a label file that no class stands for.

    Attributes:
        counts: the pixels of each such value.
        classes: the class number of each pixel, -1 where the value is unknown.
    """

    def __init__(self, problem: str, counts: dict[int, int], classes: Int[ndarray, "H W"]) -> None:
        super().__init__(problem)
        self.counts = counts
        self.classes = classes


class LabelReader:
    """Reads the label files of one data set."""

    def __init__(self, spec: DatasetSpec) -> None:
        """Prepare the look-ups; the mapping's ids must be known (``DatasetSpec.with_ids``)."""
        self._spec = spec
        values = sorted(
            (value, number)
            for number, entry in enumerate(spec.classes.values())
            for value in entry.values
        )
        self._values = np.array([value for value, _ in values], dtype=np.int64)
        self._classes = np.array([number for _, number in values], dtype=np.int16)
        self._table: ndarray | None = None
        if spec.encoding == "ids" and self._values.max() < _TABLE_LIMIT:
            self._table = np.full(_TABLE_LIMIT, -1, dtype=np.int16)
            self._table[self._values] = self._classes

    def files(self, root: Path, label: str) -> list[Path]:
        """Return the files of a label: masks of parts that are not in the picture have none."""
        if self._spec.encoding not in MASKS:
            return [root / label]
        files = [root / file for file in mask_files(self._spec, label).values()]
        return [file for file in files if file.exists()] or files[:1]

    def read(self, root: Path, label: str) -> Int[ndarray, "H W"]:
        """Return the class number of each pixel, int16.

        Raises:
            UnknownValuesError: the file holds values that no class stands for.
            HarmonizeError: a file that cannot be read or has the wrong kind of pixels.
        """
        if self._spec.encoding in MASKS:
            return self._read_masks(root, label)
        path = root / label
        picture = open_image(path, exact=True)
        if self._spec.encoding == "rgb":
            return self._decode(self._colors(picture, path), path)
        formula = self._spec.formula
        if formula is None:
            return self._decode(_single_channel(picture, path), path)
        channels = _channels(picture)
        if not formula.names <= channels.keys():
            known = ", ".join(channels) or picture.mode
            raise HarmonizeError(
                f"{path}: has the channels {known}, but `value` is {formula.text!r}"
            )
        return self._decode(formula(channels), path)

    def _decode(self, values: Integer[ndarray, "H W"], path: Path) -> Int[ndarray, "H W"]:
        if self._table is None:
            classes = self._search(values)
        elif values.dtype in (np.uint8, np.uint16):
            classes = _look_up(self._table, values)
        else:
            inside = (values >= 0) & (values < _TABLE_LIMIT)
            classes = np.where(inside, self._table[np.where(inside, values, 0)], np.int16(-1))
        if classes.size and classes.min() < 0:
            raise self._unknown_values(values, classes, path)
        return classes

    def _search(self, values: Integer[ndarray, "H W"]) -> Int[ndarray, "H W"]:
        """Look up values too large for a table: each run of equal neighbours once."""
        flat = values.ravel()
        starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1]))[: flat.size])
        runs = flat[starts].astype(np.int64)
        place = np.searchsorted(self._values, runs).clip(max=len(self._values) - 1)
        classes = self._classes[place]
        unknown = self._values[place] != runs
        if unknown.any():
            classes[unknown] = self._nearest(runs[unknown]) if self._spec.tolerance else -1
        return np.repeat(classes, np.diff(starts, append=flat.size)).reshape(values.shape)

    def _nearest(self, values: Integer[ndarray, " P"]) -> Int[ndarray, " P"]:
        """Give each colour its nearest class's, by the largest difference of a part, or -1."""
        found, inverse = np.unique(values, return_inverse=True)
        shifts = np.array([24, 16, 8, 0])
        parts, known = found[:, None] >> shifts & 255, self._values[:, None] >> shifts & 255
        distance = np.abs(parts[:, None] - known[None]).max(2)
        near = distance.min(1) <= self._spec.tolerance
        return np.where(near, self._classes[distance.argmin(1)], np.int16(-1))[inverse]

    def _colors(self, picture: Image.Image, path: Path) -> Integer[ndarray, "H W"]:
        if picture.mode not in ("RGB", "RGBA", "P"):
            raise HarmonizeError(f"{path}: expected a colour picture, got mode {picture.mode}")
        alpha = bool(self._values.max() > 0xFFFFFF)
        parts = np.asarray(picture.convert("RGBA")).view(">u4")[..., 0].astype(np.uint32)
        return parts >> 8 | (parts & 255) << 24 if alpha else parts >> 8

    def _unknown_values(
        self, values: Integer[ndarray, "H W"], classes: Int[ndarray, "H W"], path: Path
    ) -> UnknownValuesError:
        found, counts = np.unique(values[classes < 0], return_counts=True)
        pixels = dict(zip(found.tolist(), counts.tolist(), strict=True))
        encoding = self._spec.encoding
        shown = ", ".join(
            f"{write_value(encoding, value)} ({pixels[value]} pixels)"
            for value in found[:5].tolist()
        )
        kind = "colours" if encoding == "rgb" else "ids"
        return UnknownValuesError(
            f"{path}: {kind} that no class of {self._spec.name} stands for: {shown}; "
            "add them to `classes`, with the meaning `ignore` if they are void",
            pixels,
            classes,
        )

    def _read_masks(self, root: Path, label: str) -> Int[ndarray, "H W"]:
        files = mask_files(self._spec, label)
        soft = self._spec.encoding == "soft_masks"
        if soft:  # ties go to the lower id
            ids = [entry.values[0] for entry in self._spec.classes.values()]
            files = {number: files[number] for number in np.argsort(ids, kind="stable").tolist()}
        else:
            files = {number: file for number, file in files.items() if (root / file).exists()}
        winner, best = np.zeros(0, dtype=np.int16), np.zeros(0, dtype=np.uint8)
        rest = [n for n, entry in enumerate(self._spec.classes.values()) if entry.mask is None]
        for position, (number, file) in enumerate(files.items()):
            mask = _grey(open_image(root / file), root / file, soft=soft)
            if position == 0:
                first = -1 if soft else 0
                best = np.full(mask.shape, first, dtype=np.int16)
                winner = np.full(mask.shape, rest[0] if rest else -1, dtype=np.int16)
            if mask.shape != best.shape:
                sizes = ["{1} x {0}".format(*shape) for shape in (mask.shape, best.shape)]
                raise HarmonizeError(
                    f"{root / file}: {sizes[0]} pixels, but the other masks have {sizes[1]}"
                )
            covered = mask > best
            winner[covered] = number
            if soft:
                best[covered] = mask[covered]
        if (winner < 0).any() or not files:
            raise HarmonizeError(
                f"{root / label}: no mask covers {(winner < 0).sum()} pixels; "
                "give one class the value ~, for what no mask covers"
            )
        return winner


def _look_up(table: Int[ndarray, " N"], values: Integer[ndarray, "H W"]) -> Int[ndarray, "H W"]:
    """Return the entry of each value, which must all have one, some rows at a time.

    NumPy widens the values to 64 bits first: of few rows these stay in the processor's cache.
    """
    found = np.empty(values.shape, dtype=table.dtype)
    rows = max(_LOOKED_UP // max(values.shape[1], 1), 1)
    for start in range(0, values.shape[0], rows):
        part = slice(start, start + rows)
        table.take(values[part], out=found[part], mode="clip")
    return found


def _single_channel(picture: Image.Image, path: Path) -> Integer[ndarray, "H W"]:
    channels = _channels(picture)
    if "V" not in channels:
        raise HarmonizeError(
            f"{path}: expected ids in one channel, got mode {picture.mode}; colours need "
            "`encoding: rgb`, ids made of several channels a formula in `value`"
        )
    return channels["V"]


def _channels(picture: Image.Image) -> dict[str, Integer[ndarray, "H W"]]:
    """Return the numbers of a picture by the names that formulas use."""
    pixels = np.asarray(picture)
    if pixels.ndim == 2 and picture.mode != "F":
        return {"V": pixels.astype(np.uint8) if picture.mode == "1" else pixels}
    if picture.mode in ("RGB", "RGBA"):
        return {name: pixels[..., place] for place, name in enumerate(picture.mode)}
    return {}


def _grey(picture: Image.Image, path: Path, *, soft: bool) -> Integer[ndarray, "H W"]:
    """Return a mask's numbers: of a grey picture, or of the first channel where any will do."""
    if soft and picture.mode != "L":
        raise HarmonizeError(f"{path}: expected an 8-bit grey mask, got mode {picture.mode}")
    refuse_turned(picture, path)
    pixels = np.asarray(picture)
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    return (grey if soft else grey != 0).astype(np.int16)
