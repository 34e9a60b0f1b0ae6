"""The training loop, under Accelerate."""

import contextlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Value
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.samples import Batch
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.labels.sources import Sources
from harmonize.loss.build_loss import build_losses
from harmonize.loss.hierarchical import LossTerms
from harmonize.loss.several import parts_of
from harmonize.runs.health import RunHealth
from harmonize.runs.identity import describe_pictures
from harmonize.runs.started_from import read_start
from harmonize.system.agreement import together
from harmonize.system.signals import Stopped
from harmonize.training.bad_numbers import Guard
from harmonize.training.bad_step import BadStep, save_bad_step
from harmonize.training.batches import TrainingBatches
from harmonize.training.callbacks import Callback, Progress
from harmonize.training.checkpointing import Checkpointing, has_checkpoint
from harmonize.training.completing import Completing
from harmonize.training.depth_weighting import DepthWeightings
from harmonize.training.digest import weights_digest
from harmonize.training.estimate import TimeEstimate
from harmonize.training.evaluations import Evaluations
from harmonize.training.examples import Examples
from harmonize.training.learner import Learner
from harmonize.training.summary import bad_news, summarize
from harmonize.training.tracking import LossMeter, Tracker


class Trainer:
    """One run: its network, its optimizer and how far it has come."""

    def __init__(
        self,
        config: RunConfig,
        sources: Sources,
        trained: list[SegmentationDataset],
        scored: list[SegmentationDataset],
        output: Path,
        accelerator: Accelerator,
        *,
        model: nn.Module | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        """Build the network and the optimizer, and restore them if the run is resumed.

        A ``model`` takes the place of the network that the config names.
        """
        self._callbacks = callbacks
        self.config = config
        self.sources = sources
        self.trained = trained
        self.scored = scored
        self.output = output
        self.accelerator = accelerator
        self.step = 0
        self.patient = config.train.on_failed_checkpoint == "continue"
        self.batches = TrainingBatches(config, sources, trained, scored, output, accelerator)
        self.loss = build_losses(sources, config.loss, self.batches.pixels)
        parts = parts_of(self.loss)
        self.depths = DepthWeightings(config.loss, parts, config.train.steps, accelerator)
        names = [dataset.spec.name for dataset in trained]
        goes_on = config.train.resume and has_checkpoint(output, accelerator)
        with together():
            start = None if goes_on else read_start(config, sources)
        self.learner = Learner(
            config,
            len(sources.ontology.leaves),
            accelerator,
            model,
            datasets=names,
            initial=not goes_on,
            start=start,
        )
        self.origin = None if start is None else start.origin
        self.completing = Completing(config, sources, parts, self.learner, accelerator)
        depths = sum(part.loss.num_depths for part in parts)
        self.meter = LossMeter(names, depths, accelerator.device)
        self.health = RunHealth()
        self.examples = Examples(sources, scored, output, patient=self.patient)
        self.guard = Guard(self.learner.network, has_scaler=accelerator.scaler is not None)
        self.checkpointing = Checkpointing(
            config,
            sources,
            output,
            accelerator,
            self.learner,
            self.meter,
            self.health,
            self.depths,
            self.completing,
            describe_pictures(trained, scored),
        )
        self.evaluations = Evaluations(
            config,
            sources,
            trained,
            scored,
            self.learner,
            accelerator,
            self.checkpointing,
            self.batches.bad,
        )
        found = self.checkpointing.restore() if config.train.resume else None
        if found is not None:
            self.step, self.evaluations.standing = found
        self.saved = self.step
        """The step of the newest checkpoint."""

    def run(self) -> list[DatasetScores]:
        """Train from the step that the run has come to until its end; return the last scores.

        Raises:
            SystemExit: a signal asked for an end; the run is saved first.
        """
        config = self.config.train
        tracker = self._start_tracker()
        results: list[DatasetScores] | None = None
        with contextlib.closing(tracker), self._saved_if_stopped(tracker):
            if self._is_due(config.evaluate_every) and not tracker.is_evaluated(self.step):
                results = self._evaluate(tracker)  # interrupted between saving and scoring
            batches = self.batches.from_step(self.step)
            if config.digest and self.step == 0:
                tracker.start(weights_digest(self.learner.network))
            while self.step < config.steps and not self.evaluations.have_stalled(self.step):
                lr = self.train_step(batches)
                self.step += 1
                tracker.step()
                last = self.step == config.steps
                if last or self._is_due(config.log_every):
                    self._log(tracker, lr)
                if last or self._is_due(config.checkpoint_every):
                    self._save(tracker)
                if last or self._is_due(config.evaluate_every):
                    results = self._evaluate(tracker)
            if self.step < config.steps:
                self._end_early(tracker)
            return self._evaluate(tracker) if results is None else results

    def bad_news(self) -> list[str]:
        """Return a line for each kind of thing that the run has skipped."""
        return bad_news(self.health, self.batches.bad)

    def _start_tracker(self) -> Tracker:
        steps = self.config.train.steps
        tracker = Tracker(
            self.output,
            self.accelerator,
            start=self.step,
            steps=steps,
            estimate=TimeEstimate(self.step, self.config.train, scores=bool(self.scored)),
            patient=self.patient,
            listener=self._tell,
        )
        ontology, network, start = self.sources.ontology, self.learner.network, self.step
        tracker.tell(
            summarize(self.config, ontology, self.trained, network, self.accelerator, step=start)
        )
        if self.origin is not None:
            tracker.tell(self.origin.tell())
        return tracker

    def _tell(self, line: Mapping[str, Value]) -> None:
        """Hand a line of metrics to the functions that follow the run."""
        steps = self.config.train.steps
        for callback in self._callbacks:
            callback(Progress(self.step, steps, line, self.learner.network, self.output))

    @contextlib.contextmanager
    def _saved_if_stopped(self, tracker: Tracker) -> Iterator[None]:
        """On a signal, save the run as it is, and end with the signal's status."""
        try:
            yield
        except Stopped as stop:
            if self.saved != self.step:
                self._save(tracker)
            self.checkpointing.raise_unsaved()
            tracker.say(
                f"stopped by {stop.name} after step {self.step}; go on with train.resume=true "
                f"output={self.output}"
            )
            raise SystemExit(stop.status) from None

    def _is_due(self, every: int | None) -> bool:
        """Say whether what is done every so many steps is done now."""
        return every is not None and self.step > 0 and self.step % every == 0

    def _end_early(self, tracker: Tracker) -> None:
        """Save a run that has lost patience, and say so."""
        if self.saved != self.step:
            self._save(tracker)
        best = self.evaluations.standing.best_step
        tracker.say(
            f"step {self.step}: no better than after step {best}, for "
            f"{self.config.train.patience} evaluations: the run ends (train.patience)"
        )

    def train_step(self, batches: Iterator[Batch]) -> float:
        """Take one optimizer step over the global batch; return its learning rate.

        Raises:
            Stopped: a signal came before the step was begun, which then is not taken.
            HarmonizeError: one of the processes cannot read its share, or the loss or the gradient
                is not finite; then the step is not taken.
        """
        accelerator, learner = self.accelerator, self.learner
        self.completing.begin(self.step)
        parts, counts = self.batches.take(batches, self.loss, self.completing.complete)
        lr = learner.begin(self.step)
        self.depths.begin(self.step)
        # Gradients are averaged over the processes, but the loss is a mean over all their pixels.
        scale = accelerator.num_processes * counts.scale(self.config.loss.normalize)
        each = accelerator.num_processes / counts.pictures.sum()
        seed = (self.config.seed, self.step, accelerator.process_index)
        torch.manual_seed(int(np.random.SeedSequence(seed).generate_state(1)[0]))  # for dropout
        self.guard.begin()
        terms: list[LossTerms] = []
        outputs: list[tuple[Tensor, Tensor]] = []
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(learner.model):
                logits, *further = learner.model(
                    part.pictures, auxiliary=True, datasets=part.datasets
                )
                weigh = partial(
                    self.loss.terms, codes=part.codes, datasets=part.datasets, levels=part.levels
                )
                terms.append(weigh(logits, scale=scale, picture_scale=each))
                loss, share = terms[-1].loss, self.config.model.auxiliary
                for output in further:
                    loss = (
                        loss + weigh(output, scale=share * scale, picture_scale=share * each).loss
                    )
                accelerator.backward(loss)
                if self.depths.looks_at_gradients(self.step):
                    outputs.append((logits.detach(), part.codes))
        what = self.guard.problem(terms)
        if what is None:
            for part, its_terms in zip(parts, terms, strict=True):
                self.meter.add(its_terms, part.datasets)
            learner.apply_gradient(self.step)
            self.depths.look(self.step, outputs, terms)
            self.health.in_a_row = 0
        else:
            self._refuse(what, parts, terms)
        learner.optimizer.zero_grad()
        return lr

    def _refuse(self, what: str, parts: list[Batch], terms: list[LossTerms]) -> None:
        """Keep a bad step's samples, and end the run or go on without the step.

        Raises:
            HarmonizeError: the config says to stop, or too many steps in a row were bad.
        """
        self.guard.take_back()
        network = self.learner.network
        bad = BadStep(self.step + 1, what, network, parts, self.batches.places(self.step), terms)
        where = save_bad_step(
            bad, self.batches.samples, self.sources.ontology.leaves, self.output, self.accelerator
        )
        self.guard.take_back()  # the logits were worked out once more
        self.health.refuse(bad.describe(), where, self.config.train.on_bad_numbers)
        if self.accelerator.is_main_process:
            print(f"warning: {bad.describe()}, and is skipped; {where}", file=sys.stderr)

    def _log(self, tracker: Tracker, lr: float) -> None:
        """Write a line of metrics, and warn if the loss shows that training diverges."""
        report = self.meter.take(self.accelerator)
        if self.batches.digest is not None:
            report["input"] = self.batches.digest.take(self.accelerator)
        if self.config.optim.clip is not None:
            report["gradient_norm"] = self.learner.gradient_norm
        report |= self.depths.report() | self.completing.report()
        tracker.warn(self.health.add_loss(report["loss"], self.step))
        tracker.train(self.step, report, lr=lr, batch_size=self.config.data.batch_size)

    def _save(self, tracker: Tracker) -> None:
        with tracker.untimed():
            tracker.flush()
            self.checkpointing.save_step(self.step, self.evaluations.standing)
            self.saved = self.step

    def _evaluate(self, tracker: Tracker) -> list[DatasetScores]:
        """Score all data sets; keep the network if it is the best so far on the trained ones.

        The best, and which weights it answers with, are safe before its scores are logged: a
        resumed run scores what its log lacks.

        Returns:
            The scores of the weights that the run answers with.
        """
        if not self.saved:
            self._save(tracker)  # no best is ever alone: the run can go on from here
        with tracker.untimed(scoring=True):
            found = self.evaluations.score()
            self.evaluations.keep_best(found, self.step, again=self.saved == self.step)
            self.examples.write(self.step, found.best)
            tracker.evaluation(self.step, found.to_dict())
            tracker.pictures(self.step, lambda: self.examples.shown(self.step, found.best))
        if found.raw:
            tracker.tell(f"step {self.step}: {found.summary()}")
        return found.best
