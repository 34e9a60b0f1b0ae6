"""The training loop, under Accelerate."""

import contextlib
import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harmonize.commands import on_cuda, processes
from harmonize.config import RunConfig
from harmonize.data.dataset import Batch, MixedSamples, SegmentationDataset, collate
from harmonize.data.loading import load
from harmonize.data.mixing import MixedOrder, StepSampler
from harmonize.errors import HarmonizeError
from harmonize.evaluation.evaluate import DatasetScores, evaluate
from harmonize.evaluation.left_out import find_left_out
from harmonize.evaluation.results import report_results
from harmonize.loss.hierarchical import HierarchicalLoss
from harmonize.models.build import build_model, normalize
from harmonize.sources import Sources, open_datasets
from harmonize.training import checkpoint as checkpoints
from harmonize.training.check import check_run
from harmonize.training.checkpoint import Checkpoint
from harmonize.training.optimizer import build_optimizer, learning_rate
from harmonize.training.output import CONFIG, EVALUATION, prepare_output, write_config
from harmonize.training.precision import choose_precision
from harmonize.training.tracking import LossMeter, Tracker


def train(config: RunConfig, *, name: str) -> Path:
    """Run a config from start to end and return the run folder.

    Args:
        config: of the run.
        name: what the run folder is called if the config names none.

    Raises:
        HarmonizeError: anything in the config, its files or its data that the user can mend.
    """
    sources = check_run(config)
    trained = open_datasets(
        [(spec, entry.train) for entry, spec in sources.trained if entry.train], config.data.roots
    )
    scored = open_datasets(
        [(s, e.evaluate) for e, s in (*sources.trained, *sources.also) if e.evaluate],
        config.data.roots,
    )
    state = processes()
    check_batch(config, state.num_processes)
    precision = choose_precision(config.train.precision, cuda=on_cuda(state))
    output = prepare_output(config, name, state)
    accelerator = Accelerator(
        mixed_precision=precision, log_with=list(config.train.track) or None, project_dir=output
    )
    if config.train.track:
        accelerator.init_trackers("tracking")
    trainer = Trainer(config, sources, trained, scored, output, accelerator)
    if accelerator.is_main_process:
        write_config(config, output)
    trainer.run()
    accelerator.end_training()
    return output


