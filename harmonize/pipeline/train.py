"""Train a config from start to end: check it, train, score, calibrate, report."""

import dataclasses
import functools
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import nn

from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.open_datasets import open_datasets, open_trained
from harmonize.errors import HarmonizeError
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.labels.sources import Sources
from harmonize.models.own_code import PASSED
from harmonize.models.with_transformers import with_folder_args
from harmonize.pipeline.finish import finish
from harmonize.pipeline.preflight import check_batch, check_run
from harmonize.runs.opened import OpenedRun, open_any
from harmonize.runs.precision import choose_precision, start_accelerator
from harmonize.runs.run_folder import CONFIG, prepared_output, write_config
from harmonize.system.agreement import together
from harmonize.system.atomic_files import writing
from harmonize.system.processes import on_cuda, processes
from harmonize.system.progress import tell
from harmonize.system.signals import Stopped, signals_put_off, stop_if_asked
from harmonize.training.callbacks import Callback
from harmonize.training.determinism import deterministic
from harmonize.training.epochs import with_steps
from harmonize.training.trainer import Trainer


def train(
    config: RunConfig,
    *,
    name: str,
    model: nn.Module | None = None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Run a config from start to end and return the run folder.

    Args:
        config: of the run.
        name: what the run folder is called if the config names none.
        model: a network of one's own in place of the one that the config names.
        callbacks: called with every line of metrics.

    Raises:
        HarmonizeError: anything in the config, its files or its data that the user can mend.
        SystemExit: SIGTERM or Ctrl-C came while training; the run is saved first.
    """
    state = processes()
    with together():
        network = with_folder_args(config.model)
        if model is not None:
            network = dataclasses.replace(network, name=PASSED)
        config = dataclasses.replace(config, model=network)
        number = state.num_processes
        shared = number > 1 and on_cuda(state)
        sources = check_run(config, model, num_processes=number, shared_norms=shared)
        trained = open_trained(sources, config)
        scored = open_datasets(
            [(s, e.evaluate) for e, s in (*sources.trained, *sources.also) if e.evaluate],
            config.data.roots,
            bands=config.model.bands,
        )
        config = with_steps(config, sources, trained)
        check_batch(config, number)
        precision = choose_precision(config.train.precision, cuda=on_cuda(state))
        if precision == "fp16" and config.model.shard and number > 1:
            raise HarmonizeError("train.precision: fp16 does not go with model.shard; use bf16")
    with prepared_output(config, name, state) as output:
        _train_in(output, config, sources, trained, scored, model=model, callbacks=callbacks)
    return output


def _train_in(
    output: Path,
    config: RunConfig,
    sources: Sources,
    trained: list[SegmentationDataset],
    scored: list[SegmentationDataset],
    *,
    model: nn.Module | None,
    callbacks: Sequence[Callback],
) -> None:
    """Train in a run folder that is this run's alone, and finish the run."""
    accelerator = start_accelerator(
        config.train.precision, log_with=list(config.train.track) or None, project_dir=output
    )
    if config.train.track:
        accelerator.init_trackers("tracking")
    with deterministic(config.train.deterministic):
        trainer = Trainer(
            config,
            sources,
            trained,
            scored,
            output,
            accelerator,
            model=model,
            callbacks=callbacks,
        )
        with together():
            if accelerator.is_main_process:
                with writing(output / CONFIG):
                    write_config(config, output)
                if trainer.origin is not None:
                    trainer.origin.write(output)
        with signals_put_off():
            results = trainer.run()
            # The code of the network is the user's own: it was run for the training.
            opener = functools.partial(open_any, trust_code=True, model=model)
            _finish(trainer, results, opener)
    for tracker in accelerator.trackers:
        tracker.finish()  # end_training would part the processes, which may have a next run


def _finish(
    trainer: Trainer, results: list[DatasetScores], opener: Callable[[Path], OpenedRun]
) -> None:
    """Print and write all that is found out about the network of a run at its end.

    Raises:
        SystemExit: a signal has asked for an end meanwhile.
    """
    is_main = trainer.accelerator.is_main_process
    with together():
        if is_main:
            finish(
                results,
                trainer.scored,
                trainer.sources,
                trainer.config,
                trainer.output,
                trainer.accelerator,
                step=trainer.step,
                opener=opener,
            )
    trainer.checkpointing.raise_unsaved()
    trainer.health.check_labels()
    if is_main:
        print(*trainer.bad_news(), sep="\n", end="")
        folder = shlex.quote(str(trainer.output))
        tell(f"\nThe run lies in {trainer.output}")
        tell(f"Next: harmonize report {folder}, harmonize predict {folder} PICTURES -o answers")
    try:
        with together():
            stop_if_asked()  # while it was scored or its report made: no run may follow
    except Stopped as stop:
        raise SystemExit(stop.status) from None
