"""The training loop, under Accelerate."""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from accelerate import Accelerator

from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.samples import Batch
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.labels.sources import Sources
from harmonize.loss.hierarchical import HierarchicalLoss, LossTerms
from harmonize.models.build import build_model
from harmonize.models.norms import synchronise_batch_norms
from harmonize.runs.health import Watch
from harmonize.system.signals import Stopped
from harmonize.training.bad_numbers import Guard
from harmonize.training.bad_step import BadStep, keep_for_study
from harmonize.training.batches import Feed
from harmonize.training.checkpointing import Keeper
from harmonize.training.compilation import compile_network
from harmonize.training.digest import weights_digest
from harmonize.training.examples import Examples
from harmonize.training.optimizer import build_optimizer, learning_rate
from harmonize.training.scoring import mean_over, score
from harmonize.training.summary import bad_news, summarize
from harmonize.training.tracking import LossMeter, Tracker


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
        space = sources.space
        self.feed = Feed(config, sources, space, trained, scored, output, accelerator)
        options = dataclasses.asdict(config.loss)
        self.loss = HierarchicalLoss(space, **options).to(accelerator.device)
        torch.manual_seed(config.seed)
        network = build_model(
            len(sources.ontology.leaves), config.model, pretrained=not config.train.resume
        )
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            network = synchronise_batch_norms(network)
        optimizer = build_optimizer(network, config.optim)
        if config.train.compile:
            network = compile_network(network)
        self.model, self.optimizer = accelerator.prepare(network, optimizer)
        self.names = [dataset.spec.name for dataset in trained]
        self.meter = LossMeter(self.names, sources.ontology.depth, accelerator.device)
        self.watch = Watch()
        patient = config.train.on_failed_checkpoint == "continue"
        self.examples = Examples(sources.ontology, scored, output, patient=patient)
        self.keeper = Keeper(
            config, sources, output, accelerator, self.model, self.optimizer, self.meter, self.watch
        )
        has_scaler = accelerator.scaler is not None
        self.guard = Guard(self.keeper.network(), has_scaler=has_scaler)
        if config.train.resume:
            self.step, self.best = self.keeper.restore()
        self.saved = self.step
        """The step of the newest checkpoint."""

    def run(self) -> list[DatasetScores]:
        """Train from where the run stands to its end; return the last scores.

        Raises:
            SystemExit: a signal asked for an end; the run is saved first.
        """
        config, accelerator = self.config, self.accelerator
        tracker = Tracker(
            self.output,
            accelerator,
            start=self.step,
            steps=config.train.steps,
            patient=config.train.on_failed_checkpoint == "continue",
        )
        tracker.say(
            summarize(
                config,
                self.sources.ontology,
                self.trained,
                self.keeper.network(),
                accelerator,
                step=self.step,
            )
        )
        with contextlib.closing(tracker):
            try:
                return self._steps(tracker)
            except Stopped as stop:
                self._stop(tracker, stop)

    def bad_news(self) -> list[str]:
        """Return a line for each kind of thing that the run has skipped."""
        return bad_news(self.watch, self.feed.bad)

    def _stop(self, tracker: Tracker, stop: Stopped) -> NoReturn:
        """Save the run as it stands, and end with the status of the signal."""
        if self.saved != self.step:
            self._save(tracker)
        self.keeper.raise_unsaved()
        tracker.say(
            f"stopped by {stop.name} after step {self.step}; go on with train.resume=true "
            f"output={self.output}"
        )
        raise SystemExit(stop.status)

    def _steps(self, tracker: Tracker) -> list[DatasetScores]:
        """Take the steps that are left, saving and scoring when due; return the last scores."""
        config = self.config.train
        results: list[DatasetScores] | None = None
        due = self.step > 0 and _due(self.step, config.evaluate_every)
        if due and not tracker.is_evaluated(self.step):
            results = self._evaluate(tracker)  # interrupted between saving and scoring
        batches = self.feed.batches(self.step)
        if config.digest and self.step == 0:
            tracker.start(weights_digest(self.keeper.network()))
        while self.step < config.steps:
            lr = self.train_step(batches)
            self.step += 1
            tracker.step()
            finished = self.step == config.steps
            if finished or self.step % config.log_every == 0:
                report = self.meter.take(self.accelerator)
                if self.feed.digest is not None:
                    report["input"] = self.feed.digest.take(self.accelerator)
                tracker.warn(self.watch.add_loss(report["loss"], self.step))
                tracker.train(self.step, report, lr=lr, batch_size=self.config.data.batch_size)
            if finished or _due(self.step, config.checkpoint_every):
                self._save(tracker)
            if finished or _due(self.step, config.evaluate_every):
                results = self._evaluate(tracker)
        return self._evaluate(tracker) if results is None else results

    def train_step(self, batches: Iterator[Batch]) -> float:
        """Take one optimizer step over the global batch; return its learning rate.

        Raises:
            Stopped: a signal came before the step was begun, which then is not taken.
            HarmonizeError: one of the processes cannot read its share, or the loss or the gradient
                is not finite; then the step is not taken.
        """
        accelerator = self.accelerator
        parts, labelled = self.feed.take(batches, self.loss)
        # Gradients are averaged over the processes, but the loss is a mean over all their pixels.
        scale = accelerator.num_processes / labelled.clamp(min=1)
        lr = learning_rate(self.config.optim, self.step, self.config.train.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        seed = (self.config.seed, self.step, accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))  # for dropout
        self.guard.begin()
        terms: list[LossTerms] = []
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(self.model):
                logits, *further = self.model(part.pictures, auxiliary=True)
                terms.append(self.loss.terms(logits, part.codes, scale=scale))
                loss = terms[-1].loss
                for output in further:
                    weight = scale * self.config.model.auxiliary
                    loss = loss + self.loss.terms(output, part.codes, scale=weight).loss
                accelerator.backward(loss)
        what = self.guard.problem(terms)
        if what is None:
            for part, its_terms in zip(parts, terms, strict=True):
                self.meter.add(its_terms, part.datasets)
            self.optimizer.step()
            self.watch.in_a_row = 0
        else:
            self._refuse(what, parts, terms)
        self.optimizer.zero_grad()
        return lr

    def _refuse(self, what: str, parts: list[Batch], terms: list[LossTerms]) -> None:
        """Keep a bad step's samples, and end the run or go on without the step.

        Raises:
            HarmonizeError: the config says to stop, or too many steps in a row were bad.
        """
        self.guard.take_back()
        bad = BadStep(
            self.step + 1, what, self.keeper.network(), parts, self.feed.places(self.step), terms
        )
        where = keep_for_study(
            bad, self.feed.samples, self.sources.ontology.leaves, self.output, self.accelerator
        )
        self.guard.take_back()  # the logits were worked out once more
        self.watch.refuse(bad.describe(), where, self.config.train.on_bad_numbers)
        if self.accelerator.is_main_process:
            print(f"warning: {bad.describe()}, and is skipped; {where}", file=sys.stderr)

    def _save(self, tracker: Tracker) -> None:
        with tracker.untimed():
            tracker.flush()
            self.keeper.save_step(self.step, self.best)
            self.saved = self.step

    def _evaluate(self, tracker: Tracker) -> list[DatasetScores]:
        """Score all data sets; keep the network if it is the best so far on the trained ones.

        The best is safe before its scores are logged: a resumed run scores what its log lacks.
        """
        with tracker.untimed():
            results = score(
                self.keeper.network(),
                self.scored,
                self.sources,
                self.config,
                self.accelerator,
                self.feed.bad,
                keep=self.config.evaluate.pictures,
            )
            mean = mean_over(self.names, results)
            better = mean is not None and (self.best is None or mean > self.best)
            if mean is not None and better and self.keeper.save_best(self.step, mean):
                self.best = mean
            self.examples.write(self.step, results)
            tracker.evaluation(self.step, {result.name: result.to_dict() for result in results})
            tracker.pictures(self.step, lambda: self.examples.shown(self.step, results))
        if results:
            parts = [f"{r.name} {100 * r.scores.mean_iou:.2f}" for r in results]
            tracker.say(f"step {self.step}: mean IoU {', '.join(parts)}")
        return results


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0
