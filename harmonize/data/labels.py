"""Label files to class numbers: the position of each pixel's class among the data set's classes."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Integer
from numpy import ndarray
from PIL import Image, ImageFile

from harmonize.class_values import write_value
from harmonize.data.index import mask_files
from harmonize.errors import HarmonizeError
from harmonize.mapping import MASKS
from harmonize.spec import DatasetSpec

# Letters of shapes: H x W pixels.

_TABLE_LIMIT = 1 << 16
"""Ids below this are looked up in a table, others among the sorted ids."""


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
            self._table = np.full(int(self._values.max()) + 1, -1, dtype=np.int16)
            self._table[self._values] = self._classes

    def read(self, root: Path, label: str) -> Int[ndarray, "H W"]:
        """Return the class number of each pixel, int16.

        Raises:
            HarmonizeError: a file that cannot be read, has the wrong kind of pixels, or holds a
                value that no class stands for.
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
        if self._table is not None:
            clipped = np.clip(values, 0, len(self._table) - 1)
            classes = self._table[clipped]
            if not np.array_equal(clipped, values) or (classes.size and classes.min() < 0):
                self._refuse_unknown(values, path)
            return classes
        place = np.searchsorted(self._values, values).clip(max=len(self._values) - 1)
        if np.array_equal(self._values[place], values):
            return self._classes[place]
        if not self._spec.tolerance:
            self._refuse_unknown(values, path)
        return self._nearest(values, path)

    def _nearest(self, values: Integer[ndarray, "H W"], path: Path) -> Int[ndarray, "H W"]:
        """Give each colour its nearest class's, by the largest difference of a part."""
        found, inverse = np.unique(values, return_inverse=True)
        shifts = np.array([24, 16, 8, 0])
        parts, known = found[:, None] >> shifts & 255, self._values[:, None] >> shifts & 255
        distance = np.abs(parts[:, None] - known[None]).max(2)
        if (distance.min(1) > self._spec.tolerance).any():
            near = found[distance.min(1) <= self._spec.tolerance]
            self._refuse_unknown(values, path, known=near)
        return self._classes[distance.argmin(1)][inverse].reshape(values.shape)

    def _colors(self, picture: Image.Image, path: Path) -> Integer[ndarray, "H W"]:
        if picture.mode not in ("RGB", "RGBA", "P"):
            raise HarmonizeError(f"{path}: expected a colour picture, got mode {picture.mode}")
        alpha = bool(self._values.max() > 0xFFFFFF)
        pixels = np.asarray(picture.convert("RGBA" if alpha else "RGB")).astype(np.int64)
        color = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
        return color | pixels[..., 3] << 24 if alpha else color

    def _refuse_unknown(
        self, values: Integer[ndarray, "H W"], path: Path, known: ndarray | None = None
    ) -> None:
        known = self._values if known is None else known
        found, counts = np.unique(values[~np.isin(values, known)], return_counts=True)
        encoding = self._spec.encoding
        shown = ", ".join(
            f"{write_value(encoding, value)} ({count} pixels)"
            for value, count in zip(found[:5].tolist(), counts[:5].tolist(), strict=True)
        )
        kind = "colours" if encoding == "rgb" else "ids"
        raise HarmonizeError(
            f"{path}: {kind} that no class of {self._spec.name} stands for: {shown}; "
            "add them to `classes`, with the meaning `ignore` if they are void"
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


def open_image(path: Path, *, exact: bool = False) -> Image.Image:
    """Open and decode a picture file, naming it in any error.

    With ``exact``, a file whose stored numbers decoding would change is an error too.
    """
    try:
        with Image.open(path) as picture:
            rescaled = exact and _is_rescaled(picture)
            picture.load()
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        NotImplementedError,
        Image.DecompressionBombError,
    ) as error:
        raise HarmonizeError(f"{path}: not a readable picture: {error}") from None
    if rescaled:
        raise HarmonizeError(
            f"{path}: decoding would rescale its pixels to 8 bits; save it with 8 bits per "
            "channel, or ids as a palette or one 16-bit channel"
        )
    return picture


def _is_rescaled(picture: ImageFile.ImageFile) -> bool:
    """Say whether decoding scales the stored numbers: grey below 8 bits, colours above."""
    for tile in picture.tile:
        stored = tile.args if isinstance(tile.args, tuple) else (tile.args,)
        if tile.codec_name.startswith("ppm"):
            return stored[-1] != (65535 if picture.mode == "I" else 255)
        if picture.mode not in ("P", "1") and not picture.mode.startswith("I"):
            return ";16" in str(stored[0]) or str(stored[0]).startswith("L;")
    return False


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
        return {"V": pixels.astype(np.int64)}
    if picture.mode in ("RGB", "RGBA"):
        return {name: pixels[..., place] for place, name in enumerate(picture.mode)}
    return {}


def _grey(picture: Image.Image, path: Path, *, soft: bool) -> Integer[ndarray, "H W"]:
    """Return a mask's numbers: of a grey picture, or of the first channel where any will do."""
    if soft and picture.mode != "L":
        raise HarmonizeError(f"{path}: expected an 8-bit grey mask, got mode {picture.mode}")
    pixels = np.asarray(picture)
    grey = pixels if pixels.ndim == 2 else pixels[..., 0]
    return (grey if soft else grey != 0).astype(np.int16)
