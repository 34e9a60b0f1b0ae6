"""Label files of any bits and channels, and what reads them."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from harmonize.config.strict_yaml import load_text
from harmonize.data.labels import LabelReader
from harmonize.errors import HarmonizeError
from harmonize.labels.dataset_spec import DatasetSpec

GREY, COLOUR, PALETTE, GREY_ALPHA, COLOUR_ALPHA = 0, 2, 3, 4, 6  # PNG's colour types

CHANNELS = {GREY: 1, COLOUR: 3, PALETTE: 1, GREY_ALPHA: 2, COLOUR_ALPHA: 4}


def make_reader(encoding: str, classes: str, options: str = "") -> LabelReader:
    """Return a reader for a mapping with the given classes."""
    label = "{id}_{class}.png" if encoding in ("soft_masks", "masks") else "{id}.png"
    text = f"""
name: tiny
picture: "{{id}}.jpg"
label: "{label}"
encoding: {encoding}
{options}
splits: {{}}
classes: {classes}
meaning: {{}}
"""
    return LabelReader(DatasetSpec.from_document(load_text(text, "tiny.yaml")))


def write_png(
    path: Path, values: np.ndarray, *, bits: int, kind: int = GREY, filtering: int = 0
) -> None:
    """Write a PNG file bit by bit, so that no library decides how it is stored."""
    height, width = values.shape[:2]
    flat = values.reshape(height, width * CHANNELS[kind]).astype(np.uint32)
    places = np.arange(bits - 1, -1, -1, dtype=np.uint32)
    rows = (flat[..., None] >> places & 1).astype(np.uint8).reshape(height, -1)
    packed = np.packbits(rows, axis=1)
    step = max(bits * CHANNELS[kind] // 8, 1)
    data = b"".join(bytes([filtering]) + row for row in _filtered(packed, step, filtering))
    palette = bytes(np.random.default_rng(0).permutation(256).astype(np.uint8)) * 3
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))]
    if kind == PALETTE:
        parts.append((b"PLTE", palette[: 3 * 2**bits]))
    parts += [(b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    chunks = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _filtered(rows: np.ndarray, step: int, filtering: int) -> list[bytes]:
    """Return the rows of a PNG file less what the standard's filters foresee of each byte."""
    whole = np.pad(rows.astype(int), ((1, 0), (step, 0)))
    left, above, corner = whole[1:, :-step], whole[:-1, step:], whole[:-1, :-step]
    about = left + above - corner
    near = np.stack([left, above, corner])
    paeth = np.take_along_axis(near, np.abs(near - about).argmin(0)[None], 0)[0]
    foreseen = [np.zeros_like(left), left, above, (left + above) // 2, paeth][filtering]
    return [row.tobytes() for row in ((rows - foreseen) % 256).astype(np.uint8)]


def refused(reader: LabelReader, root: Path, label: str = "a.png") -> str:
    """Return the message of the error that reading a label raises."""
    with pytest.raises(HarmonizeError) as caught:
        reader.read(root, label)
    return str(caught.value)
