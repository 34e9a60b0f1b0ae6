"""The loader's speed against decoding the same pictures with Pillow in a loop."""

import dataclasses
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator
from PIL import Image

from harmonize.config.run_config import RunConfig, find_file
from harmonize.data.cache import open_cache
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.mixing import MixedOrder
from harmonize.data.open_datasets import open_trained
from harmonize.data.samples import MixedSamples
from harmonize.labels.sources import load_sources
from harmonize.tools.benchmark.machine import describe
from harmonize.tools.benchmark.made_up_data import Format, made_up_config, write_datasets
from harmonize.tools.benchmark.measurements import Cell, Report, Table
from harmonize.tools.benchmark.steady import SteadyLoader
from harmonize.tools.benchmark.timing import Measure, take_turns, timed

QUICK = {
    "sets": (1, 2),
    "workers": (0, 1),
    "pictures": 4,
    "picture_size": (48,),
    "size": 32,
    "batch": 2,
    "batches": 2,
    "repeats": 2,
}
DECODE, READ = "decode pictures, Pillow", "read pictures and labels"


def _powers_of_two() -> tuple[int, ...]:
    """Return 0, 1, 2, 4, ... up to the number of cores, and 8 at most."""
    return 0, *(n for n in (1, 2, 4, 8) if n <= (os.cpu_count() or 1))


@dataclass(frozen=True)
class DataOptions:
    """What is measured."""

    config: str | None = None
    """A run's config; made-up data sets unless given."""
    overrides: tuple[str, ...] = ()
    """Of the config, as ``key.path=value``."""
    sets: tuple[int, ...] = (1, 2, 4, 8)
    """Numbers of made-up data sets."""
    workers: tuple[int, ...] = _powers_of_two()
    """Numbers of loader processes; 0 reads in this one."""
    pictures: int = 64
    """In each made-up data set."""
    picture_size: tuple[int, ...] = (512,)
    """Width and height of the made-up pictures and labels, in pixels; one number for squares."""
    format: Format = "jpg"
    """Of the made-up pictures."""
    size: int | None = None
    """Side of the training crops, in pixels; the config's unless given."""
    batch: int | None = None
    """Pictures per batch; the config's unless given."""
    batches: int = 16
    """That are measured in a row."""
    repeats: int = 5


def benchmark_data(options: DataOptions, _: torch.device) -> Report:
    """Measure the loader with several numbers of data sets and of processes.

    Raises:
        HarmonizeError: the config, or its data, is not as it should be.
    """
    rows: list[dict[str, Cell]] = []
    with tempfile.TemporaryDirectory(prefix="harmonize-") as folder:
        for config in _configs(options, Path(folder)):
            rows += _compare(config, options, Path(folder))
    title = "reading training samples, in steady state, from files that were read before"
    return Report(
        "data",
        describe(torch.device("cpu")),
        dataclasses.asdict(options),
        [Table(title, rows)],
    )


def run_overrides(overrides: tuple[str, ...], size: int | None, batch: int | None) -> list[str]:
    """Return the changes of a config that the options ask for."""
    sizes = {"data.size": size, "data.batch_size": batch}
    return [*overrides, *(f"{key}={value}" for key, value in sizes.items() if value is not None)]


def _configs(options: DataOptions, folder: Path) -> Iterator[RunConfig]:
    """Yield the config of each number of data sets, or the one that was given."""
    overrides = run_overrides(options.overrides, options.size, options.batch)
    if options.config is not None:
        yield RunConfig.from_file(find_file(options.config), overrides)
        return
    mappings = write_datasets(
        folder,
        max(options.sets),
        pictures=options.pictures,
        size=(options.picture_size[0], options.picture_size[-1]),
        file_format=options.format,
    )
    for number in options.sets:
        yield made_up_config(mappings[:number], overrides)


def _open(
    config: RunConfig, folder: Path
) -> tuple[list[SegmentationDataset], MixedOrder, MixedSamples]:
    """Open the data sets that a config trains on, in the order that it draws from them."""
    sources = load_sources(config)
    datasets = open_trained(sources, config)
    weights = [entry.weight for entry, _ in sources.trained if entry.train]
    order = MixedOrder([len(dataset) for dataset in datasets], weights, seed=config.seed)
    samples = MixedSamples(
        datasets,
        order,
        sources.space,
        config=config.augment,
        size=config.data.size,
        cache=open_cache(config, datasets, folder / "run", Accelerator(cpu=True)),
    )
    return datasets, order, samples


def _compare(config: RunConfig, options: DataOptions, folder: Path) -> Iterator[dict[str, Cell]]:
    """Measure the baseline and the loader on one mix of data sets."""
    datasets, order, samples = _open(config, folder)
    count = options.batches * config.data.batch_size
    draws = [order[position] for position in range(count)]
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
        with Image.open(dataset.root / dataset.files.picture(number)) as picture:
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
