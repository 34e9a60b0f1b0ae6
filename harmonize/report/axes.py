"""The axes of a chart: where values lie in pixels, and the marks along the edges."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harmonize.report.svg import element, label, text_width
from harmonize.report.ticks import log_ticks, round_ticks, written

SIZE = 12
"""Of what is written, in pixels."""


@dataclass(frozen=True)
class Axes:
    """Where values lie in pixels: the plot from (left, top), and the ends of each axis."""

    left: float
    top: float
    width: float
    height: float
    x_ticks: tuple[float, ...]
    y_ticks: tuple[tuple[float, str], ...]
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log_x: bool

    def x(self, value: float) -> float:
        low, high = self.x_range
        if self.log_x:
            value, low, high = (math.log10(max(v, 1e-300)) for v in (value, low, high))
        return self.left + self.width * (value - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return self.top + self.height * (high - value) / (high - low)

    def holds(self, x: float, y: float) -> bool:
        inside = self.y_range[0] <= y <= self.y_range[1]
        return inside and self.x_range[0] <= x <= self.x_range[1]


def choose_axes(
    points: Sequence[tuple[float, float]],
    frame: tuple[float, float, float],
    y_range: tuple[float, float] | None,
    *,
    percent: bool,
    log_x: bool,
) -> Axes:
    """Choose axes around points, within a frame given by its top, right and bottom.

    The left edge leaves room for what is written there.
    """
    top_edge, right_edge, bottom_edge = frame
    xs, ys = [x for x, _ in points] or [1.0, 2.0], [y for _, y in points] or [0.0, 1.0]
    low, high = min(xs), max(xs)
    if low == high:
        low, high = (low / 2, high * 2) if log_x else (low - 1, high + 1)
    count = max(int(right_edge // 75), 2)
    x_ticks = log_ticks(low, high) if log_x else round_ticks(low, high, count)
    bottom, top = y_range or (min(ys), max(ys))
    if y_range is None and 0 <= bottom < top / 2:
        bottom = 0.0
    y_ticks = round_ticks(bottom, top, max(int((bottom_edge - top_edge) // 44), 2))
    ends = y_range or (y_ticks[0], y_ticks[-1])
    if percent and y_range is None:
        ends = (max(ends[0], min(0.0, bottom)), min(ends[1], max(1.0, top)))
    y_ticks = [tick for tick in y_ticks if ends[0] - 1e-9 <= tick <= ends[1] + 1e-9]
    texts = written(y_ticks, percent=percent)
    left = 30 + max((text_width(text, SIZE) for text in texts), default=0.0)
    return Axes(
        left,
        top_edge,
        right_edge - left,
        bottom_edge - top_edge,
        x_ticks=tuple(tick for tick in x_ticks if low <= tick <= high),
        y_ticks=tuple(zip(y_ticks, texts, strict=True)),
        x_range=(low, high),
        y_range=ends,
        log_x=log_x,
    )


def draw_axes(axes: Axes, names: tuple[str, str], ink: str) -> str:
    """Draw the marks along both axes, the lines across, and what x and y are."""
    right, bottom = axes.left + axes.width, axes.top + axes.height
    parts = [element("line", x1=axes.left, x2=right, y1=bottom, y2=bottom, stroke=ink, opacity=0.5)]
    for tick, text in axes.y_ticks:
        y = axes.y(tick)
        parts.append(element("line", x1=axes.left, x2=right, y1=y, y2=y, stroke=ink, opacity=0.12))
        parts.append(label(axes.left - 7, y + 4, text, text_anchor="end", fill=ink, opacity=0.75))
    free = 0.0
    for tick, text in zip(axes.x_ticks, written(axes.x_ticks), strict=True):
        x, width = axes.x(tick), text_width(text, SIZE)
        if x - width / 2 < free:
            continue  # it would be written over the one before
        free = x + width / 2 + 6
        parts.append(element("line", x1=x, x2=x, y1=bottom, y2=bottom + 4, stroke=ink, opacity=0.5))
        parts.append(label(x, bottom + 17, text, text_anchor="middle", fill=ink, opacity=0.75))
    return "".join(parts) + _names(axes, *names, ink)


def _names(axes: Axes, x_label: str, y_label: str, ink: str) -> str:
    across = axes.left + axes.width / 2, axes.top + axes.height + 36
    up = 14, axes.top + axes.height / 2
    turned = f"rotate(-90 {up[0]:g} {round(up[1], 2):g})"
    return label(*across, x_label, text_anchor="middle", fill=ink) + label(
        *up, y_label, text_anchor="middle", fill=ink, transform=turned
    )
