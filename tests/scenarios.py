"""What the processes of a group do in tests; ``group.run_group`` starts them."""

import os
import resource
import signal
import zlib
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from by_color import ByColor
from every_format import BANDS, FORMATS
from group import NOTED
from harmonize import DatasetSpec, Ontology, cli
from harmonize.config.run_config import RunConfig
from harmonize.config.strict_yaml import Document, Value
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.mixing import StepSampler
from harmonize.data.open_datasets import open_datasets, open_trained
from harmonize.data.samples import Batch, MixedSamples
from harmonize.errors import HarmonizeError
from harmonize.evaluation.evaluate import evaluate
from harmonize.labels.sources import load_sources
from harmonize.pipeline import train as training
from harmonize.runs import checkpoint
from harmonize.runs.precision import start_accelerator
from harmonize.system.processes import processes
from harmonize.tools.refine.refine_options import RefineOptions
from harmonize.tools.refine.refine_run import refine_run
from harmonize.training.batches import TrainingBatches
from harmonize.training.scoring import score
from harmonize.training.trainer import Trainer
from staged import FINETUNING, staged_networks
from tiny import tiny_config, tiny_values
from two_trees import two_trees_config

Found = dict[str, Any]


def step(project: Path, parts: int, *overrides: str) -> Found:
    """Take a step of so many parts on a batch half of which is unlabelled; score; return all."""
    config = tiny_config(
        project,
        project / "step",
        "data.batch_size=16",
        f"train.accumulate={parts}",
        *overrides,
    )
    (project / "step").mkdir(exist_ok=True)
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
        mine += int(trainer.loss.count_labelled(codes).sum())
        batches.append(Batch(batch.pictures, codes, batch.datasets))
        if len(batches) == parts:
            break
    setattr(trainer.learner.optimizer, "zero_grad", lambda *_: None)  # noqa: B010
    trainer.train_step(iter(batches))
    gradient = torch.cat(
        [p.grad.flatten() for p in trainer.learner.model.parameters() if p.grad is not None]
    )
    scored = score(trainer.learner.network, trained, sources, config, accelerator)
    report = trainer.meter.take(accelerator)
    return {
        "gradient": gradient.tolist(),
        "loss": report["loss"],
        "counts": [one.confusion.tolist() for one in scored],
        "samples": [one.sample.pictures.tolist() for one in scored],
        "depths": [one.scores.iou.nan_to_num().tolist() for s in scored for one in s.depths],
        "labelled": mine,
    }


def steps(project: Path, parts: int, *overrides: tuple[str, ...]) -> Found:
    """Take such a step with each of several lists of overrides: starting processes takes longer."""
    return {"steps": [step(project, parts, *some) for some in overrides]}


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


def mix(project: Path, folder: str, workers: int) -> Found:
    """Return a checksum of each of this process's samples of a run with everything mixed."""
    config = tiny_config(
        project,
        project / "mixed",
        f"data.cache_folder={folder}",
        f"data.workers={workers}",
        "data.on_bad_sample=skip",
        "data.bad_share=0.1",
        "augment.rare=0.5",
        "augment.rotate=20",
        "augment.style=0.5",
        "augment.style_of=fine",
        "mix.to={coarse: 4}",
        "datasets.0.size=8",
    )
    (project / "mixed").mkdir(exist_ok=True)
    processes()
    accelerator = Accelerator(mixed_precision="no")
    sources = load_sources(config)
    trained = open_trained(sources, config)
    batches = TrainingBatches(config, sources, trained, [], project / "mixed", accelerator)
    found: Found = {}
    parts = (batches.places(step)[0] for step in range(config.train.steps))
    for places, batch in zip(parts, batches.from_step(0), strict=True):
        for number, place in enumerate(places):
            parts_of = batch.pictures[number], batch.codes[number]
            content = b"".join(part.numpy().tobytes() for part in parts_of)
            found[str(place)] = [int(batch.datasets[number]), zlib.crc32(content)]
    return found


def fail(project: Path, where: str) -> Found:
    """Train, and have one process fail while it trains, evaluates or saves."""
    rank = _rank()
    if where == "save":

        def refuse(*_: object) -> None:
            raise OSError(28, "No space left on device")

        checkpoint.write_whole = refuse
    elif rank == (1 if where == "train" else 0):  # the first has all pictures that are scored

        def fail_to_read(*_: object, **__: object) -> None:
            raise HarmonizeError("x.png: no picture")

        if where == "train":
            setattr(MixedSamples, "__getitem__", fail_to_read)  # noqa: B010
        else:
            setattr(SegmentationDataset, "scaled_down", fail_to_read)  # noqa: B010
    output = project / f"failed-{where}"
    training.train(tiny_config(project, output, "data.workers=1"), name="x")
    return {}


