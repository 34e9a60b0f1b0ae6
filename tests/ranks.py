"""What tests do in several processes: `ranks.py PROJECT SCENARIO:PROCESSES[:ARGUMENT] ...`.

The processes are forked from one that has imported all, and each tells its findings as JSON.
"""

import contextlib
import io
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from staged import FINETUNING, staged_networks
from tiny import tiny_config

from harmonize.data import loading
from harmonize.data.mixing import StepSampler
from harmonize.data.open_datasets import open_datasets
from harmonize.data.samples import Batch, MixedSamples
from harmonize.errors import HarmonizeError
from harmonize.labels.sources import load_sources
from harmonize.pipeline import train as training
from harmonize.runs import checkpoint
from harmonize.system.mistakes import mistakes_shown
from harmonize.system.processes import processes
from harmonize.training.scoring import score
from harmonize.training.trainer import Trainer

Told = dict[str, Any]


def step(project: Path, rank: int, parts: str) -> Told:
    """Take a step on a batch of which half is unlabelled, then score; tell all numbers."""
    config = tiny_config(
        project,
        project / "step",
        "data.batch_size=16",
        f"train.accumulate={parts}",
    )
    processes()
    accelerator = Accelerator(mixed_precision="no")
    sources = load_sources(config)
    pairs = [(spec, "train") for spec in sources.specs]
    trained = open_datasets(pairs, {})
    trainer = Trainer(config, sources, trained, [], project / "step", accelerator)
    ignore = sources.space.ignore
    batches, mine = [], 0
    for batch, places in zip(trainer.batches.from_step(0), places_of(trainer), strict=False):
        codes = batch.codes.clone()
        codes[torch.tensor(places) >= 8] = ignore
        mine += int(trainer.loss.count_labelled(codes))
        batches.append(Batch(batch.pictures, codes, batch.datasets))
        if len(batches) == int(parts):
            break
    setattr(trainer.learner.optimizer, "zero_grad", lambda *_: None)  # noqa: B010
    trainer.train_step(iter(batches))
    gradient = torch.cat(
        [p.grad.flatten() for p in trainer.learner.model.parameters() if p.grad is not None]
    )
    scored = score(trainer.learner.network, trained, sources, config, accelerator)
    report = trainer.meter.take(accelerator)
    return {
        "rank": rank,
        "gradient": gradient.tolist(),
        "loss": report["loss"],
        "counts": [one.confusion.tolist() for one in scored],
        "samples": [one.sample.pictures.tolist() for one in scored],
        "depths": [one.scores.iou.nan_to_num().tolist() for s in scored for one in s.depths],
        "labelled": mine,
    }


def places_of(trainer: Trainer) -> list[list[int]]:
    """Return the places in the global batch of each of this process's parts."""
    return list(
        StepSampler(
            start=0,
            steps=1,
            batch_size=trainer.config.data.batch_size,
            num_parts=trainer.config.train.accumulate,
            rank=trainer.accelerator.process_index,
            num_processes=trainer.accelerator.num_processes,
        )
    )


def fail(project: Path, rank: int, where: str) -> Told:
    """Train, and have one process meet what it cannot do."""
    if where == "save":

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        checkpoint.write_whole = refuse
    elif rank == (1 if where == "train" else 0):  # the first has all pictures that are scored
        original = loading._Guarded.__getitem__

        def broken(guarded: Any, place: int) -> Any:
            if isinstance(guarded._dataset, MixedSamples) == (where == "train"):
                return HarmonizeError("x.png: no picture")
            return original(guarded, place)

        setattr(loading._Guarded, "__getitem__", broken)  # noqa: B010
    output = project / f"failed-{where}"
    training.train(tiny_config(project, output, "data.workers=1"), name="x")
    return {}


