"""Line charts, drawn by matplotlib as SVG, alone or several in one picture."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.errors import printable
from harmonize.report.axes import x_axis, y_axis
from harmonize.report.svg import SIZE, TIP, as_svg, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Letters of shapes: N points of a line.

COLORS = (
    "#2b7bba",
    "#d2600c",
    "#169a6f",
    "#b763a8",
    "#a3820f",
    "#6675d6",
    "#c4454f",
    "#7b8087",
)
"""At least 3 to 1 against white and against near-black, and told apart by the colour-blind."""

_EDGE, _LEFT, _RIGHT, _BOTTOM = 4, 74, 24, 46
"""Pixels beside the words, and beside and below a plot."""
_TITLE, _ROW, _GAP = 34, 18, 8
"""Pixels above it: of the title, of a row of names, and below these."""
_LETTER = 7
"""Pixels of a letter, about."""
_LONGEST_NAME = 44
_MOST_POINTS = 48
"""Of a series whose points are drawn; the line of a longer one is drawn alone."""
_MOST_TIPS = 120
_GREATEST = 1e12
"""Numbers beyond this are nothing that could be drawn."""

Values = Sequence[float | None]


@dataclass(frozen=True)
class Series:
    """One line: its points, gaps where y is None or no number, and perhaps a band around it.

    Attributes:
        color: a number among ``COLORS``, counted round.
    """

    name: str
    x: Sequence[float]
    y: Values
    low: Values | None = None
    high: Values | None = None
    color: int = 0
    dash: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over axes, with a legend.

    Attributes:
        y_range: the ends of the y axis; by default round numbers around all values.
        percent: whether y, which is a share, is written as percent.
        log_x: whether x is spread by its logarithm; points at or below 0 are left out.
    """

    series: Sequence[Series]
    title: str
    x_label: str
    y_label: str
    y_range: tuple[float, float] | None = None
    percent: bool = False
    log_x: bool = False


@dataclass(frozen=True)
class _Line:
    """A series as it is drawn; NaN where nothing is."""

    name: str
    x: Float[ndarray, " N"]
    y: Float[ndarray, " N"]
    low: Float[ndarray, " N"]
    high: Float[ndarray, " N"]
    look: dict[str, Any]


def line_chart(chart: Chart, *, width: int = 400, height: int = 290) -> str:
    """Draw a chart for a page, as an ``<svg>`` in the colour of the text around it."""
    return _draw([[chart]], (width, height), page=True)


def panels(rows: Sequence[Sequence[Chart]], *, width: int = 480, height: int = 320) -> str:
    """Draw charts, each of this size, in rows of one picture on white."""
    return _draw(rows, (width, height), page=False)


def _draw(rows: Sequence[Sequence[Chart]], size: tuple[int, int], *, page: bool) -> str:
    points: list[str] = []
    with new_figure(size[0] * max(map(len, rows)), size[1] * len(rows)) as figure:
        for number, row in enumerate(rows):
            for column, chart in enumerate(row):
                corner = (column * size[0], (len(rows) - number) * size[1])  # counted from below
                points.append(_panel(figure, chart, corner, size))
        title = ", ".join(chart.title for row in rows for chart in row)
        return as_svg(figure, title, page=page, extra="".join(points))


