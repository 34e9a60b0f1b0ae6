"""Masks as runs of pixels, as COCO writes them: column by column, from the top left."""

from typing import Any

import numpy as np
from jaxtyping import Int, Integer, UInt8
from numpy import ndarray

from harmonize.errors import HarmonizeError

# Letters of shapes: N runs, B bytes, H x W pixels.

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


def write_runs(numbers: Integer[ndarray, "H W"]) -> dict[int, dict[str, Any]]:
    """Return the mask of each number of a map, with the keys ``size`` and ``counts``, a text."""
    flat = numbers.ravel(order="F")
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    ends = np.append(starts[1:], flat.size)
    order = np.argsort(flat[starts], kind="stable")
    present, firsts = np.unique(flat[starts][order], return_index=True)
    written: dict[int, dict[str, Any]] = {}
    for number, runs in zip(present.tolist(), np.split(order, firsts[1:]), strict=True):
        edges = np.concatenate([[0], np.stack([starts[runs], ends[runs]], 1).ravel(), [flat.size]])
        counts = np.diff(edges)
        counts = counts[:-1] if counts[-1] == 0 else counts  # nothing is outside at the end
        written[number] = {"size": list(numbers.shape), "counts": _compress(counts)}
    return written


def _compress(counts: Int[ndarray, " N"]) -> str:
    """Write numbers as COCO's text; see ``_compressed``."""
    numbers = counts.astype(np.int64)
    numbers[3:] -= counts[1:-2]
    places = np.arange(_LONGEST + 1)
    shifted = numbers[:, None] >> _BITS * places
    parts = shifted & 31
    is_last = shifted >> _BITS == np.where(parts & _SIGN, -1, 0)  # nothing but the sign follows
    lengths = is_last.argmax(axis=1)[:, None]
    characters = _FIRST + parts + _MORE * (places < lengths)
    return characters[places <= lengths].astype(np.uint8).tobytes().decode("ascii")


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
