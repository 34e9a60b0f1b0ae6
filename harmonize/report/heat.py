"""The confusion matrix as a heat map in tree order."""

from collections.abc import Sequence

from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.report.run_scores import Confusion
from harmonize.report.svg import FONT, element, escaped, label, shortened, text_width

_LONGEST_NAME = 26
_WIDEST = 640
_CELL = (11, 46)
_WRITTEN = 30
"""Cells of at least so many pixels have their percentage written into them."""
_STRONG, _WEAK = 1.0, 0.35


def draw_confusion(
    confusion: Confusion, *, title: str, borders: Sequence[tuple[int, int]] = ()
) -> str:
    """Draw each row's shares as darkness, with lines between the branches of the tree.

    Darkness grows with the square root of a share, so that rare mistakes can be seen.

    Args:
        confusion: its classes are in tree order.
        title: what is drawn.
        borders: the number of the class that a line stands before, and the depth of the branches
            that it parts.
    """
    names = [shortened(name, _LONGEST_NAME) for name in confusion.classes]
    cell = min(max(_WIDEST // max(len(names), 1), _CELL[0]), _CELL[1])
    font = min(max(cell - 1, 9), 12)
    room = max((text_width(name, font) for name in names), default=0.0) + 12
    left, top, side = room + 20, room + 20, cell * len(names)
    middle = (left + side / 2, top + side / 2)
    turned = f"rotate(-90 10 {middle[1]:g})"
    parts = [
        element("title", escaped(title)),
        label(middle[0], 12, "answer", text_anchor="middle", opacity=0.65),
        label(10, middle[1], "truth", text_anchor="middle", opacity=0.65, transform=turned),
        *_names(names, confusion.classes, (left, top), cell),
        _cells(confusion, (left, top), cell),
        *_lines(borders, (left, top), cell, len(names)),
    ]
    return element(
        "svg",
        "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {left + side + 8:g} {top + side + 8:g}",
        width=left + side + 8,
        height=top + side + 8,
        role="img",
        aria_label=title,
        font_family=FONT,
        font_size=font,
        fill="currentColor",
    )


def branch_borders(
    ontology: Ontology, spec: DatasetSpec, classes: Sequence[str]
) -> list[tuple[int, int]]:
    """Say between which of the classes, in tree order, branches of the tree end, and how deep.

    A class lies in the branches of its first leaf. Depths 1 and 2 are told; of depth 2 only the
    borders of branches that hold several classes.
    """
    masks = dict(zip(spec.classes, spec.leaf_masks(ontology), strict=True))
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


def _names(
    names: Sequence[str], full: Sequence[str], corner: tuple[float, float], cell: int
) -> list[str]:
    left, top = corner
    parts: list[str] = []
    for number, (name, whole) in enumerate(zip(names, full, strict=True)):
        at = (number + 0.5) * cell + 4
        up = f"translate({left + at:g} {top - 6:g}) rotate(-90)"
        parts.append(label(left - 6, top + at, name, title=whole, text_anchor="end"))
        parts.append(label(0, 0, name, title=whole, transform=up))
    return parts


def _cells(confusion: Confusion, corner: tuple[float, float], cell: int) -> str:
    left, top = corner
    side = cell * len(confusion.classes)
    parts = [
        element("rect", x=left, y=top, width=side, height=side, fill="currentColor", opacity=0.04)
    ]
    for row, counts in enumerate(confusion.counts):
        total = sum(counts)
        for column, count in enumerate(counts):
            if count:
                share = count / total
                place = (left + column * cell, top + row * cell)
                parts.append(_cell(place, cell, share, _told(confusion, row, column, share)))
    return "".join(parts)


def _cell(place: tuple[float, float], cell: int, share: float, told: str) -> str:
    x, y = place
    square = element(
        "rect",
        element("title", escaped(told)),
        x=x,
        y=y,
        width=cell,
        height=cell,
        class_="heat",
        fill_opacity=max(share**0.5, 0.02),
    )
    if cell < _WRITTEN or share < 0.005:
        return square
    kind = "on" if share > 0.4 else "off"
    return square + label(
        x + cell / 2, y + cell / 2 + 4, f"{100 * share:.0f}", text_anchor="middle", class_=kind
    )


def _told(confusion: Confusion, row: int, column: int, share: float) -> str:
    truth, answer = confusion.classes[row], confusion.classes[column]
    count = f"{confusion.counts[row][column]:,}".replace(",", " ")
    return f"{truth} answered as {answer}: {count} pixels, {100 * share:.3g} %"


def _lines(
    borders: Sequence[tuple[int, int]], corner: tuple[float, float], cell: int, number: int
) -> list[str]:
    left, top = corner
    side = cell * number
    parts: list[str] = []
    for before, depth in borders:
        look = {
            "stroke": "currentColor",
            "stroke_width": 1,
            "opacity": _STRONG if depth == 1 else _WEAK,
        }
        x, y = left + before * cell, top + before * cell
        parts.append(element("line", x1=x, x2=x, y1=top - 5, y2=top + side, **look))
        parts.append(element("line", x1=left - 5, x2=left + side, y1=y, y2=y, **look))
    return parts
