"""The hierarchical loss against a flat cross-entropy and the paper's listing."""

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch

from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.tools.benchmark.candidates import (
    BASELINE,
    COPY,
    DTYPES,
    IN_PYTORCH,
    LAYOUTS,
    LISTING,
    OPTIONS,
    OURS,
    Case,
    Inputs,
    candidate,
    extra_peak,
    make_inputs,
    memory_needed,
)
from harmonize.tools.benchmark.machine import GIB, describe, in_mib, usable_memory
from harmonize.tools.benchmark.made_up import tree_of
from harmonize.tools.benchmark.measurements import BenchmarkReport, Cell, ResultTable
from harmonize.tools.benchmark.options import option, repeats
from harmonize.tools.benchmark.timing import Times, take_turns, timed

_PROBE = 8
"""The listing's time is foretold from pictures whose side is this many times smaller."""


@dataclass(frozen=True)
class LossOptions:
    """What is measured."""

    leaves: tuple[int, ...] = option(
        (11, 66, 150, 1000), quick=(11, 20), type=int, nargs="+", metavar="N"
    )
    size: int = option(256, quick=32, type=int, metavar="PIXELS", help="side of the pictures")
    batch: int = option(5, quick=2, type=int, metavar="N", help="pictures per batch")
    sizes: tuple[int, ...] = option(
        (128, 256, 512, 1024),
        quick=(16, 32),
        type=int,
        nargs="+",
        metavar="PIXELS",
        help="sides of the growth table's pictures",
    )
    memory_limit: float | None = option(None, type=float, metavar="GIB", help="of one measurement")
    memory: bool = option(
        True,
        quick=False,
        action=argparse.BooleanOptionalAction,
        help="measure the peak of memory: on a CPU in a process for each loss (default: yes)",
    )
    listing_limit: float = option(
        20.0, type=float, metavar="S", help="seconds of one pass of the paper's loss"
    )
    repeats: int = repeats(7, quick=3)


def benchmark_loss(options: LossOptions, device: torch.device) -> BenchmarkReport:
    """Measure forward and backward passes of the loss and its baselines."""
    return _LossBenchmark(options, device).report()


