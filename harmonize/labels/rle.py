"""Masks as runs of pixels, as COCO writes them: column by column, from the top left."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Int, UInt8
from numpy import ndarray

from harmonize.errors import HarmonizeError

# Letters of shapes: N runs, B bytes, H x W pixels of a picture, P pixels in a row.

_FIRST, _MORE, _SIGN, _BITS = 48, 0x20, 0x10, 5
_LONGEST = 6
"""Bytes of a number of 32 bits, 5 bits in each."""


def read_runs(written: dict[str, Any], size: tuple[int, int], where: str) -> Int[ndarray, " N"]:
    """Return the lengths of a mask's runs, the first of what is outside.

    Args:
        written: with the keys ``size`` (height and width) and ``counts``.
        size: width and height of the picture.
        where: names the mask in errors.

    Raises:
        HarmonizeError: it is of another size, or no runs.
    """
    width, height = size
    if written.get("size") != [height, width]:
        raise HarmonizeError(
            f"{where}: its RLE is of the size {written.get('size')} (height, width), its picture "
            f"of {[height, width]}"
        )
    counts = written.get("counts")
    if isinstance(counts, str):
        runs = _compressed(counts, where)
    elif isinstance(counts, list) and all(type(count) is int for count in counts):
        runs = np.array(counts, dtype=np.int64) if max(counts, default=0) < 1 << 40 else None
    else:
        runs = None
    if runs is None:
        raise HarmonizeError(f"{where}: expected RLE counts, a list of numbers or a text")
    if runs.min(initial=0) < 0 or int(runs.sum()) != width * height:
        raise HarmonizeError(
            f"{where}: its RLE has {int(runs.sum())} pixels, its picture {width * height}"
        )
    return runs


def _compressed(text: str, where: str) -> Int[ndarray, " N"]:
    """Decode COCO's text: 5 bits a character; from the fourth run on less the last but one."""
    if not text:
        return np.zeros(0, dtype=np.int64)
    try:
        parts = np.frombuffer(text.encode("ascii"), np.uint8) - np.uint8(_FIRST)
    except UnicodeEncodeError:
        raise HarmonizeError(f"{where}: its RLE is no text of COCO's") from None
    ends = np.flatnonzero(~_has(parts, _MORE))
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    if parts.max() > 63 or not len(ends) or ends[-1] != len(parts) - 1 or lengths.max() > _LONGEST:
        raise HarmonizeError(f"{where}: its RLE is no text of COCO's")
    places = np.arange(len(parts)) - np.repeat(starts, lengths)
    bits = (parts & 31).astype(np.int64) << _BITS * places
    numbers = np.add.reduceat(bits, starts)
    numbers = np.where(_has(parts[ends], _SIGN), numbers - (1 << _BITS * lengths), numbers)
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


def _has(parts: UInt8[ndarray, " B"], bit: int) -> ndarray:
    return (parts & np.uint8(bit)) != 0


def write_runs(mask: Bool[ndarray, "H W"]) -> dict[str, Any]:
    """Return a mask as COCO writes it, with its runs as text."""
    height, width = mask.shape
    runs = runs_in(mask.T.ravel())
    numbers = runs.copy()
    numbers[3:] -= runs[1:-2]
    return {"size": [height, width], "counts": "".join(map(_as_text, numbers.tolist()))}


def runs_in(pixels: Bool[ndarray, " P"]) -> Int[ndarray, " N"]:
    """Return the lengths of the runs of pixels, the first of what is outside."""
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    runs = np.diff(changes, prepend=0, append=len(pixels))
    return np.concatenate([[0], runs]) if len(pixels) and pixels[0] else runs


def _as_text(number: int) -> str:
    """Write a number in parts of 5 bits, the lowest first, until the rest is but its sign."""
    text = ""
    while True:
        bits, number = number & 31, number >> _BITS
        if number == (-1 if bits & _SIGN else 0):
            return text + chr(bits + _FIRST)
        text += chr((bits | _MORE) + _FIRST)