def join_untold() -> Found:
    """Join the others where nothing says that they compute on CPUs."""
    del os.environ["ACCELERATE_USE_CPU"]
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    accelerator = start_accelerator("float32")
    network = accelerator.prepare(torch.nn.Linear(2, 2))
    return {"processes": accelerator.num_processes, "network": type(network).__name__}


def be_stopped(project: Path) -> Found:
    """Train for long, and have one process be sent SIGTERM; note the number of steps taken."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever the tests were started from
    rank = _rank()
    original = Trainer.train_step

    def step(trainer: Trainer, batches: Any) -> float:
        if rank == 1 and trainer.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        lr = original(trainer, batches)
        NOTED["steps"] = trainer.step + 1
        return lr

    setattr(Trainer, "train_step", step)  # noqa: B010
    overrides = ["train.steps=50", "train.checkpoint_every=null", "data.workers=1"]
    training.train(tiny_config(project, project / "signalled", *overrides), name="x")
    return {}


def skip_bad_samples(project: Path) -> Found:
    """Train on data some of which cannot be used."""
    output = project / f"skip-{processes().num_processes}"
    overrides = ["train.steps=12", "data.on_bad_sample=skip", "data.bad_share=0.2"]
    training.train(tiny_config(project, output, *overrides), name="x")
    return {}


def train_on_every_format(folder: Path) -> Found:
    """Train on a set in each format, and score them."""
    values = tiny_values(folder, folder / f"run-{processes().num_processes}")
    names = [*FORMATS, "zip", "parquet"]
    values["datasets"] = [
        {"spec": str(folder / f"{name}.yaml"), "train": "train", "evaluate": "val"}
        for name in names
    ]
    values["data"] = {"size": 16, "batch_size": len(names), "workers": 0}
    bands = list[Value](BANDS)
    values["model"] = {"name": "unet", "width": 8, "norm": "group", "channels": bands}
    values["augment"] = {"flip": 0.5, "scale": [0.7, 1.0]}
    training.train(RunConfig.from_document(Document("every", values)), name="every")
    return {}


def meet_bad_numbers(project: Path, on_bad: str) -> Found:
    """Train, and have the logits of the second process's first picture be NaN in the third step."""
    rank = _rank()
    original = Trainer.train_step

    def step(trainer: Trainer, batches: Any) -> float:
        def spoil(_: Any, __: Any, logits: torch.Tensor) -> torch.Tensor:
            spoiled = logits.clone()
            spoiled[0] = torch.nan if rank == 1 and trainer.step == 2 else spoiled[0]
            return spoiled

        hook = trainer.learner.network.network.register_forward_hook(spoil)
        try:
            return original(trainer, batches)
        finally:
            hook.remove()

    setattr(Trainer, "train_step", step)  # noqa: B010
    output = project / f"numbers-{on_bad}"
    overrides = [f"train.on_bad_numbers={on_bad}", "train.checkpoint_every=1", "model.norm=batch"]
    training.train(tiny_config(project, output, *overrides), name="x")
    return {}


def finetune(project: Path) -> Found:
    """Train a network with an encoder, which is frozen at first, clipped and averaged."""
    output = project / f"finetune-{processes().num_processes}"
    with staged_networks():
        training.train(tiny_config(project, output, *FINETUNING), name="x")
    return {}


def score_colors(project: Path) -> Found:
    """Score the fine set by colour, with boundaries; return all counts and scores."""
    processes()
    accelerator = Accelerator()
    spec = DatasetSpec.from_file(project / "fine.yaml")
    dataset = SegmentationDataset(spec, "train", root=project / "fine_data")
    tree = Ontology.from_file(project / "tiny.txt")
    found = evaluate(ByColor(), dataset, tree, accelerator=accelerator, size=20, boundary=True)
    counts = found.picture_counts
    assert counts is not None
    arrays = [part.tolist() for part in (counts.pictures, counts.starts, counts.entries)]
    return {"arrays": arrays, "scores": found.to_dict(), "details": found.details()}


def train_with_few_files(project: Path, *, may_raise: bool) -> Found:
    """Train with loader processes where 32 files may be open, or more if the limit is raised."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1] if may_raise else 32
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, hard))
    command = ["train", "--config", str(project / "run.yaml"), "data.workers=2"]
    return {"status": cli.main(command)}


def train_twin(project: Path) -> Found:
    """Train a config that says no output, below a folder."""
    os.chdir(project)
    return {"status": cli.main(["train", "--config", "twins.yaml"])}


def _rank() -> int:
    return int(os.environ["RANK"])


def refine(project: Path, output: Path) -> Found:
    """Complete the coarse set's labels."""
    refine_run(
        project / "run",
        dataset="coarse",
        split="train",
        output=output,
        options=RefineOptions(confidence=0.6, calibrated=False, balanced=True, pictures=3),
    )
    return {}


def train_trees(project: Path, output: str, overrides: tuple[str, ...]) -> Found:
    """Train with two trees."""
    training.train(two_trees_config(project, *overrides, output=output), name="tiny")
    return {}