class _LossBenchmark:
    """The measurements, with notes of what was left out."""

    def __init__(self, options: LossOptions, device: torch.device) -> None:
        self._options = options
        self._device = device
        self._notes: list[str] = []

    def report(self) -> BenchmarkReport:
        """Measure everything."""
        options, device = self._options, self._device
        dtypes = tuple(DTYPES) if device.type == "cuda" else ("float32",)
        rows = [
            row
            for leaves, dtype, layout in product(options.leaves, dtypes, LAYOUTS)
            for row in self._compare(Case(leaves, options.batch, options.size, dtype, layout))
        ]
        growth = [
            row
            for leaves, size in product(options.leaves, options.sizes)
            for row in self._grow(Case(leaves, options.batch, size))
        ]
        chosen = [
            row
            for leaves, dtype in product(options.leaves, dtypes)
            for row in self._choose(Case(leaves, options.batch, options.size, dtype))
        ]
        smallest = make_inputs(Case(leaves=2, batch=1, size=1), device)
        notes = [
            *self._notes,
            "GB/s: one read of the logits and one write of the gradient, by the time",
            "extra MiB: peak of memory beyond the input, the gradient included",
            f"{OURS} computes in {HierarchicalLoss(smallest.space).form(smallest.logits)}",
        ]
        title = f"forward + backward, {options.batch} x K x {options.size} x {options.size} logits"
        tables = [
            ResultTable(title, rows),
            ResultTable("growth, float32 NCHW: forward + backward", growth),
            ResultTable("options of the loss: forward + backward", chosen),
        ]
        return BenchmarkReport("loss", describe(device), dataclasses.asdict(options), tables, notes)

    def _compare(self, case: Case) -> Iterator[dict[str, Cell]]:
        """Measure all candidates on one case that fits."""
        names = [
            name
            for name in (BASELINE, OURS, IN_PYTORCH, LISTING, COPY)
            if self._fits(name, case) and (name != LISTING or self._is_fast(case))
        ]
        if BASELINE not in names:
            return
        times = self._times(names, make_inputs(case, self._device))
        for name in names:
            measured = self._options.memory and name != COPY
            extra = extra_peak(name, case, self._device) if measured else None
            if measured and extra is None:
                self._notes.append(
                    f"not measured: memory of {name}, {case.leaves} leaves, {case.layout}"
                )
            yield {
                "leaves": case.leaves,
                "type": case.dtype,
                "layout": case.layout,
                "loss": name,
                "median ms": 1000 * times.median(name),
                "x cross_entropy": times.ratio(name, BASELINE),
                "quartiles": times.spread(name, BASELINE),
                "GB/s": 2 * case.bytes / times.median(name) / 1e9,
                "% of copy": 100 * times.ratio(COPY, name),
                "extra MiB": in_mib(extra),
                "x logits": None if extra is None else extra / case.bytes,
            }

    def _grow(self, case: Case) -> Iterator[dict[str, Cell]]:
        """Measure the loss and the flat baseline on one case that fits."""
        if not self._fits(OURS, case):
            return
        times = self._times([BASELINE, OURS], make_inputs(case, self._device))
        yield {
            "leaves": case.leaves,
            "depths": tree_of(case.leaves).depth,
            "size": case.size,
            "logits MiB": in_mib(case.bytes),
            f"{BASELINE} ms": 1000 * times.median(BASELINE),
            f"{OURS} ms": 1000 * times.median(OURS),
            "ratio": times.ratio(OURS, BASELINE),
            "quartiles": times.spread(OURS, BASELINE),
            "ns per pixel": 1e9 * times.median(OURS) / (case.batch * case.size**2),
        }

    def _choose(self, case: Case) -> Iterator[dict[str, Cell]]:
        """Measure the loss with each of its options on one case that fits."""
        if not self._fits(OURS, case):
            return
        names = [OURS, IN_PYTORCH, *OPTIONS]
        times = self._times(names, make_inputs(case, self._device))
        for name in names:
            yield {
                "leaves": case.leaves,
                "type": case.dtype,
                "loss": name,
                "median ms": 1000 * times.median(name),
                "ratio": times.ratio(name, OURS),
                "quartiles": times.spread(name, OURS),
            }

    def _times(self, names: Sequence[str], inputs: Inputs) -> Times:
        measures = {name: timed(candidate(name, inputs), self._device) for name in names}
        return take_turns(measures, repeats=self._options.repeats)

    def _fits(self, name: str, case: Case) -> bool:
        """Say whether a candidate's memory stays below the limit, and note it if not."""
        needed = memory_needed(name, case, tree_of(case.leaves).depth)
        limit = usable_memory(self._device)
        if self._options.memory_limit is not None:
            limit = int(self._options.memory_limit * GIB)
        if needed > limit:
            self._notes.append(
                f"left out: {name}, {case.leaves} leaves, {case.batch} x {case.size} x "
                f"{case.size}, {case.dtype}: takes about {needed / GIB:.1f} GiB, the limit is "
                f"{limit / GIB:.1f} GiB"
            )
        return needed <= limit

    def _is_fast(self, case: Case) -> bool:
        """Say whether the listing's time stays below the limit, and note it if not."""
        side = max(case.size // _PROBE, 1)
        inputs = make_inputs(dataclasses.replace(case, size=side), self._device)
        measure = timed(candidate(LISTING, inputs), self._device)
        seconds = min(measure() for _ in range(3))
        if self._device.type == "cpu":  # a GPU's time for so few pixels is that of starting it
            seconds *= (case.size / side) ** 2
        limit = self._options.listing_limit
        if seconds > limit:
            self._notes.append(
                f"left out: {LISTING}, {case.leaves} leaves, {case.dtype} {case.layout}: would "
                f"take about {seconds:.0f} s per pass, the limit is {limit:.0f} s"
            )
        return seconds <= limit
