"""Pictures within a page: small, as text, and with a legend of the colours that are in them."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer, UInt8
from numpy import ndarray
from PIL import Image

from harmonize.labels.palette import Color

# Letters of shapes: H x W pixels.

_QUALITY = 82
_LISTED = 12
"""Colours that a legend names; the rest are counted."""
_PALETTE = 256


@dataclass(frozen=True)
class LegendEntry:
    """An entry of a legend: a colour, None for no label, and its share of the pixels."""

    name: str
    color: Color | None
    share: float


@dataclass(frozen=True)
class InlineImage:
    """A picture as a ``data:`` address, with its legend and how many names that leaves out."""

    address: str
    width: int
    height: int
    legend: tuple[LegendEntry, ...] = ()
    more: int = 0

    @property
    def words(self) -> str:
        """What is in the picture, in words."""
        listed = [f"{one.name} {100 * one.share:.0f} %" for one in self.legend]
        return ", ".join(listed + ([f"and {self.more} more"] if self.more else []))


def photograph(pixels: UInt8[ndarray, "H W 3"]) -> InlineImage:
    """Show a picture, as JPEG."""
    data = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(data, format="JPEG", quality=_QUALITY, optimize=True)
    return InlineImage(_address("jpeg", data.getvalue()), image.width, image.height)


def label_map(
    numbers: Integer[ndarray, "H W"], names: Sequence[str], colors: Sequence[Color | None]
) -> InlineImage:
    """Show what number each pixel has, as PNG; where the colour is None, nothing."""
    present, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    rgba = np.array(
        [(*(colors[n] or (0, 0, 0)), 255 * (colors[n] is not None)) for n in present.tolist()]
    )
    places = inverse.reshape(numbers.shape)
    data = io.BytesIO()
    if len(present) <= _PALETTE:
        image = Image.fromarray(places.astype(np.uint8))
        image.putpalette(rgba[:, :3].astype(np.uint8).tobytes())
        alpha = rgba[:, 3].astype(np.uint8).tobytes()
        image.save(data, format="PNG", optimize=True, transparency=alpha)
    else:
        image = Image.fromarray(rgba.astype(np.uint8)[places])
        image.save(data, format="PNG", optimize=True)
    order = np.argsort(-counts, kind="stable")
    listed = [
        LegendEntry(
            names[int(present[n])], colors[int(present[n])], float(counts[n] / numbers.size)
        )
        for n in order
    ]
    shown = listed if len(listed) <= _LISTED + 1 else listed[:_LISTED]
    return InlineImage(
        _address("png", data.getvalue()),
        image.width,
        image.height,
        tuple(shown),
        len(listed) - len(shown),
    )


def _address(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
