"""The axes of a chart: their ends and round marks, chosen by matplotlib around the values."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.report.svg import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Formatter

# Letters of shapes: N values.

_FAINT = (INK, 0.75)
_ACROSS, _UP = 75, 44
"""Pixels from one mark to the next, about."""


def x_axis(axes: "Axes", values: Float[ndarray, " N"], *, log: bool) -> None:
    """Spread values from edge to edge; by their logarithm, each has its mark."""
    from matplotlib import ticker

    known = np.unique(values)
    low, high = (known[0], known[-1]) if len(known) else (1.0, 2.0)
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(ticker.FixedLocator(known.tolist()))
        axes.xaxis.set_minor_locator(ticker.NullLocator())
        axes.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:g}"))
        low, high = (low, high) if low < high else (low / 2, high * 2)
    else:
        count = max(int(axes.bbox.width // _ACROSS), 2)
        whole = bool((known == known.round()).all())
        marks = ticker.MaxNLocator(count, steps=[1, 2, 5, 10], integer=whole)
        axes.xaxis.set_major_locator(marks)
        axes.xaxis.set_major_formatter(_plain())
        low, high = (low, high) if low < high else (low - 1, high + 1)
    axes.set_xlim(low, high)
    axes.spines["bottom"].set(color=INK, alpha=0.5)
    axes.tick_params("x", length=0, pad=6, labelcolor=_FAINT)


def y_axis(
    axes: "Axes",
    values: Float[ndarray, " N"],
    ends: tuple[float, float] | None,
    *,
    percent: bool,
) -> None:
    """Reach from a round number below the finite values to one above, or between given ends."""
    from matplotlib import ticker

    count = max(int(axes.bbox.height // _UP), 2)
    marks = ticker.MaxNLocator(count, steps=[1, 2, 2.5, 5, 10])
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    if 0 <= low < high / 2:
        low = 0.0
    ticks = marks.tick_values(low, high)
    bottom, top = ticks[0], ticks[-1]
    if percent:  # no mark lies beyond what a share can be
        bottom, top = max(bottom, min(0.0, low)), min(top, max(1.0, high))
    axes.set_ylim(*(ends or (bottom, top)))
    axes.yaxis.set_major_locator(marks)
    shares = ticker.PercentFormatter(1, symbol=" %")
    axes.yaxis.set_major_formatter(shares if percent else _plain())
    axes.grid(axis="y", color=INK, alpha=0.12, linewidth=1, clip_on=False)
    axes.tick_params("y", length=0, pad=7, labelcolor=_FAINT)


def _plain() -> "Formatter":
    """Return what writes numbers with as many decimals as tell them apart."""
    from matplotlib.ticker import ScalarFormatter

    formatter = ScalarFormatter(useOffset=False)
    formatter.set_scientific(False)
    return formatter
