"""The confusion matrix as a heat map in tree order, drawn by matplotlib as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harmonize.errors import printable
from harmonize.evaluation.saved_scores import SavedConfusion
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.same_meaning import same_meaning
from harmonize.report.svg import INK, SIZE, TIP, as_svg, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE = (0x2B / 255, 0x7B / 255, 0xBA / 255)
"""Reads well on white, on near-black, and below white numbers."""
_LONGEST_NAME = 26
_LETTER = 0.6
"""Width of a letter, of the height of the font."""
_WIDEST = 640
_CELL = (11, 46)
_WRITTEN = 30
"""Cells of at least so many pixels have their percentage written into them."""
_STRONG, _WEAK = 1.0, 0.35


@dataclass(frozen=True)
class HeatMap:
    """A drawing, and what a page says of the cell that is pointed at.

    Attributes:
        svg: the drawing.
        classes, counts: see ``SavedConfusion``.
        corner: of the first cell, in pixels of the drawing, counted from its upper left.
        cell: width and height of a cell.
    """

    svg: str
    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    corner: float
    cell: int


def draw_confusion(
    confusion: SavedConfusion, *, title: str, borders: Sequence[tuple[int, int]] = ()
) -> HeatMap:
    """Draw each row's shares as darkness, with lines between the branches of the tree.

    Darkness grows with the square root of a share, so that rare mistakes can be seen.

    Args:
        confusion: its classes are in tree order.
        title: what is drawn.
        borders: the number of the class that a line stands before, and the depth of the branches
            that it parts.
    """
    number = len(confusion.classes)
    names = [shortened(name, _LONGEST_NAME) for name in confusion.classes]
    cell = min(max(_WIDEST // max(number, 1), _CELL[0]), _CELL[1])
    font = min(max(cell - 1, 9), SIZE)
    corner = round(_LETTER * font * max(map(len, names), default=0)) + 32
    counts = np.array(confusion.counts, dtype=float).reshape(number, number)
    shares = counts / counts.sum(1, keepdims=True).clip(min=1)
    side = cell * number
    whole = corner + side + 8
    with new_figure(whole, whole) as figure:
        axes = figure.add_axes((corner / whole, 8 / whole, side / whole, side / whole))
        axes.patch.set(facecolor=INK, alpha=0.04)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, pad=5, labelsize=font, labelcolor=INK)
        axes.xaxis.tick_top()
        places = np.arange(number) + 0.5
        axes.set_xticks(places, names, rotation=90)
        axes.set_yticks(places, names)
        for text, name in zip(
            (*axes.get_xticklabels(), *axes.get_yticklabels()), confusion.classes * 2, strict=True
        ):
            text.set_gid(TIP + printable(name))
        middle = (corner + side / 2) / whole
        figure.text(middle, 1 - 12 / whole, "answer", ha="center", alpha=0.65)
        figure.text(8 / whole, 1 - middle, "truth", va="center", rotation=90, alpha=0.65)
        _cells(axes, shares, cell, font)
        _lines(axes, borders, number, 5 / cell)
        svg = as_svg(figure, title, page=True)
    return HeatMap(svg, confusion.classes, confusion.counts, corner, cell)


def branch_borders(
    ontology: Ontology, spec: DatasetSpec, classes: Sequence[str]
) -> list[tuple[int, int]]:
    """Say between which of the classes, in tree order, branches of the tree end, and how deep.

    A class lies in the branches of its first leaf. Depths 1 and 2 are listed; of depth 2 only the
    borders of branches that hold several classes.
    """
    masks = same_meaning(ontology, spec).leaves
    branches: list[tuple[int, ...]] = []
    for name in classes:
        mask = masks.get(name)
        if mask is None or not mask.any():
            branches.append(())
        else:
            branches.append(tuple(ontology.group_index[1:3, mask.argmax()].tolist()))
    found: list[tuple[int, int]] = []
    for number in range(1, len(branches)):
        before, after = branches[number - 1], branches[number]
        if before[:1] != after[:1]:
            found.append((number, 1))
        elif before != after and max(branches.count(before), branches.count(after)) > 1:
            found.append((number, 2))
    return found


def _cells(axes: "Axes", shares: np.ndarray, cell: int, font: int) -> None:
    """Draw all cells as one image, and write into them what there is room for."""
    number = len(shares)
    darkness = np.where(shares > 0, np.sqrt(shares).clip(min=0.02), 0)
    colors = np.dstack([*(np.full_like(shares, part) for part in _BLUE), darkness])
    axes.imshow(
        colors, extent=(0, number, number, 0), interpolation="none", aspect="auto", clip_on=False
    )
    if cell >= _WRITTEN:
        for row, column in zip(*np.nonzero(shares >= 0.005), strict=True):
            share = shares[row, column]
            color = "#ffffff" if share > 0.4 else INK
            text = f"{100 * share:.0f}"
            style = {"color": color, "fontsize": font, "ha": "center", "va": "center_baseline"}
            axes.text(column + 0.5, row + 0.5, text, **style)


def _lines(axes: "Axes", borders: Sequence[tuple[int, int]], number: int, beyond: float) -> None:
    for before, depth in borders:
        look = {"color": INK, "linewidth": 1, "alpha": _STRONG if depth == 1 else _WEAK}
        axes.plot([before, before], [-beyond, number], clip_on=False, **look)
        axes.plot([-beyond, number], [before, before], clip_on=False, **look)
    axes.set(xlim=(0, number), ylim=(number, 0))