def _panel(figure: "Figure", chart: Chart, corner: tuple[int, int], size: tuple[int, int]) -> str:
    """Draw a chart whose upper left corner lies there, and return its points as SVG."""
    left, top = corner
    columns, rows = _legend_shape(chart, size[0])
    width, height = size[0] - _LEFT - _RIGHT, size[1] - _TITLE - _ROW * rows - _GAP - _BOTTOM
    whole = figure.bbox.size
    place = np.array([left + _LEFT, top - size[1] + _BOTTOM, width, height]) / [*whole, *whole]
    axes = figure.add_axes(tuple(place))
    at_title, at_legend = (np.array([left + _EDGE, top - down]) / whole for down in (22, _TITLE))
    title = shortened(chart.title, size[0] // 8)
    figure.text(
        at_title[0],
        at_title[1],
        title,
        fontsize=14,
        weight="bold",
        gid=TIP + printable(chart.title),
    )
    lines = [_finite(series, chart) for series in chart.series]
    x_axis(axes, np.concatenate([line.x for line in lines] or [[]]), log=chart.log_x)
    values = np.concatenate([v for line in lines for v in (line.y, line.low, line.high)] or [[]])
    y_axis(axes, values, chart.y_range, percent=chart.percent)
    axes.set_xlabel(printable(chart.x_label), labelpad=5)
    axes.set_ylabel(printable(chart.y_label))
    axes.yaxis.set_label_coords((16 - _LEFT) / width, 0.5)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    axes.patch.set_visible(False)
    points = "".join(_line(axes, line, chart, figure.bbox.height) for line in lines)
    if not any(np.isfinite(line.y).any() for line in lines):
        axes.text(0.5, 0.5, "no values", transform=axes.transAxes, ha="center", alpha=0.6)
    _legend(axes, chart, columns, at_legend)
    return points


def _legend_shape(chart: Chart, width: int) -> tuple[int, int]:
    """Return in how many columns and rows the names of the lines fit."""
    names = [shortened(series.name, _LONGEST_NAME) for series in chart.series]
    longest = 42 + _LETTER * max(map(len, names), default=1)
    columns = max(int((width - _EDGE) // longest), 1)
    return columns, -(-len(names) // columns)


def _legend(axes: "Axes", chart: Chart, columns: int, place: Float[ndarray, "2"]) -> None:
    """Write the names of the lines, row by row."""
    from matplotlib.lines import Line2D

    if not chart.series:
        return
    order = [n for column in range(columns) for n in range(column, len(chart.series), columns)]
    handles = [Line2D([], [], **_look(chart.series[number])) for number in order]
    legend = axes.legend(
        handles,
        ["-"] * len(handles),  # a name that starts with _ would be left out
        loc="upper left",
        bbox_to_anchor=(*place, 0, 0),
        bbox_transform=axes.figure.transSubfigure,
        ncols=min(columns, len(handles)),
        frameon=False,
        borderpad=0,
        borderaxespad=0,
        handlelength=20 / SIZE,
        handletextpad=0.5,
        columnspacing=1.2,
        labelspacing=0.4,
    )
    for text, number in zip(legend.get_texts(), order, strict=True):
        name = chart.series[number].name
        text.set(text=shortened(name, _LONGEST_NAME), gid=TIP + printable(name))


def _finite(series: Series, chart: Chart) -> _Line:
    """Leave out points whose x has no place; make values that cannot be drawn NaN."""
    kept = [n for n, x in enumerate(series.x) if math.isfinite(x) and (x > 0 or not chart.log_x)]

    def values(of: Values | None) -> Float[ndarray, " N"]:
        found = [of[n] if of else None for n in kept]
        numbers = np.array([math.nan if v is None else v for v in found], dtype=float)
        return np.where(np.abs(numbers) < _GREATEST, numbers, np.nan)

    x = np.array([series.x[n] for n in kept], dtype=float)
    y, low, high = values(series.y), values(series.low), values(series.high)
    if chart.y_range:
        bottom, top = chart.y_range
        y = np.where((y >= bottom) & (y <= top), y, np.nan)
        low, high = low.clip(bottom, top), high.clip(bottom, top)
    return _Line(series.name, x, y, low, high, _look(series))


def _line(axes: "Axes", line: _Line, chart: Chart, bottom: float) -> str:
    """Draw a band and the line over it; return its points as SVG.

    Pointing at a point tells its value; those of a long line are hidden.
    """
    edges = np.isfinite(line.low + line.high)
    if edges.any():
        x, low, high = line.x[edges], line.low[edges], line.high[edges]
        around = np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]])
        axes.fill(*around, color=line.look["color"], alpha=0.16, linewidth=0, clip_on=False)
    axes.plot(line.x, line.y, clip_on=False, **line.look)
    known = np.flatnonzero(np.isfinite(line.y))
    shown = len(known) <= _MOST_POINTS
    every = 1 if shown else -(-len(known) // _MOST_TIPS)
    circles: list[str] = []
    for x, y in zip(line.x[known][::every], line.y[known][::every], strict=True):
        value = f"{100 * y:.4g} %" if chart.percent else f"{y:.4g}"
        tip = html.escape(printable(f"{line.name}: {value} at {x:g}"))
        across, up = axes.transData.transform((x, y))
        radius = 2.5 if shown else 5
        circles.append(
            f'<circle cx="{across:.1f}" cy="{bottom - up:.1f}" r="{radius}">'
            f"<title>{tip}</title></circle>"
        )
    hidden = "" if shown else ' opacity="0"'
    return f'<g fill="{line.look["color"]}"{hidden}>{"".join(circles)}</g>' if circles else ""


def _look(series: Series) -> dict[str, Any]:
    dashes = (0, (2.5, 2)) if series.dash else "solid"
    return {"color": COLORS[series.color % len(COLORS)], "linewidth": 2, "linestyle": dashes}
