"""The hierarchical loss against a flat cross-entropy and the paper's listing."""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.tools.benchmark.candidates import (
    BASELINE,
    COPY,
    IN_PYTORCH,
    LISTING,
    OURS,
    Case,
    candidate,
    make_inputs,
    memory_needed,
)
from harmonize.tools.benchmark.machine import GIB, MIB, describe, usable_memory
from harmonize.tools.benchmark.made_up import tree_of
from harmonize.tools.benchmark.measurements import Cell, Report, Table
from harmonize.tools.benchmark.peak_memory import extra_peak
from harmonize.tools.benchmark.timing import take_turns, timed

QUICK = {
    "leaves": (11, 20),
    "size": 32,
    "batch": 2,
    "sizes": (16, 32),
    "memory": False,
    "repeats": 3,
}
_PROBE = 8
"""The listing's time is foretold from pictures whose side is this many times smaller."""


@dataclass(frozen=True)
class LossOptions:
    """What is measured."""

    leaves: tuple[int, ...] = (11, 66, 150, 1000)
    size: int = 256
    """Side of the pictures, in pixels."""
    batch: int = 5
    sizes: tuple[int, ...] = (128, 256, 512, 1024)
    """Sides of the pictures of the growth table, in pixels."""
    memory_limit: float | None = None
    """GiB that one measurement may take; a part of what is free unless given."""
    memory: bool = True
    """Whether to measure the peak of memory; on a CPU that takes seconds for each loss."""
    listing_limit: float = 20.0
    """Seconds that one pass of the paper's listing may take."""
    repeats: int = 7


def benchmark_loss(options: LossOptions, device: torch.device) -> Report:
    """Measure forward and backward passes of the loss and its baselines."""
    notes: list[str] = []
    rows = [
        row for case in _cases(options, device) for row in _compare(case, options, device, notes)
    ]
    growth = [
        row
        for leaves, size in itertools.product(options.leaves, options.sizes)
        for row in _grow(Case(leaves, options.batch, size), options, device, notes)
    ]
    notes += [
        "GB/s: one read of the logits and one write of the gradient, by the time",
        "extra MiB: peak of memory beyond the input, the gradient included",
        f"{OURS} computes in {_form(device)}",
    ]
    title = f"forward + backward, {options.batch} x K x {options.size} x {options.size} logits"
    return Report(
        "loss",
        describe(device),
        dataclasses.asdict(options),
        [Table(title, rows), Table("growth, float32 NCHW: forward + backward", growth)],
        notes,
    )


def _form(device: torch.device) -> str:
    inputs = make_inputs(Case(leaves=2, batch=1, size=1), device)
    return HierarchicalLoss(inputs.space).form(inputs.logits)


def _cases(options: LossOptions, device: torch.device) -> Iterator[Case]:
    dtypes = ("float32", "bf16") if device.type == "cuda" else ("float32",)
    for leaves, dtype in itertools.product(options.leaves, dtypes):
        yield Case(leaves, options.batch, options.size, dtype, "NCHW")
        yield Case(leaves, options.batch, options.size, dtype, "channels_last")


def _compare(
    case: Case, options: LossOptions, device: torch.device, notes: list[str]
) -> Iterator[dict[str, Cell]]:
    """Measure all candidates on one case that fits."""
    names = [
        name
        for name in (BASELINE, OURS, IN_PYTORCH, LISTING, COPY)
        if _fits(name, case, options, device, notes)
        and (name != LISTING or _is_patient(case, options, device, notes))
    ]
    if BASELINE not in names:
        return
    inputs = make_inputs(case, device)
    measures = {name: timed(candidate(name, inputs), device) for name in names}
    times = take_turns(measures, repeats=options.repeats)
    del inputs, measures
    for name in names:
        measured = options.memory and name != COPY
        extra = extra_peak(name, case, device) if measured else None
        if measured and extra is None:
            notes.append(f"not measured: memory of {name}, {case.leaves} leaves, {case.layout}")
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
            "extra MiB": None if extra is None else extra / MIB,
            "x logits": None if extra is None else extra / case.bytes,
        }


def _grow(
    case: Case, options: LossOptions, device: torch.device, notes: list[str]
) -> Iterator[dict[str, Cell]]:
    """Measure the loss and the flat baseline on one case that fits."""
    if not _fits(OURS, case, options, device, notes):
        return
    inputs = make_inputs(case, device)
    measures = {name: timed(candidate(name, inputs), device) for name in (BASELINE, OURS)}
    times = take_turns(measures, repeats=options.repeats)
    yield {
        "leaves": case.leaves,
        "depths": inputs.tree.depth,
        "size": case.size,
        "logits MiB": case.bytes / MIB,
        f"{BASELINE} ms": 1000 * times.median(BASELINE),
        f"{OURS} ms": 1000 * times.median(OURS),
        "ratio": times.ratio(OURS, BASELINE),
        "quartiles": times.spread(OURS, BASELINE),
        "ns per pixel": 1e9 * times.median(OURS) / (case.batch * case.size**2),
    }


def _fits(
    name: str, case: Case, options: LossOptions, device: torch.device, notes: list[str]
) -> bool:
    """Say whether a candidate's memory stays below the limit, and note it if not."""
    needed = memory_needed(name, case, tree_of(case.leaves).depth)
    limit = usable_memory(device)
    if options.memory_limit is not None:
        limit = int(options.memory_limit * GIB)
    if needed > limit:
        notes.append(
            f"left out: {name}, {case.leaves} leaves, {case.batch} x {case.size} x {case.size}, "
            f"{case.dtype}: takes about {needed / GIB:.1f} GiB, the limit is {limit / GIB:.1f} GiB"
        )
    return needed <= limit


def _is_patient(case: Case, options: LossOptions, device: torch.device, notes: list[str]) -> bool:
    """Say whether the listing's time stays below the limit, and note it if not."""
    side = max(case.size // _PROBE, 1)
    inputs = make_inputs(dataclasses.replace(case, size=side), device)
    measure = timed(candidate(LISTING, inputs), device)
    seconds = min(measure() for _ in range(3))
    if device.type == "cpu":  # a GPU's time for so few pixels is that of starting operations
        seconds *= (case.size / side) ** 2
    if seconds > options.listing_limit:
        notes.append(
            f"left out: {LISTING}, {case.leaves} leaves, {case.dtype} {case.layout}: would take "
            f"about {seconds:.0f} s per pass, the limit is {options.listing_limit:.0f} s"
        )
    return seconds <= options.listing_limit
