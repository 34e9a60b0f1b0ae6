"""The paper's figures 6 and 7: pictures, their truth, and what each loss's network says of them."""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from harmonize.errors import HarmonizeError, printable
from harmonize.labels.palette import Color
from harmonize.report.svg import SIZE, new_figure
from harmonize.tools.studies.study_output import MADE_BY

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

_CELL = (180, 112)
"""Width and height that a picture of the figure has, of ``SIZE``'s pixels."""
_WORDS = 90
"""Pixels of the words around the pictures of a section."""
_DPI = 108
"""At 72, letters have ``SIZE``'s pixels."""


@dataclass(frozen=True)
class Column:
    """One column of a figure: the two lines over it, and a file for each row."""

    head: tuple[str, str]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Section:
    """The columns of one data set, and the names of its classes."""

    title: str
    columns: Sequence[Column]
    classes: Sequence[str]


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


def picture_figure(sections: Sequence[Section]) -> bytes:
    """Draw sections below each other, as a PNG file.

    Raises:
        HarmonizeError: a picture cannot be read.
    """
    heights = [len(one.columns[0].files) * _CELL[1] + _WORDS for one in sections]
    with new_figure(_CELL[0] * max(len(one.columns) for one in sections), sum(heights)) as figure:
        figure.set_layout_engine("constrained")
        parts = figure.subfigures(len(sections), 1, squeeze=False, height_ratios=heights)
        for part, section in zip(parts[:, 0], sections, strict=True):
            _draw(part, section)
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=_DPI, metadata={"Software": MADE_BY})
    return data.getvalue()


def _draw(part: "SubFigure", section: Section) -> None:
    """Draw the columns under a title, and the colours of the classes that are seen in them."""
    from matplotlib.patches import Patch

    cells = [[_read(path) for path in column.files] for column in section.columns]
    grid = part.subplots(len(cells[0]), len(cells), squeeze=False)
    part.suptitle(section.title, x=0.01, ha="left", weight="bold", fontsize=14)
    for number, (column, pictures) in enumerate(zip(section.columns, cells, strict=True)):
        grid[0, number].set_title("\n".join(column.head), loc="left", fontsize=SIZE)
        for axes, picture in zip(grid[:, number], pictures, strict=True):
            smooth = "nearest" if picture.mode == "P" else "antialiased"
            axes.imshow(np.asarray(picture.convert("RGB")), interpolation=smooth)
            axes.set(xticks=[], yticks=[])
    seen = _seen(cells[1:], section.classes)
    patches = [Patch(facecolor=(r / 255, g / 255, b / 255)) for r, g, b in seen.values()]
    names = list(seen)
    columns = max(_CELL[0] * len(cells) // (40 + 8 * max(map(len, names), default=0)), 1)
    legend = part.legend(
        patches, ["-"] * len(names), loc="outside lower left", ncols=columns, frameon=False
    )
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(printable(name))


def _read(path: Path) -> Image.Image:
    """Read a picture; answers keep their class numbers."""
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            image.load()
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error}") from None
    return image


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