def signal_(project: Path, rank: int) -> Told:
    """Train for long, and have one process be sent SIGTERM."""
    original = Trainer.train_step

    def step(trainer: Trainer, batches: Any) -> float:
        if rank == 1 and trainer.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        lr = original(trainer, batches)
        TOLD["steps"] = trainer.step + 1
        return lr

    setattr(Trainer, "train_step", step)  # noqa: B010
    overrides = ["train.steps=50", "train.checkpoint_every=null", "data.workers=1"]
    training.train(tiny_config(project, project / "signalled", *overrides), name="x")
    return {}


def skip(project: Path, _: int) -> Told:
    """Train on data of which some cannot be used."""
    output = project / f"skip-{processes().num_processes}"
    overrides = ["train.steps=12", "data.on_bad_sample=skip", "data.bad_share=0.2"]
    training.train(tiny_config(project, output, *overrides), name="x")
    return {}


def bad_numbers(project: Path, rank: int, on_bad: str) -> Told:
    """Train, and have the logits of one process's first picture become NaN in the third step."""
    original = Trainer.train_step

    def step(trainer: Trainer, batches: Any) -> float:
        def spoil(_: Any, __: Any, logits: torch.Tensor) -> torch.Tensor:
            spoiled = logits.clone()
            spoiled[0] = torch.nan if rank == 1 and trainer.step == 2 else spoiled[0]
            return spoiled

        hook = trainer.learner.network.register_forward_hook(spoil)
        try:
            return original(trainer, batches)
        finally:
            hook.remove()

    setattr(Trainer, "train_step", step)  # noqa: B010
    output = project / f"numbers-{on_bad}"
    overrides = [f"train.on_bad_numbers={on_bad}", "train.checkpoint_every=1", "model.norm=batch"]
    training.train(tiny_config(project, output, *overrides), name="x")
    return {}


def finetune(project: Path, _: int) -> Told:
    """Train a network with an encoder, which is frozen at first, clipped and averaged."""
    output = project / f"finetune-{processes().num_processes}"
    with staged_networks():
        training.train(tiny_config(project, output, *FINETUNING), name="x")
    return {}


TOLD: Told = {}
"""What a scenario tells that does not come to its end."""
SCENARIOS: dict[str, Callable[..., Told]] = {
    "step": step,
    "fail": fail,
    "signal": signal_,
    "skip": skip,
    "bad-numbers": bad_numbers,
    "finetune": finetune,
}


def run(name: str, project: Path, rank: int, arguments: list[str]) -> Told:
    """Return what a scenario tells, with its output and the exit status it would have."""
    out, err = io.StringIO(), io.StringIO()
    told: Told = {"status": 0}
    before = time.monotonic()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            with mistakes_shown():
                told |= SCENARIOS[name](project, rank, *arguments)
        except SystemExit as end:
            told["status"] = end.code
    seconds = time.monotonic() - before
    texts = {"stdout": out.getvalue(), "stderr": err.getvalue()}
    return {**told, **TOLD, **texts, "seconds": seconds}


def fork(name: str, project: Path, number: int, arguments: list[str]) -> list[Told]:
    """Run a scenario in so many processes and return what each tells."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = [project / f"told-{rank}.json" for rank in range(number)]
    children: list[int] = []
    for rank, path in enumerate(told):
        child = os.fork()
        if child:
            children.append(child)
            continue
        os.environ |= {"ACCELERATE_USE_CPU": "true"}
        if number > 1:
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            os.environ |= {"WORLD_SIZE": str(number), "LOCAL_WORLD_SIZE": str(number)}
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        try:
            path.write_text(json.dumps(run(name, project, rank, arguments)))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    statuses = [os.waitpid(child, 0)[1] for child in children]
    if any(statuses):
        sys.exit(f"{name} {number} {arguments}: a process failed")
    return [json.loads(path.read_text()) for path in told]


def main() -> None:
    """Run a scenario in each of the groups of processes and print what they tell."""
    project, *groups = sys.argv[1:]
    torch.set_num_threads(1)
    told: list[list[Told]] = []
    for group in groups:
        name, number, *arguments = group.split(":")
        told.append(fork(name, Path(project), int(number), arguments))
    print(json.dumps(told))


if __name__ == "__main__":
    main()
