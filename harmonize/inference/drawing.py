"""Pictures of answers: as ids with a palette, and laid over the picture that was answered."""

import bisect
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Integer, UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from harmonize.inference.answer_space import AnswerLabel, AnswerSpace
from harmonize.labels.palette import BACKGROUND

# Letters of shapes: C answers, H x W pixels.

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_TINT = 150
"""How much of 256 the colour of an answer has over the picture's grey."""
_STRIP = 256
"""Rows that are drawn together, for memory."""
_PALETTE_IDS = 256
_INK, _PAPER = (235, 235, 235), (24, 24, 24)
_LONGEST_SIDE = 16384
"""Pixels of an overlay; JPEG has a limit, and viewers have lower ones."""
_WIDEST = 2048
"""Pixels of a line of a list beside a picture that is less wide."""
_LONGEST_NAME = 2000
"""Letters of a name, in which many nodes may be joined."""
_CLEAR_SIDE = 512
"""Pixels of the longer side that smaller pictures are enlarged to, by a whole number."""


def draw_answer(answer: Integer[ndarray, "H W"], space: AnswerSpace) -> Image.Image:
    """Draw what stands for each pixel's label.

    Colours give an RGB picture (RGBA where any is four numbers); ids up to 255 a palette picture of
    8 bits, larger ones 16 bits of grey.
    """
    table, palette = pixel_table(space)
    picture = Image.fromarray(table[answer])
    if palette is not None:
        picture.putpalette(palette.tobytes())
    return picture


def pixel_table(
    space: AnswerSpace,
) -> tuple[Integer[ndarray, "C *parts"], UInt8[ndarray, "256 3"] | None]:
    """Return the pixel that stands for each answer, and the palette of ids up to 255."""
    values = np.array([label.value for label in space.labels], dtype=np.int64)
    answered = np.any(space.masks, axis=1)
    table = space.encoding.pixels(values, answered)
    if table.ndim > 1 or table.dtype != np.uint8:  # colours, or ids beyond a palette
        return table, None
    palette = np.zeros((_PALETTE_IDS, 3), dtype=np.uint8)  # of full length, so of 8 bits
    colors = np.array([label.color for label in space.labels], dtype=np.uint8)
    palette[values[answered]] = colors[answered]
    return table, palette


def draw_overlay(
    picture: Image.Image, answer: Integer[ndarray, "H W"], space: AnswerSpace
) -> Image.Image:
    """Tint a picture by its answers, outline them, and list them beside it, largest first."""
    scale = min(_LONGEST_SIDE / max(picture.size), 1.0)
    if max(picture.size) < _CLEAR_SIDE:
        scale = float(-(-_CLEAR_SIDE // max(picture.size)))
    if scale != 1:
        size = tuple(max(round(side * scale), 1) for side in picture.size)
        picture = picture.resize((size[0], size[1]), Image.Resampling.BOX)
        answer = np.asarray(_as_image(answer).resize(picture.size, Image.Resampling.NEAREST))
    tinted = tint(picture, answer, space.labels)
    counts = np.bincount(answer.ravel(), minlength=len(space.labels))
    present = sorted(counts.nonzero()[0].tolist(), key=lambda number: -int(counts[number]))
    listed = [(space.labels[n], 100 * int(counts[n]) / answer.size) for n in present]
    panel = draw_list(listed, height=picture.height, longest=picture.size[0])
    whole = Image.new("RGB", (picture.width + panel.width, picture.height), _PAPER)
    whole.paste(Image.fromarray(tinted), (0, 0))
    whole.paste(panel, (picture.width, 0))
    return whole


def draw_list(
    listed: Sequence[tuple[AnswerLabel, float]],
    *,
    height: int,
    longest: int,
    paper: tuple[int, int, int] = _PAPER,
) -> Image.Image:
    """Draw colours, names and percentages in a column; what does not fit is counted."""
    size = max(min(max(height, longest) // 45, height // 8), 9)
    line = round(1.5 * size)
    room = max((height - size) // line, 1)
    shown = listed if len(listed) <= room else listed[: room - 1]
    font = ImageFont.load_default(size)
    texts = [
        _shortened(label.short_name, f"  {percent(share)}", font, max(longest, _WIDEST))
        for label, share in shown
    ]
    if len(shown) < len(listed):
        texts.append(f"and {len(listed) - len(shown)} more")
    width = max(round(font.getlength(text)) for text in texts) + 3 * line
    panel = Image.new("RGB", (width, height), paper)
    pen = ImageDraw.Draw(panel)
    for number, text in enumerate(texts):
        top = size // 2 + number * line
        if number < len(shown):
            box = (line // 2, top + line // 6, line // 2 + size, top + line // 6 + size)
            pen.rectangle(box, fill=shown[number][0].color, outline=_INK)
        pen.text((line // 2 + round(1.6 * size), top), text, fill=_INK, font=font)
    return panel


def _shortened(name: str, rest: str, font: Font, width: int) -> str:
    """Write a name and what follows it, with dots for the end of one that is too wide."""
    if font.getlength(name[:_LONGEST_NAME] + rest) <= width and len(name) <= _LONGEST_NAME:
        return name + rest
    fits = bisect.bisect_right(
        range(min(len(name), _LONGEST_NAME)),
        width,
        key=lambda length: font.getlength(f"{name[:length]}...{rest}"),
    )
    return f"{name[: max(fits - 1, 0)]}...{rest}"


def percent(share: float) -> str:
    """Write a percentage."""
    return f"{share:.0f} %" if share >= 9.95 else f"{share:.1f} %" if share >= 0.05 else "< 0.1 %"


def tint(
    picture: Image.Image, answer: Integer[ndarray, "H W"], labels: Sequence[AnswerLabel]
) -> UInt8[ndarray, "H W 3"]:
    """Mix each pixel's brightness with the colour of its answer; edges are black."""
    pixels = np.asarray(picture)
    colors = np.array([label.color for label in labels], dtype=np.uint16)
    plain = np.array([BACKGROUND in label.nodes for label in labels])
    thickness = max(min(picture.size) // 400, 1)
    drawn = np.empty_like(pixels)
    for first in range(0, len(pixels), _STRIP):
        here = slice(first, first + _STRIP)
        part = pixels[here].astype(np.uint16)
        grey = (77 * part[..., :1] + 151 * part[..., 1:2] + 28 * part[..., 2:]) >> 8
        mixed = (colors[answer[here]] * _TINT + grey * (256 - _TINT)) >> 8
        drawn[here] = np.where(plain[answer[here]][..., None], part, mixed)
        around = slice(first, first + _STRIP + thickness)
        edge = _edges(answer[around], thickness)[: drawn[here].shape[0]]
        drawn[here][edge] = _PAPER
    return drawn


def _edges(answer: Integer[ndarray, "H W"], thickness: int) -> Bool[ndarray, "H W"]:
    """Mark the pixels whose answer is not that of a pixel right of or below them."""
    edge = np.zeros(answer.shape, dtype=bool)
    for step in range(1, thickness + 1):
        edge[:-step] |= answer[:-step] != answer[step:]
        edge[:, :-step] |= answer[:, :-step] != answer[:, step:]
    return edge


def _as_image(answer: Integer[ndarray, "H W"]) -> Image.Image:
    return Image.fromarray(answer.astype(np.int32))
