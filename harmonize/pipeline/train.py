"""Train a config from start to end: check it, train, score, calibrate, report."""

import dataclasses
from pathlib import Path

from accelerate import Accelerator

from harmonize.config.run_config import RunConfig
from harmonize.data.open_datasets import open_datasets, open_trained
from harmonize.models.with_transformers import with_folder_args
from harmonize.pipeline.finish import finish
from harmonize.pipeline.preflight import check_batch, check_run
from harmonize.runs.precision import choose_precision
from harmonize.runs.run_folder import prepare_output, write_config
from harmonize.system.agreement import together
from harmonize.system.processes import on_cuda, processes
from harmonize.system.signals import Stopped, signals_put_off, stop_if_asked
from harmonize.training.determinism import deterministic
from harmonize.training.trainer import Trainer


def train(config: RunConfig, *, name: str) -> Path:
    """Run a config from start to end and return the run folder.

    Args:
        config: of the run.
        name: what the run folder is called if the config names none.

    Raises:
        HarmonizeError: anything in the config, its files or its data that the user can mend.
        SystemExit: SIGTERM or Ctrl-C came while training; the run is saved first.
    """
    state = processes()
    with together():
        config = dataclasses.replace(config, model=with_folder_args(config.model))
        sources = check_run(config)
        trained = open_trained(sources, config)
        scored = open_datasets(
            [(s, e.evaluate) for e, s in (*sources.trained, *sources.also) if e.evaluate],
            config.data.roots,
        )
        check_batch(config, state.num_processes)
        precision = choose_precision(config.train.precision, cuda=on_cuda(state))
    output = prepare_output(config, name, state)
    accelerator = Accelerator(
        mixed_precision=precision, log_with=list(config.train.track) or None, project_dir=output
    )
    if config.train.track:
        accelerator.init_trackers("tracking")
    with deterministic(config.train.deterministic):
        trainer = Trainer(config, sources, trained, scored, output, accelerator)
        with together():
            if accelerator.is_main_process:
                write_config(config, output)
        with signals_put_off():
            _train_and_finish(trainer)
    for tracker in accelerator.trackers:
        tracker.finish()  # end_training would part the processes, which may have a next run
    return output


def _train_and_finish(trainer: Trainer) -> None:
    """Take the run's steps, then print and write all that is found out about its network.

    Raises:
        SystemExit: a signal asked for an end; the run is saved first, or is at its end.
    """
    results = trainer.run()
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
            )
    trainer.keeper.raise_unsaved()
    if is_main:
        print(*trainer.bad_news(), sep="\n", end="")
        print(f"\nThe run lies in {trainer.output}")
    try:
        with together():
            stop_if_asked()  # while it was scored or its report made: no run may follow
    except Stopped as stop:
        raise SystemExit(stop.status) from None
