"""Timing several candidates against one baseline, taking turns."""

import itertools
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import torch

Measure = Callable[[], float]
"""Does something once and returns the seconds it took."""


@dataclass(frozen=True)
class Times:
    """The seconds of each candidate, one for each repeat; all took turns within a repeat."""

    seconds: Mapping[str, list[float]]

    def median(self, name: str) -> float:
        """Return a candidate's median in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, baseline: str) -> float:
        """Return the median over the repeats of a candidate's seconds by the baseline's."""
        return statistics.median(self._ratios(name, baseline))

    def spread(self, name: str, baseline: str) -> str:
        """Return the quartiles of that ratio as text; the range if there are few repeats."""
        ratios = self._ratios(name, baseline)
        low, high = min(ratios), max(ratios)
        if len(ratios) >= 4:
            low, _, high = statistics.quantiles(ratios, n=4)
        return f"{low:.2f}-{high:.2f}"

    def _ratios(self, name: str, baseline: str) -> list[float]:
        pairs = zip(self.seconds[name], self.seconds[baseline], strict=True)
        return [own / other for own, other in pairs]


def take_turns(measures: Mapping[str, Measure], *, repeats: int) -> Times:
    """Measure each candidate once per repeat, after one round that does not count.

    Each round starts with another candidate, so that none always follows the same one.
    """
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    names = list(measures)
    for measure in measures.values():
        measure()
    for number in range(repeats):
        first = number % len(names)
        for name in itertools.chain(names[first:], names[:first]):
            seconds[name].append(measures[name]())
    return Times(seconds)


def timed(action: Callable[[], object], device: torch.device) -> Measure:
    """Return a measure of one call, from an idle device to an idle device."""
    return partial(_time_on_gpu if device.type == "cuda" else _time, action)


def _time(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _time_on_gpu(action: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    action()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / 1000
