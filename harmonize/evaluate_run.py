"""Score the network of a run folder, which with the data is all that is needed."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator

from harmonize.commands import on_cuda, processes
from harmonize.config import RunConfig, find_file
from harmonize.data.bad_list import BadList
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.evaluation.evaluate import evaluate
from harmonize.evaluation.left_out import find_left_out, unscorable
from harmonize.evaluation.results import report_results
from harmonize.models.build import build_model
from harmonize.sources import Sources, open_datasets
from harmonize.spec import DatasetSpec
from harmonize.strict_yaml import load_text
from harmonize.training.checkpoint import restore_model
from harmonize.training.precision import choose_precision
from harmonize.training.rotation import choose

DEFAULT_SPLIT = "val"
CHANGEABLE = ("data.", "evaluate.", "train.precision=")
"""What of a run's config can be changed for scoring."""


def evaluate_run(
    run: Path,
    *,
    datasets: Sequence[str] = (),
    split: str | None = None,
    which: str = "last",
    json_file: Path | None = None,
    overrides: Iterable[str] = (),
) -> None:
    """Score a run's checkpoint, print the tables and write them as JSON if asked.

    Only classes that the run's labels teach are scored; the tables say which are left out, and why.

    Args:
        run: the run folder.
        datasets: names of the run's data sets, or mapping files; all that the config scores if
            empty.
        split: the split to score; by default the one that the config scores, else ``val``.
        which: ``best`` or ``last`` checkpoint.
        json_file: where to write the scores.
        overrides: of the run's config, such as ``data.roots.NAME=FOLDER``.

    Raises:
        HarmonizeError: what the user can mend.
    """
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise HarmonizeError(f"{json_file}: its folder does not exist; make it first")
    if json_file is not None and json_file.is_dir():
        raise HarmonizeError(f"--json {json_file}: is a folder; name a file")
    path, state = choose(run, which)
    config = _overridden(state.config, overrides, f"{path}: config")
    sources = state.sources()
    opened = _open(sources, config, datasets, split)
    precision = choose_precision(config.train.precision, cuda=on_cuda(processes()))
    accelerator = Accelerator(mixed_precision=precision)
    model = build_model(len(sources.ontology.leaves), **dataclasses.asdict(config.model))
    restore_model(model, state, path)
    model = model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    skip = config.data.on_bad_sample == "skip"
    bad = BadList(opened, config.data.bad_share) if skip else None
    results = [
        evaluate(
            model,
            dataset,
            sources.ontology,
            accelerator=accelerator,
            size=config.data.size,
            left_out=find_left_out(sources, dataset.spec),
            crop=config.evaluate.crop,
            workers=config.data.workers,
            progress=accelerator.is_main_process,
            bad=bad,
        )
        for dataset in opened
    ]
    if accelerator.is_main_process:
        print(f"{path}, after {state.step} steps")
        report_results(results, json_file)
    accelerator.end_training()


def _overridden(text: str, overrides: Iterable[str], source: str) -> RunConfig:
    """Return a run's config, changed where a change means something to scoring."""
    changes = list(overrides)
    for change in changes:
        if "=" in change and not change.startswith(CHANGEABLE):
            raise HarmonizeError(
                f"command line: {change}: scoring takes only {', '.join(CHANGEABLE)} of a config; "
                "data sets and splits are chosen with --dataset and --split"
            )
    return RunConfig.from_document(load_text(text, source), changes)


def _open(
    sources: Sources, config: RunConfig, datasets: Sequence[str], split: str | None
) -> list[SegmentationDataset]:
    known = {spec.name: (entry, spec) for entry, spec in (*sources.trained, *sources.also)}
    pairs: list[tuple[DatasetSpec, str]] = []
    for name in datasets or [name for name, (entry, _) in known.items() if entry.evaluate]:
        if name in known:
            entry, spec = known[name]
            pairs.append((spec, split or entry.evaluate or DEFAULT_SPLIT))
        elif find_file(name).is_file():
            pairs.append((DatasetSpec.from_file(find_file(name)), split or DEFAULT_SPLIT))
        else:
            raise HarmonizeError(
                f"--dataset {name}: neither a data set of this run nor a mapping file; "
                f"{near_matches(name, known)}"
            )
    names = [spec.name for spec, _ in pairs]
    problems = [f"{name}: named twice" for name in sorted({n for n in names if names.count(n) > 1})]
    problems += [
        f"data.roots.{name}: nothing of this name is scored; {near_matches(name, names)}"
        for name in config.data.roots
        if name not in {*names, *known}
    ]
    raise_all(problems + unscorable(sources, [spec for spec, _ in pairs]))
    if not pairs:
        raise HarmonizeError("the run's config scores no data set; name one with --dataset")
    return open_datasets(pairs, config.data.roots)
