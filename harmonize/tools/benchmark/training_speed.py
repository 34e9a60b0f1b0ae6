"""The training step against a bare loop: same network, precision and optimizer, flat loss."""

import contextlib
import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from jaxtyping import Float, Int
from torch import Tensor, nn

from harmonize.config.run_config import RunConfig, find_file
from harmonize.data.open_datasets import open_trained
from harmonize.data.samples import Batch
from harmonize.labels.target_space import TargetSpace
from harmonize.models.build import build_model
from harmonize.models.norms import synchronise_batch_norms
from harmonize.pipeline.preflight import check_batch, check_run
from harmonize.tools.benchmark.loader_speed import run_overrides
from harmonize.tools.benchmark.machine import MIB, describe, precision_name, start_accelerator
from harmonize.tools.benchmark.made_up import leaf_labels
from harmonize.tools.benchmark.made_up_data import made_up_config, write_datasets
from harmonize.tools.benchmark.measurements import Cell, Report, Table
from harmonize.tools.benchmark.steady import SteadyLoader
from harmonize.tools.benchmark.timing import Times, settle, start_peak, take_turns
from harmonize.training.optimizer import build_optimizer
from harmonize.training.trainer import Trainer

# Letters of shapes: B pictures, K leaves, H x W pixels.

QUICK = {
    "pictures": 4,
    "picture_size": (48,),
    "size": 32,
    "batch": 2,
    "steps": 2,
    "repeats": 2,
    "overrides": ("model.width=8", "data.workers=0"),
}
BASELINE, IN_MEMORY, OURS = "bare loop", "step, batches in memory", "step, with the loader"
_SETS = 2
_LONG = 1_000_000_000


@dataclass(frozen=True)
class TrainOptions:
    """What is measured."""

    config: str | None = None
    """A run's config; made-up data sets unless given."""
    overrides: tuple[str, ...] = ()
    """Of the config, as ``key.path=value``."""
    pictures: int = 64
    """In each of two made-up data sets."""
    picture_size: tuple[int, ...] = (512,)
    """Width and height of the made-up pictures and labels, in pixels; one number for squares."""
    size: int | None = None
    """Side of the training crops, in pixels; the config's unless given."""
    batch: int | None = None
    """Pictures per step; the config's unless given."""
    steps: int = 10
    """That are measured in a row."""
    kept: int = 4
    """Batches that the bare loop has in memory."""
    repeats: int = 5


def benchmark_train(options: TrainOptions, device: torch.device) -> Report | None:
    """Measure the training step; every process must call this, and the main one gets the report.

    Raises:
        HarmonizeError: the config, or its data, is not as it should be.
    """
    with tempfile.TemporaryDirectory(prefix="harmonize-") as folder:
        config = _config(options, Path(folder))
        accelerator = start_accelerator(config.train.precision)
        contest = _Contest(config, options, accelerator, Path(folder))
        blocks = {BASELINE: contest.bare, IN_MEMORY: contest.in_memory, OURS: contest.with_loader}
        times = take_turns(blocks, repeats=options.repeats)
    report = None
    if accelerator.is_main_process:
        report = Report(
            "train",
            describe(device),
            {**dataclasses.asdict(options), **contest.sizes()},
            [Table("one optimizer step", list(_rows(contest, times)))],
        )
    accelerator.end_training()
    return report


def _config(options: TrainOptions, folder: Path) -> RunConfig:
    """Return the run's config, as a run that does not end meanwhile."""
    overrides = run_overrides(options.overrides, options.size, options.batch)
    if options.config is not None:
        config = RunConfig.from_file(find_file(options.config), overrides)
    else:
        mappings = write_datasets(
            folder,
            _SETS,
            pictures=options.pictures,
            size=(options.picture_size[0], options.picture_size[-1]),
            file_format="jpg",
        )
        config = made_up_config(mappings, overrides)
    changed = dataclasses.replace(config.train, steps=_LONG, resume=False)
    return dataclasses.replace(config, train=changed)


