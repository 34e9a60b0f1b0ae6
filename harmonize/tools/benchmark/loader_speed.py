"""The loader's speed against decoding the same pictures with Pillow in a loop."""

import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal, cast

import torch
from accelerate import Accelerator
from PIL import Image

from harmonize.config.run_config import RunConfig
from harmonize.data.cache import open_cache
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.loading import READ_AHEAD, load
from harmonize.data.mixing import StepSampler
from harmonize.data.open_datasets import open_trained
from harmonize.data.samples import Batch, MixedSamples, collate
from harmonize.data.shares import sample_shares
from harmonize.data.training_samples import least_sides, training_samples
from harmonize.labels.sources import load_sources
from harmonize.pictures.formats import PICTURES
from harmonize.tools.benchmark.machine import describe
from harmonize.tools.benchmark.measurements import BenchmarkReport, Cell, ResultTable
from harmonize.tools.benchmark.options import RunOptions, option, repeats
from harmonize.tools.benchmark.timing import Measure, take_turns, timed

DECODE, READ = "decode pictures, Pillow", "read pictures and labels"
_POWERS = (0, *(n for n in (1, 2, 4, 8) if n <= (os.cpu_count() or 1)))


@dataclass(frozen=True)
class DataOptions(RunOptions):
    """What is measured."""

    sets: tuple[int, ...] = option(
        (1, 2, 4, 8), quick=(1, 2), type=int, nargs="+", metavar="N", help="made-up data sets"
    )
    workers: tuple[int, ...] = option(
        _POWERS, quick=(0, 1), type=int, nargs="+", metavar="N", help="loader processes"
    )
    format: Literal["jpg", "png"] = option(
        "jpg", choices=("jpg", "png"), help="of made-up pictures"
    )
    batches: int = option(16, quick=2, type=int, metavar="N", help="measured in a row")
    repeats: int = repeats(5, quick=2)


@dataclass(frozen=True)
class SteadyLoader:
    """Hands out the batches of a run from any step on.

    Attributes:
        samples: of the run.
        batch_size: pictures per step, over all processes and parts.
        workers: loader processes.
        parts: batches per step of this process.
        rank, processes: which process this is, of how many.
    """

    samples: MixedSamples
    batch_size: int
    workers: int
    parts: int = 1
    rank: int = 0
    processes: int = 1

    @property
    def lead(self) -> int:
        """The steps after which what was read ahead at the start is used up."""
        return max(-(-self.workers * READ_AHEAD // self.parts), 1)

    @contextlib.contextmanager
    def batches(self, start: int, count: int) -> Iterator[Iterator[Batch]]:
        """Give the batches of ``lead`` steps and then of ``count`` steps.

        The loader processes go on beyond these, so that they are busy to the end, and are ended
        when the context is left.
        """
        sampler = StepSampler(
            start=start,
            steps=start + self.lead + count + self.lead,
            batch_size=self.batch_size,
            num_parts=self.parts,
            rank=self.rank,
            num_processes=self.processes,
        )
        batches = load(self.samples, sampler, collate, workers=self.workers)
        try:
            yield batches
        finally:
            cast("Generator[Batch]", batches).close()


def benchmark_data(options: DataOptions, _: torch.device) -> BenchmarkReport:
    """Measure the loader with several numbers of data sets and of processes.

    Raises:
        HarmonizeError: the config, or its data, is not as it should be.
    """
    rows: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory(prefix="harmonize-") as name:
        folder = Path(name)
        for config in options.configs(folder, options.sets, options.format):
            rows += _compare(config, options, folder)
    title = "reading training samples, in steady state, from files that were read before"
    return BenchmarkReport(
        "data",
        describe(torch.device("cpu")),
        dataclasses.asdict(options),
        [ResultTable(title, rows)],
    )


def _open(config: RunConfig, folder: Path) -> tuple[list[SegmentationDataset], MixedSamples]:
    """Open the data sets that a config trains on, and its samples."""
    sources = load_sources(config)
    datasets = open_trained(sources, config)
    shares = sample_shares(config, sources, datasets, None)
    accelerator, least = Accelerator(cpu=True), least_sides(config, sources, datasets)
    cache = open_cache(config, datasets, folder / "run", accelerator, least=least)
    samples = training_samples(config, sources, datasets, shares, counts=None, cache=cache)
    return datasets, samples


def _compare(config: RunConfig, options: DataOptions, folder: Path) -> Iterator[dict[str, Cell]]:
    """Measure the baseline and the loader on one mix of data sets."""
    datasets, samples = _open(config, folder)
    count = options.batches * config.data.batch_size
    draws = [samples.order[position] for position in range(count)]
    drawn = [(datasets[draw.dataset], draw.picture) for draw in draws]
    cpu = torch.device("cpu")
    measures: dict[str, Measure] = {
        DECODE: timed(partial(_decode, drawn), cpu),
        READ: timed(partial(_read, drawn), cpu),
    }
    for workers in options.workers:
        loader = SteadyLoader(samples, config.data.batch_size, workers)
        measures[f"loader, {workers} workers"] = partial(_load, loader, options.batches)
    times = take_turns(measures, repeats=options.repeats)
    for name in measures:
        yield {
            "data sets": len(datasets),
            "what": name,
            "pictures/s": count / times.median(name),
            "ms per picture": 1000 * times.median(name) / count,
            "x speed of decoding": times.ratio(DECODE, name),
            "quartiles": times.spread(DECODE, name),
        }


def _decode(drawn: list[tuple[SegmentationDataset, int]]) -> None:
    """Only decode the pictures."""
    for dataset, number in drawn:
        path = dataset.root / dataset.files.picture(number)
        with Image.open(path, formats=PICTURES) as picture:
            picture.convert("RGB")


def _read(drawn: list[tuple[SegmentationDataset, int]]) -> None:
    """Read the pictures and their labels as class numbers, without changing them."""
    for dataset, number in drawn:
        dataset[number]


def _load(loader: SteadyLoader, count: int) -> float:
    """Return the seconds that a number of batches takes once the loader is under way."""
    with loader.batches(0, count) as batches:
        for _ in islice(batches, loader.lead):
            pass
        start = time.perf_counter()
        taken = sum(1 for _ in islice(batches, count))
        seconds = time.perf_counter() - start
    assert taken == count
    return seconds
