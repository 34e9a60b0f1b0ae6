"""Round numbers along an axis, and how they are written."""

import math
from collections.abc import Sequence

_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


def round_ticks(low: float, high: float, count: int) -> list[float]:
    """Choose about ``count`` round numbers from at or below ``low`` to at or above ``high``."""
    if not high > low:
        spread = abs(low) / 2 or 1.0
        low, high = low - spread, high + spread
    rough = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * number for number in _ROUND if power * number >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Choose 1, 2 and 5 of every power of ten, or powers alone where there are many, within."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    digits = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [digit * 10.0**power for power in range(first, last + 1) for digit in digits]
    inside = [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]
    return inside or [low, high]


def written(ticks: Sequence[float], *, percent: bool = False) -> list[str]:
    """Write numbers with as many decimals as tell them apart, as percent if asked."""
    scaled = [100 * tick if percent else tick for tick in ticks]
    decimals = next(
        (d for d in range(7) if all(math.isclose(round(t, d), t, abs_tol=1e-9) for t in scaled)), 6
    )
    unit = " %" if percent else ""
    return [f"{tick:,.{decimals}f}".replace(",", " ") + unit for tick in scaled]


def number(value: float, *, percent: bool = False) -> str:
    """Write one number with four significant digits."""
    return f"{100 * value:.4g} %" if percent else f"{value:.4g}"
