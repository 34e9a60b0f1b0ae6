"""Numbers of several seeds, as their mean and how far they lie apart."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Values = Sequence[float | None]
"""One number for each seed; None where a run has none."""


@dataclass(frozen=True)
class Summary:
    """What several seeds gave.

    Attributes:
        values: one for each seed.
        mean: of the values; None if a seed has none.
        spread: see ``spread_name``; None if there is one seed or no mean.
    """

    values: tuple[float | None, ...]
    mean: float | None
    spread: float | None

    def to_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {"mean": self.mean, "spread": self.spread, "values": list(self.values)}


def summarize(values: Values) -> Summary:
    """Return the mean of the values and their spread: half the range of two, else their standard
    deviation (of a sample: divided by n - 1)."""
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not known:
        return Summary(tuple(values), None, None)
    if len(known) == 1:
        spread = None
    elif len(known) == 2:
        spread = (max(known) - min(known)) / 2
    else:
        spread = statistics.stdev(known)
    return Summary(tuple(values), statistics.fmean(known), spread)


def differences(values: Values, baseline: Values) -> tuple[float | None, ...]:
    """Return how much more each seed has than the same seed of a baseline."""
    pairs = zip(values, baseline, strict=True)
    return tuple(None if a is None or b is None else a - b for a, b in pairs)


def relative_change(values: Values, baseline: Values) -> float | None:
    """Return the change of the mean as a part of the baseline's, as the paper states its gains."""
    new, old = summarize(values).mean, summarize(baseline).mean
    return None if new is None or not old else new / old - 1


def mean_name(num_seeds: int) -> str:
    """Say what a number without a spread is in a table of so many seeds."""
    return "numbers of one seed" if num_seeds == 1 else f"means of {num_seeds} seeds"


def spread_name(num_seeds: int) -> str:
    """Say what stands behind ± in a table of so many seeds."""
    if num_seeds == 1:
        return "numbers of one seed, so no spread is known"
    if num_seeds == 2:
        return "mean of two seeds ± half their difference"
    return f"mean of {num_seeds} seeds ± their standard deviation"