class _Contest:
    """A run in mid-course, and the bare loop beside it."""

    def __init__(
        self, config: RunConfig, options: TrainOptions, accelerator: Accelerator, folder: Path
    ) -> None:
        """Build both, and read the batches that are kept in memory."""
        check_batch(config, accelerator.num_processes)
        sources = check_run(config)
        trained = open_trained(sources, config)
        self.config = config
        self.accelerator = accelerator
        self.waiting: list[float] = []
        self.extra: dict[str, int] = {}
        self.steps = options.steps
        self._trainer = Trainer(config, sources, trained, [], folder / "run", accelerator)
        self._loader = SteadyLoader.of_run(config, self._trainer.batches.samples, accelerator)
        number = options.kept * config.train.accumulate
        with self._loader.batches(0, options.kept) as batches:
            self._kept = [b.to(accelerator.device) for b in itertools.islice(batches, number)]
        self._bare = _BareLoop(config, sources.space, self._kept, accelerator)

    def bare(self) -> float:
        """Return the seconds of a block of steps of the bare loop."""
        return self._block(BASELINE, self._bare.step)

    def in_memory(self) -> float:
        """Return the seconds of a block of the run's steps, on batches on the device."""
        return self._block(IN_MEMORY, partial(self._step, itertools.cycle(self._kept)))

    def with_loader(self) -> float:
        """Return the seconds of a block of the run's steps once the loader is under way."""
        with self._loader.batches(self._trainer.step, self.steps) as batches:
            watched = _Watched(batches)
            for _ in range(self._loader.lead):
                self._step(watched)
            watched.seconds = 0
            seconds = self._block(OURS, partial(self._step, watched))
        self.waiting.append(watched.seconds / seconds)
        return seconds

    def sizes(self) -> dict[str, Cell]:
        """Return what the run is like."""
        config, accelerator = self.config, self.accelerator
        return {
            "size": config.data.size,
            "batch": config.data.batch_size,
            "workers": config.data.workers,
            "cache": config.data.cache,
            "accumulate": config.train.accumulate,
            "model": config.model.name,
            "width": config.model.width,
            "leaves": self._trainer.loss.num_leaves,
            "precision": precision_name(accelerator),
            "processes": accelerator.num_processes,
        }

    def _step(self, batches: Iterator[Batch]) -> None:
        """Take a step as a run does, with what it adds up for its log."""
        trainer = self._trainer
        trainer.train_step(batches)
        trainer.step += 1
        if trainer.step % self.config.train.log_every == 0:
            trainer.meter.take(self.accelerator)

    def _block(self, name: str, step: Callable[[], None]) -> float:
        """Return the seconds of a block of steps, from idle devices to idle devices."""
        device = self.accelerator.device
        self.accelerator.wait_for_everyone()
        settle(device)
        before = start_peak(device)
        start = time.perf_counter()
        for _ in range(self.steps):
            step()
        settle(device)
        self.accelerator.wait_for_everyone()
        seconds = time.perf_counter() - start
        if before is not None:
            self.extra[name] = torch.cuda.max_memory_allocated(device) - before
        return seconds


class _BareLoop:
    """A network like the run's, trained on leaf labels with what is in memory."""

    def __init__(
        self, config: RunConfig, space: TargetSpace, kept: list[Batch], accelerator: Accelerator
    ) -> None:
        """Build the network and its optimizer, and make the batches ready."""
        segmenter = build_model(len(space.ontology.leaves), config.model)
        normalize = segmenter.to(accelerator.device).normalize
        network = segmenter.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            network = synchronise_batch_norms(network)
        optimizer = build_optimizer(network, config.optim)
        self._model, self._optimizer = accelerator.prepare(network, optimizer)
        self._accelerator = accelerator
        self._parts = config.train.accumulate
        self._batches = itertools.cycle([_flat(batch, space, normalize) for batch in kept])

    def step(self) -> None:
        """Take one optimizer step."""
        for number in range(self._parts):
            pictures, leaves = next(self._batches)
            last = number == self._parts - 1
            with contextlib.nullcontext() if last else self._accelerator.no_sync(self._model):
                loss = nn.functional.cross_entropy(self._model(pictures), leaves)
                self._accelerator.backward(loss)
        self._optimizer.step()
        self._optimizer.zero_grad()


class _Watched:
    """Batches, and the seconds that were spent waiting for them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self.seconds = 0.0

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        start = time.perf_counter()
        batch = next(self._batches)
        self.seconds += time.perf_counter() - start
        return batch


def _flat(
    batch: Batch, space: TargetSpace, normalize: Callable[[Tensor], Tensor]
) -> tuple[Float[Tensor, "B 3 H W"], Int[Tensor, "B H W"]]:
    """Return a batch ready for a network and a flat loss."""
    pictures = normalize(batch.pictures)
    leaves = leaf_labels(space, batch.codes.numpy(force=True))
    return pictures, torch.from_numpy(leaves).to(pictures.device)


def _rows(contest: _Contest, times: Times) -> Iterator[dict[str, Cell]]:
    steps, batch = contest.steps, contest.config.data.batch_size
    waiting = contest.waiting[1:]  # the first block does not count
    for name in times.seconds:
        extra = contest.extra.get(name)
        yield {
            "loop": name,
            "pictures/s": steps * batch / times.median(name),
            "ms per step": 1000 * times.median(name) / steps,
            "x bare loop": times.ratio(name, BASELINE),
            "quartiles": times.spread(name, BASELINE),
            "% waiting for data": 100 * statistics.median(waiting) if name == OURS else None,
            "extra MiB": None if extra is None else extra / MIB,
        }
