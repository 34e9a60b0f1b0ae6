"""The paper's figures 6 and 7: pictures, their truth, and what each loss's network says of them."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from harmonize.errors import HarmonizeError
from harmonize.labels.palette import Color

_SIZE = (240, 132)
"""Greatest width and height of a picture in the figure, in pixels."""
_GAP = 6
_TEXT = 15
_LINE = _TEXT + 5
_INK, _EDGE, _PAPER = "#24292f", "#c9ced6", "#ffffff"


@dataclass(frozen=True)
class Column:
    """One column of a figure: the two lines over it, and a file for each row."""

    head: tuple[str, str]
    files: tuple[Path, ...]


def columns_of(
    folders: Mapping[str, Path], numbers: Sequence[str], steps: Sequence[int]
) -> list[Column]:
    """Return the columns: input, truth, and for each step what each loss's network says.

    Args:
        folders: by the loss, the folder of a data set's pictures in its run folder.
        numbers: the folders of the pictures in these.
        steps: of evaluations.
    """
    kept = next(iter(folders.values()))
    heads = [(("", "input"), kept, "input.jpg"), (("", "truth"), kept, "truth.png")]
    heads += [
        ((loss, f"step {step}"), folder, f"step-{step:08d}.png")
        for step in steps
        for loss, folder in folders.items()
    ]
    return [
        Column(head, tuple(folder / number / file for number in numbers))
        for head, folder, file in heads
    ]


def kept_by_all(folders: Iterable[Path], steps: Sequence[int]) -> list[str]:
    """Return the numbers of the pictures that all runs kept, with the answers after these steps."""
    first, *others = (
        {
            picture.name
            for picture in folder.glob("*")
            if all((picture / f"step-{step:08d}.png").is_file() for step in steps)
        }
        for folder in folders
    )
    return sorted(first.intersection(*others))


def choose_steps(evaluated: Sequence[int]) -> list[int]:
    """Choose the first evaluation, the one nearest to a third of the run, and the last."""
    last = evaluated[-1]
    early = min(evaluated, key=lambda step: abs(step - last / 3))
    return sorted({evaluated[0], early, last})


def picture_section(title: str, columns: Sequence[Column], classes: Sequence[str]) -> Image.Image:
    """Draw the columns under a title, and the colours of the classes that are seen in them.

    Raises:
        HarmonizeError: a picture cannot be read.
    """
    cells = [[_read(path) for path in column.files] for column in columns]
    widths = [
        max(*(picture.width for picture in cell), *map(_length, column.head))
        for cell, column in zip(cells, columns, strict=True)
    ]
    rows = [max(cell[n].height for cell in cells) for n in range(len(cells[0]))]
    width = sum(widths) + _GAP * (len(widths) + 1)
    legend = _legend(_seen(cells[1:], classes), width)
    height = 3 * _LINE + _GAP + sum(rows) + _GAP * len(rows) + legend.height
    section = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(section)
    pen.text((_GAP, 2), title, fill=_INK, font=_font(), stroke_width=0.4, stroke_fill=_INK)
    left = _GAP
    for column, cell, its_width in zip(columns, cells, widths, strict=True):
        pen.text((left, _LINE + 2), "\n".join(column.head), fill=_INK, font=_font())
        top = 3 * _LINE + _GAP
        for picture, row in zip(cell, rows, strict=True):
            section.paste(picture.convert("RGB"), (left, top))
            edge = (left - 1, top - 1, left + picture.width, top + picture.height)
            pen.rectangle(edge, outline=_EDGE)
            top += row + _GAP
        left += its_width + _GAP
    section.paste(legend, (0, height - legend.height))
    return section


def stacked(sections: Sequence[Image.Image]) -> bytes:
    """Put sections below each other, as a PNG file."""
    size = (max(s.width for s in sections), sum(s.height for s in sections))
    figure = Image.new("RGB", size, _PAPER)
    top = 0
    for section in sections:
        figure.paste(section, (0, top))
        top += section.height
    data = io.BytesIO()
    figure.save(data, format="PNG", optimize=True)
    return data.getvalue()


def _read(path: Path) -> Image.Image:
    """Read a picture at the figure's scale; answers keep their class numbers."""
    try:
        with Image.open(path) as image:
            image.load()
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error}") from None
    scale = min(_SIZE[0] / image.width, _SIZE[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    smooth = path.suffix == ".jpg"
    return image.resize(size, Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST)


def _seen(cells: Sequence[Sequence[Image.Image]], classes: Sequence[str]) -> dict[str, Color]:
    """Return the colours of the classes that pictures of class numbers hold, in their order."""
    seen: dict[int, Color] = {}
    for picture in (picture for cell in cells for picture in cell if picture.mode == "P"):
        palette = picture.getpalette() or []
        for _, number in picture.getcolors() or []:
            assert isinstance(number, int)
            red, green, blue = palette[3 * number : 3 * number + 3]
            seen[number] = (red, green, blue)
    return {name: seen[number] for number, name in enumerate(classes) if number in seen}


def _legend(colors: Mapping[str, Color], width: int) -> Image.Image:
    """Draw a patch of each colour with its name, in as many rows as it takes."""
    places: list[tuple[int, int]] = []
    left, top = _GAP, 2
    for name in colors:
        needed = 2 * _TEXT + _length(name)
        if left > _GAP and left + needed > width:
            left, top = _GAP, top + _LINE
        places.append((left, top))
        left += needed + _GAP
    legend = Image.new("RGB", (width, top + _LINE + 2 * _GAP), _PAPER)
    pen = ImageDraw.Draw(legend)
    for (left, top), (name, color) in zip(places, colors.items(), strict=True):
        box = (left, top + 2, left + _TEXT, top + 2 + _TEXT)
        pen.rectangle(box, fill=color, outline=_INK)
        pen.text((left + _TEXT + _GAP, top), name, fill=_INK, font=_font())
    return legend


def _length(text: str) -> int:
    return round(_font().getlength(text)) + 2


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_TEXT)
