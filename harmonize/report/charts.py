"""Line charts as SVG text, which looks the same as a file and within a page."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harmonize.report.axes import SIZE, Axes, choose_axes, draw_axes
from harmonize.report.svg import FONT, element, escaped, label, shortened, text_width
from harmonize.report.ticks import number

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

_LONGEST_NAME = 44
_MOST_POINTS = 48
"""Of a series whose points are drawn; the line of a longer one is drawn alone."""
_MOST_TITLES = 120

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


def line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    width: int = 640,
    height: int = 360,
    y_range: tuple[float, float] | None = None,
    percent: bool = False,
    log_x: bool = False,
    background: str | None = "#ffffff",
) -> str:
    """Draw lines over round axes with a legend, as an ``<svg>`` of its own.

    Args:
        y_range: the ends of the y axis; by default round numbers around all values.
        percent: write y, which is a share, as percent.
        log_x: spread x by its logarithm; points at or below 0 are left out.
        background: a colour under dark ink, for files; with None, there is none and the ink is the
            text's around it, for pages.
    """
    ink = "currentColor" if background is None else "#24292f"
    drawn = [_finite(line, log_x=log_x) for line in series]
    legend, legend_height = _legend(series, width)
    top = 34 + legend_height
    points = [(x, y) for x, y in _points_of(drawn) if y is not None]
    axes = choose_axes(
        points, (top, width - 24.0, height - 46.0), y_range, percent=percent, log_x=log_x
    )
    parts = [
        element("title", escaped(title)),
        "" if background is None else element("rect", width=width, height=height, fill=background),
        label(14, 22, title, font_size=14, font_weight=600, fill=ink),
        element("g", legend, fill=ink),
        draw_axes(axes, (x_label, y_label), ink),
    ]
    if points:
        parts += [_line(line, axes, percent=percent) for line in drawn]
    else:
        middle = (axes.left + axes.width / 2, axes.top + axes.height / 2)
        parts.append(label(*middle, "no values", text_anchor="middle", fill=ink, opacity=0.6))
    return element(
        "svg",
        "".join(parts),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width} {height}",
        width=width,
        height=height,
        role="img",
        aria_label=title,
        font_family=FONT,
        font_size=SIZE,
    )


def _finite(series: Series, *, log_x: bool) -> Series:
    """Leave out points whose x has no place; make values that are no numbers gaps."""
    kept = [n for n, x in enumerate(series.x) if math.isfinite(x) and (x > 0 or not log_x)]

    def values(of: Values | None) -> Values | None:
        if of is None:
            return None
        found = [of[n] for n in kept]
        return [v if v is not None and math.isfinite(v) else None for v in found]

    return Series(
        name=series.name,
        x=[series.x[n] for n in kept],
        y=values(series.y) or [],
        low=values(series.low),
        high=values(series.high),
        color=series.color,
        dash=series.dash,
    )


def _points_of(series: Sequence[Series]) -> Iterator[tuple[float, float | None]]:
    """Iterate over all points, those of the bands included."""
    for line in series:
        for values in (line.y, line.low, line.high):
            yield from zip(line.x, values or [None] * len(line.x), strict=True)


def _legend(series: Sequence[Series], width: int) -> tuple[str, float]:
    """Write the names in rows that fit, and say how high they are together."""
    parts: list[str] = []
    x, y = 14.0, 44.0
    for line in series:
        name = shortened(line.name, _LONGEST_NAME)
        needed = 30 + text_width(name, SIZE)
        if x > 14 and x + needed > width - 10:
            x, y = 14.0, y + 18
        parts.append(
            element("line", x1=x, x2=x + 20, y1=y - 4, y2=y - 4, **_stroke(line))
            + label(x + 26, y, name, title=line.name)
        )
        x += needed + 14
    return "".join(parts), y - 44 + 24 if parts else 0.0


def _stroke(series: Series) -> dict[str, Any]:
    return {
        "stroke": COLORS[series.color % len(COLORS)],
        "stroke_width": 2,
        "stroke_dasharray": "5 4" if series.dash else None,
    }


def _line(series: Series, axes: Axes, *, percent: bool) -> str:
    """Draw a band, the line over it, cut at the plot's edges, and its points."""
    x, y, width, height = axes.left, axes.top, axes.width, axes.height
    path = "".join(
        "M" + "L".join(f"{axes.x(a):.1f} {axes.y(b):.1f}" for a, b in run) for run in _runs(series)
    )
    lines = element(
        "path",
        d=path,
        fill="none",
        stroke_linejoin="round",
        stroke_linecap="round",
        **_stroke(series),
    )
    inside = element(  # an svg within an svg cuts what lies outside
        "svg",
        _band(series, axes) + lines,
        x=x,
        y=y - 2,
        width=width,
        height=height + 4,
        viewBox=f"{x:g} {y - 2:g} {width:g} {height + 4:g}",
    )
    return inside + _points(series, axes, percent=percent)


def _runs(series: Series) -> list[list[tuple[float, float]]]:
    """Cut a line where values are missing."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(series.x, series.y, strict=True):
        if y is None:
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if run]


def _band(series: Series, axes: Axes) -> str:
    if series.low is None or series.high is None:
        return ""
    edges = [
        (x, low, high)
        for x, low, high in zip(series.x, series.low, series.high, strict=True)
        if low is not None and high is not None
    ]
    around = [(x, high) for x, _, high in edges] + [(x, low) for x, low, _ in reversed(edges)]
    points = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in around)
    color = COLORS[series.color % len(COLORS)]
    return element("polygon", points=points, fill=color, opacity=0.16) if edges else ""


def _points(series: Series, axes: Axes, *, percent: bool) -> str:
    """Mark the points, or hide those of a long line, so that pointing at them tells values."""
    points = [
        (x, y)
        for x, y in zip(series.x, series.y, strict=True)
        if y is not None and axes.holds(x, y)
    ]
    shown = len(points) <= _MOST_POINTS
    every = 1 if shown else -(-len(points) // _MOST_TITLES)
    marks = "".join(
        element(
            "circle",
            element("title", escaped(f"{series.name}: {number(y, percent=percent)} at {x:g}")),
            cx=axes.x(x),
            cy=axes.y(y),
            r=2.5 if shown else 5,
        )
        for x, y in points[::every]
    )
    color = COLORS[series.color % len(COLORS)]
    return element("g", marks, fill=color, opacity=None if shown else 0) if marks else ""
