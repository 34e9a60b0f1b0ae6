"""Masks as Label Studio's brush writes them: red, green, blue and alpha in runs of bits."""

from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8
from numpy import ndarray

from harmonize.errors import HarmonizeError
from harmonize.labels.rle import runs_in

# Letters of shapes: N bytes, H x W pixels.

_LENGTHS = (3, 4, 8, 16)
"""Bits that the lengths of runs are written in, the shortest that suffice."""
MOST_PIXELS = (1 << 30) - 1
"""That the format can count, of four bytes each."""


class _Bits:
    """Numbers of any number of bits, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.place = 0

    def read(self, number: int) -> int:
        """Return the next bits as a number."""
        first, last = self.place >> 3, (self.place + number + 7) >> 3
        if last > len(self._data):
            raise EOFError
        self.place += number
        value = int.from_bytes(self._data[first:last], "big")
        return value >> (last << 3) - self.place & (1 << number) - 1


def decode_brush(written: Any, num_bytes: int, where: str) -> UInt8[ndarray, " N"]:
    """Return the bytes that runs of bits stand for.

    Args:
        written: numbers from 0 to 255.
        num_bytes: that they must stand for.
        where: names the mask in errors.

    Raises:
        HarmonizeError: they are no such runs, or stand for another number of bytes.
    """
    try:
        bits = _Bits(bytes(written))
        found, bits_each = bits.read(32), bits.read(5) + 1
        if found != num_bytes or bits_each != 8:
            raise HarmonizeError(
                f"{where}: its RLE is of {found // 4} pixels, its picture has {num_bytes // 4}"
            )
        return _runs(bits, num_bytes)
    except (TypeError, ValueError, EOFError) as error:
        if isinstance(error, HarmonizeError):
            raise
        raise HarmonizeError(f"{where}: its RLE is not whole, or none of Label Studio's") from None


def _runs(bits: _Bits, num_bytes: int) -> UInt8[ndarray, " N"]:
    lengths = [bits.read(4) + 1 for _ in range(4)]
    out = np.empty(num_bytes, dtype=np.uint8)
    place = 0
    while place < num_bytes:
        is_run = bits.read(1)
        end = place + 1 + bits.read(lengths[bits.read(2)])
        if end > num_bytes:
            raise EOFError
        if is_run:
            out[place:end] = bits.read(8)
        else:
            number = end - place
            out[place:end] = np.frombuffer(bits.read(8 * number).to_bytes(number, "big"), np.uint8)
        place = end
    return out


def encode_brush(mask: Bool[ndarray, "H W"]) -> list[int]:
    """Return a mask as Label Studio's brush writes it: all four bytes of a pixel are 255 or 0."""
    longest = 1 << _LENGTHS[-1]
    runs = runs_in(mask.ravel()) * 4
    values = np.arange(len(runs)) % 2 * 255
    pieces = -(-runs // longest)  # a run of no pixels has none
    values = np.repeat(values, pieces)
    lengths = np.full(len(values), longest, dtype=np.int64)
    lengths[np.cumsum(pieces)[pieces > 0] - 1] = (runs - (pieces - 1) * longest)[pieces > 0]
    kind = np.searchsorted(1 << np.array(_LENGTHS), lengths)
    bits = np.array(_LENGTHS)[kind]
    words = ((4 + kind << bits) + lengths - 1 << 8) + values  # a run: 1, its kind, length and value
    head = [(4 * mask.size, 32), (7, 5), *((one - 1, 4) for one in _LENGTHS)]
    numbers = np.concatenate([[number for number, _ in head], words])
    sizes = np.concatenate([[size for _, size in head], bits + 11])
    return _packed(numbers, sizes)


def _packed(numbers: ndarray, sizes: ndarray) -> list[int]:
    """Return numbers of some bits each, one after the other, as bytes."""
    ends = np.cumsum(sizes)
    place = np.arange(int(ends[-1]))
    owner = np.searchsorted(ends, place, side="right")
    bits = numbers[owner] >> (ends[owner] - 1 - place) & 1
    return np.packbits(bits.astype(np.uint8)).tolist()
