"""The training step against a bare loop: same network, precision, optimizer, but a flat loss."""

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

from harmonize.config.run_config import RunConfig
from harmonize.data.open_datasets import open_trained
from harmonize.data.samples import Batch
from harmonize.labels.target_space import TargetSpace
from harmonize.models.build import build_model
from harmonize.models.dataset_norms import PER_DATASET
from harmonize.models.norms import synchronise_batch_norms
from harmonize.pipeline.preflight import check_batch, check_run
from harmonize.tools.benchmark.loader_speed import SteadyLoader
from harmonize.tools.benchmark.machine import (
    describe,
    extra_gpu_memory,
    in_mib,
    precision_name,
    settle,
    start_accelerator,
)
from harmonize.tools.benchmark.made_up import leaf_labels
from harmonize.tools.benchmark.measurements import BenchmarkReport, Cell, ResultTable
from harmonize.tools.benchmark.options import RunOptions, option, repeats
from harmonize.tools.benchmark.timing import Times, take_turns
from harmonize.training.compilation import compile_network
from harmonize.training.optimizer import build_optimizer
from harmonize.training.trainer import Trainer

# Letters of shapes: B pictures, K leaves, H x W pixels.

BASELINE, IN_MEMORY, OURS = "bare loop", "step, batches in memory", "step, with the loader"
_SETS = 2
_LONG = 1_000_000_000


@dataclass(frozen=True)
class TrainOptions(RunOptions):
    """What is measured."""

    overrides: tuple[str, ...] = option(
        (),
        quick=("model.width=8", "data.workers=0"),
        nargs="*",
        metavar="key.path=value",
        help="change the config",
    )
    steps: int = option(10, quick=2, type=int, metavar="N", help="measured in a row")
    kept: int = 4
    """Batches that the bare loop has in memory."""
    repeats: int = repeats(5, quick=2)


def benchmark_train(options: TrainOptions, device: torch.device) -> BenchmarkReport | None:
    """Measure the training step; every process must call this, and the main one gets the report.

    Raises:
        HarmonizeError: the config, or its data, is not as it should be.
    """
    with tempfile.TemporaryDirectory(prefix="harmonize-") as folder:
        (config,) = options.configs(Path(folder), (_SETS,))
        endless = dataclasses.replace(config.train, steps=_LONG, resume=False)
        mix = dataclasses.replace(config.mix, to={})  # changes over a run that has an end
        config = dataclasses.replace(config, train=endless, mix=mix)
        accelerator = start_accelerator(config.train.precision)
        contest = _Contest(config, options, accelerator, Path(folder))
        blocks = {BASELINE: contest.bare, IN_MEMORY: contest.in_memory, OURS: contest.with_loader}
        times = take_turns(blocks, repeats=options.repeats)
    report = None
    if accelerator.is_main_process:
        report = BenchmarkReport(
            "train",
            describe(device),
            {**dataclasses.asdict(options), **contest.sizes()},
            [ResultTable("one optimizer step", list(contest.rows(times)))],
        )
    accelerator.end_training()
    return report


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
        self.extra: dict[str, int | None] = {}
        self.steps = options.steps
        self._trainer = Trainer(config, sources, trained, [], folder / "run", accelerator)
        self._loader = SteadyLoader(
            self._trainer.batches.samples,
            config.data.batch_size,
            config.data.workers,
            parts=config.train.accumulate,
            rank=accelerator.process_index,
            processes=accelerator.num_processes,
        )
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
            "encoder": config.model.encoder,
            "width": config.model.width,
            "leaves": len(self._trainer.sources.ontology.leaves),
            "precision": precision_name(accelerator),
            "compiled": config.train.compile,
            "processes": accelerator.num_processes,
        }

    def rows(self, times: Times) -> Iterator[dict[str, Cell]]:
        """Return the rows of the table."""
        pictures = self.steps * self.config.data.batch_size
        waiting = statistics.median(self.waiting[1:])  # the first block does not count
        for name in times.seconds:
            yield {
                "loop": name,
                "pictures/s": pictures / times.median(name),
                "ms per step": 1000 * times.median(name) / self.steps,
                "x bare loop": times.ratio(name, BASELINE),
                "quartiles": times.spread(name, BASELINE),
                "% waiting for data": 100 * waiting if name == OURS else None,
                "extra MiB": in_mib(self.extra[name]),
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
        seconds = 0.0

        def steps() -> None:
            nonlocal seconds
            start = time.perf_counter()
            for _ in range(self.steps):
                step()
            settle(device)
            self.accelerator.wait_for_everyone()
            seconds = time.perf_counter() - start

        self.accelerator.wait_for_everyone()
        self.extra[name] = extra_gpu_memory(steps, device)
        return seconds


class _BareLoop:
    """A network like the run's, trained on leaf labels with what is in memory."""

    def __init__(
        self, config: RunConfig, space: TargetSpace, kept: list[Batch], accelerator: Accelerator
    ) -> None:
        """Build the network and its optimizer, and make the batches ready."""
        model = config.model
        if model.norm == PER_DATASET:  # a bare loop knows no data sets
            model = dataclasses.replace(model, norm="batch")
        segmenter = build_model(len(space.ontology.leaves), model)
        normalize = segmenter.to(accelerator.device).normalize
        network = segmenter.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            network = synchronise_batch_norms(network)
        optimizer = build_optimizer(network, config.optim)
        wrapped = compile_network(network) if config.train.compile else network
        self._model, self._optimizer = accelerator.prepare(wrapped, optimizer)
        self._accelerator = accelerator
        self._parts = config.train.accumulate
        self._batches = itertools.cycle([self._flat(batch, space, normalize) for batch in kept])

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

    @staticmethod
    def _flat(
        batch: Batch, space: TargetSpace, normalize: Callable[[Tensor], Tensor]
    ) -> tuple[Float[Tensor, "B 3 H W"], Int[Tensor, "B H W"]]:
        """Return a batch ready for a network and a flat loss."""
        leaves = leaf_labels(space, batch.codes.numpy(force=True))
        return normalize(batch.pictures), torch.from_numpy(leaves).to(batch.pictures.device)


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