class Trainer:
    """One run: its network, its optimizer and where it stands."""

    def __init__(
        self,
        config: RunConfig,
        sources: Sources,
        trained: list[SegmentationDataset],
        scored: list[SegmentationDataset],
        output: Path,
        accelerator: Accelerator,
    ) -> None:
        """Build the network and the optimizer, and restore them if the run is resumed."""
        self.config = config
        self.sources = sources
        self.trained = trained
        self.scored = scored
        self.output = output
        self.accelerator = accelerator
        self.step = 0
        self.best: float | None = None
        space = sources.target_space()
        self.samples = MixedSamples(
            trained, self._order(), space, config=config.augment, size=config.data.size
        )
        options = dataclasses.asdict(config.loss)
        self.loss = HierarchicalLoss(space, **options).to(accelerator.device)
        torch.manual_seed(config.seed)
        network = build_model(len(sources.ontology.leaves), **dataclasses.asdict(config.model))
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        optimizer = build_optimizer(network, config.optim)
        self.model, self.optimizer = accelerator.prepare(network, optimizer)
        names = [dataset.spec.name for dataset in trained]
        self.meter = LossMeter(names, sources.ontology.depth, accelerator.device)
        if config.train.resume:
            self._restore()

    def run(self) -> None:
        """Train from where the run stands to its end, then score it and print the tables."""
        config, accelerator = self.config, self.accelerator
        tracker = Tracker(self.output, accelerator, start=self.step, steps=config.train.steps)
        tracker.say(self._summary())
        results: list[DatasetScores] | None = None
        due = self.step > 0 and _due(self.step, config.train.evaluate_every)
        if due and not tracker.is_evaluated(self.step):
            results = self._evaluate(tracker)  # interrupted between saving and scoring
        batches = self._batches()
        while self.step < config.train.steps:
            lr = self.train_step(batches)
            self.step += 1
            tracker.step()
            finished = self.step == config.train.steps
            if finished or self.step % config.train.log_every == 0:
                report = self.meter.take(accelerator)
                _check_finite(report["loss"], self.step)
                tracker.train(self.step, report, lr=lr, batch_size=config.data.batch_size)
            if finished or _due(self.step, config.train.checkpoint_every):
                with tracker.untimed():
                    self._save(checkpoints.step_path(self.output, self.step))
            if finished or _due(self.step, config.train.evaluate_every):
                with tracker.untimed():
                    results = self._evaluate(tracker)
        if results is None:
            results = self._evaluate(tracker)
        tracker.close()
        if accelerator.is_main_process:
            report_results(results, self.output / EVALUATION)
            print(f"\nThe run lies in {self.output}")
        accelerator.wait_for_everyone()

    def train_step(self, batches: Iterator[Batch]) -> float:
        """Take one optimizer step over the global batch; return its learning rate."""
        accelerator = self.accelerator
        parts = [next(batches).to(accelerator.device) for _ in range(self.config.train.accumulate)]
        own = torch.stack([self.loss.count_labelled(part.codes) for part in parts]).sum()
        labelled = cast("Tensor", accelerator.reduce(own, reduction="sum")).clamp(min=1)
        # Gradients are averaged over the processes, but the loss is a mean over all their pixels.
        scale = accelerator.num_processes / labelled
        lr = learning_rate(self.config.optim, self.step, self.config.train.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        seed = (self.config.seed, self.step, accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))  # for dropout
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(self.model):
                pictures = normalize(part.pictures).contiguous(memory_format=torch.channels_last)
                terms = self.loss.terms(self.model(pictures), part.codes)
                accelerator.backward(terms.total.sum() * scale)
            self.meter.add(terms, part.datasets)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return lr

    def _order(self) -> MixedOrder:
        weights = [entry.weight for entry, _ in self.sources.trained if entry.train]
        sizes = [len(dataset) for dataset in self.trained]
        return MixedOrder(sizes, weights, seed=self.config.seed)

    def _batches(self) -> Iterator[Batch]:
        sampler = StepSampler(
            start=self.step,
            steps=self.config.train.steps,
            batch_size=self.config.data.batch_size,
            parts=self.config.train.accumulate,
            rank=self.accelerator.process_index,
            processes=self.accelerator.num_processes,
        )
        return load(self.samples, sampler, collate, workers=self.config.data.workers)

    def _evaluate(self, tracker: Tracker) -> list[DatasetScores]:
        """Score all data sets; keep the network if it is the best so far on the trained ones."""
        model = self._network()
        for buffer in model.buffers():  # batch norm's statistics are each process's own
            _broadcast(buffer)
        results = [
            evaluate(
                model,
                dataset,
                self.sources.ontology,
                accelerator=self.accelerator,
                size=self.config.data.size,
                left_out=find_left_out(self.sources, dataset.spec),
                crop=self.config.evaluate.crop,
                workers=self.config.data.workers,
            )
            for dataset in self.scored
        ]
        tracker.evaluation(self.step, {result.name: result.to_dict() for result in results})
        if results:
            parts = [f"{r.name} {100 * r.scores.mean_iou:.2f}" for r in results]
            tracker.say(f"step {self.step}: mean IoU {', '.join(parts)}")
        own = {dataset.spec.name for dataset in self.trained}
        means = [result.scores.mean_iou for result in results if result.name in own]
        mean = sum(means) / len(means) if means else math.nan
        if not math.isnan(mean) and (self.best is None or mean > self.best):
            self.best = mean
            self._save(self.output / checkpoints.FOLDER / checkpoints.BEST)
        return results

    def _save(self, path: Path) -> None:
        meter = self.meter.state(self.accelerator)
        _check_finite(meter.sum().item(), self.step)
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            state = Checkpoint(
                step=self.step,
                model=self._network().state_dict(),
                optimizer=self.optimizer.state_dict(),
                scaler=None if scaler is None else scaler.state_dict(),
                meter=meter,
                best=self.best,
                **checkpoints.describe_run(self.config, self.sources),
            )
            checkpoints.save(state, path)
            checkpoints.remove_old(self.output)
        self.accelerator.wait_for_everyone()

    def _restore(self) -> None:
        found = checkpoints.newest_whole(self.output)
        if found is None:  # interrupted before its first checkpoint: start again
            path = self.output / CONFIG
            checkpoints.check_same_config(self.config, RunConfig.from_file(path), path)
            return
        path, state = found
        checkpoints.check_same_run(self.config, self.sources, state, path)
        checkpoints.restore_model(self._network(), state, path)
        try:
            self.optimizer.load_state_dict(state.optimizer)
        except (ValueError, KeyError) as error:
            raise HarmonizeError(f"{path}: belongs to another optimizer: {error}") from None
        if self.accelerator.scaler is not None and state.scaler is not None:
            self.accelerator.scaler.load_state_dict(state.scaler)
        self.meter.restore(state.meter, self.accelerator)
        self.step, self.best = state.step, checkpoints.best_so_far(self.output, state)

    def _network(self) -> nn.Module:
        """Return the network without what the processes and the compiler wrap it in."""
        return self.accelerator.unwrap_model(self.model, keep_torch_compile=False)

    def _summary(self) -> str:
        """Say in a few lines what is about to be trained on what."""
        config, accelerator = self.config, self.accelerator
        parameters = sum(parameter.numel() for parameter in self._network().parameters())
        sets = ", ".join(f"{d.spec.name} ({len(d)} pictures)" for d in self.trained)
        precision = (
            "float32" if accelerator.mixed_precision == "no" else accelerator.mixed_precision
        )
        return (
            f"ontology {self.sources.ontology.name}: {len(self.sources.ontology.leaves)} leaves, "
            f"{self.sources.ontology.depth} depths\n"
            f"training on {sets}\n"
            f"{config.model.name}, {parameters / 1e6:.1f} M parameters, {precision}, "
            f"{accelerator.num_processes} x {accelerator.device.type}, "
            f"steps {self.step} to {config.train.steps} of {config.data.batch_size} pictures"
        )


def check_batch(config: RunConfig, num_processes: int) -> None:
    """Make sure that a batch has a picture for every part of every process.

    Raises:
        HarmonizeError: it is too small.
    """
    parts = num_processes * config.train.accumulate
    if config.data.batch_size < parts:
        raise HarmonizeError(
            f"data.batch_size: must be at least {parts}, one picture for each of {num_processes} "
            f"processes x {config.train.accumulate} accumulation parts, "
            f"got {config.data.batch_size}"
        )


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0


def _broadcast(tensor: Tensor) -> None:
    """Give every process the main process's values."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.broadcast(tensor, src=0)


def _check_finite(loss: object, step: int) -> None:
    if isinstance(loss, float) and not math.isfinite(loss):
        raise HarmonizeError(
            f"step {step}: the loss is {loss}, training has diverged; lower optim.lr"
        )
