"""Label files to class numbers: the position of each pixel's class among the data set's classes."""

from pathlib import Path

import numpy as np
from jaxtyping import Int, Integer, Shaped, UInt8
from numpy import ndarray
from PIL import Image, ImageFile

from harmonize.data.index import mask_files
from harmonize.errors import HarmonizeError
from harmonize.spec import DatasetSpec

# Letters of shapes: H x W pixels, M masks.

_ID_MODES = ("L", "P", "1", "I;16", "I;16B", "I")


class LabelReader:
    """Reads the label files of one data set."""

    def __init__(self, spec: DatasetSpec) -> None:
        self._spec = spec
        self._mask_ids = [entry.values[0] for entry in spec.classes.values()]
        values = [
            (value, number)
            for number, entry in enumerate(spec.classes.values())
            for value in entry.values
        ]
        values.sort()
        self._values = np.array([value for value, _ in values])
        self._classes = np.array([number for _, number in values], dtype=np.int16)
        self._table: ndarray | None = None
        if spec.encoding == "ids":
            self._table = np.full(int(self._values.max()) + 1, -1, dtype=np.int16)
            self._table[self._values] = self._classes

    def read(self, root: Path, label: str) -> Int[ndarray, "H W"]:
        """Return the class number of each pixel, int16.

        Raises:
            HarmonizeError: a file that cannot be read, has the wrong kind of pixels, or holds a
                value that no class stands for.
        """
        if self._spec.encoding == "soft_masks":
            return self._read_masks(root, label)
        path = root / label
        picture = open_image(path, exact=True)
        if self._spec.encoding == "ids":
            return self._decode_ids(_ids(picture, path), path)
        if picture.mode not in ("RGB", "RGBA", "P"):
            raise HarmonizeError(f"{path}: expected a colour picture, got mode {picture.mode}")
        rgb = np.asarray(picture.convert("RGB")).astype(np.int32)
        return self._decode(rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2], path)

    def _decode_ids(self, ids: Integer[ndarray, "H W"], path: Path) -> Int[ndarray, "H W"]:
        assert self._table is not None
        if ids.size and (int(ids.min()) < 0 or int(ids.max()) >= len(self._table)):
            self._refuse_unknown(ids, path)
        classes = self._table[ids]
        if classes.size and classes.min() < 0:
            self._refuse_unknown(ids, path)
        return classes

    def _decode(self, values: Integer[ndarray, "H W"], path: Path) -> Int[ndarray, "H W"]:
        place = np.searchsorted(self._values, values).clip(max=len(self._values) - 1)
        if not np.array_equal(self._values[place], values):
            self._refuse_unknown(values, path)
        return self._classes[place]

    def _refuse_unknown(self, values: Integer[ndarray, "H W"], path: Path) -> None:
        found, counts = np.unique(values[~np.isin(values, self._values)], return_counts=True)
        color = self._spec.encoding == "rgb"
        shown = ", ".join(
            f"{f'#{value:06x}' if color else value} ({count} pixels)"
            for value, count in zip(found[:5].tolist(), counts[:5].tolist(), strict=True)
        )
        kind = "colours" if color else "ids"
        raise HarmonizeError(
            f"{path}: {kind} that no class of {self._spec.name} stands for: {shown}; "
            "add them to `classes`, with the meaning `ignore` if they are void"
        )

    def _read_masks(self, root: Path, label: str) -> Int[ndarray, "H W"]:
        best: UInt8[ndarray, "H W"] | None = None
        winner: ndarray | None = None
        order = np.argsort(self._mask_ids, kind="stable")  # ties go to the lower id
        files = mask_files(label, self._mask_ids)
        for number in order.tolist():
            path = root / files[number]
            mask = _grey(open_image(path), path)
            if best is None or winner is None:
                best, winner = mask.copy(), np.full(mask.shape, number, dtype=np.int16)
                continue
            if mask.shape != best.shape:
                raise HarmonizeError(
                    f"{path}: {mask.shape[1]} x {mask.shape[0]} pixels, but the other masks have "
                    f"{best.shape[1]} x {best.shape[0]}"
                )
            larger = mask > best
            best[larger] = mask[larger]
            winner[larger] = number
        assert winner is not None
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
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
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


def _ids(picture: Image.Image, path: Path) -> Integer[ndarray, "H W"]:
    if picture.mode not in _ID_MODES:
        raise HarmonizeError(
            f"{path}: expected ids in one channel, got mode {picture.mode}; "
            "colours need `encoding: rgb`"
        )
    return np.asarray(picture).astype(np.int32)


def _grey(picture: Image.Image, path: Path) -> Shaped[ndarray, "H W"]:
    if picture.mode != "L":
        raise HarmonizeError(f"{path}: expected an 8-bit grey mask, got mode {picture.mode}")
    return np.asarray(picture)
