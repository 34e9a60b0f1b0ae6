"""Score the network of a run folder, which with the data is all that is needed."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from harmonize.commands import on_cuda, processes
from harmonize.config import RunConfig, find_file
from harmonize.data.bad_list import BadList
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.left_out import unscorable
from harmonize.evaluation.results import report_results
from harmonize.models.build import build_model
from harmonize.sources import Sources, open_datasets
from harmonize.spec import DatasetSpec
from harmonize.strict_yaml import load_text
from harmonize.training.checkpoint import Checkpoint, restore_model
from harmonize.training.precision import choose_precision
from harmonize.training.rotation import choose
from harmonize.training.scoring import score

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
    with open_run(run, which, overrides) as opened:
        results = opened.score(opened.datasets(datasets, split))
        if opened.is_main:
            print(f"{opened.path}, after {opened.state.step} steps")
            report_results(results, json_file)


@dataclass(frozen=True)
class OpenedRun:
    """A run's network, and what it takes to score it.

    Attributes:
        path: of the checkpoint.
        state: what it holds.
        config: of the run, as changed for scoring.
        sources: the tree and the mappings of the run.
        model: on the device.
        accelerator: whose device and processes are used.
    """

    path: Path
    state: Checkpoint
    config: RunConfig
    sources: Sources
    model: nn.Module
    accelerator: Accelerator

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.accelerator.is_main_process

    def datasets(self, names: Sequence[str], split: str | None) -> list[SegmentationDataset]:
        """Index the files of data sets of the run or of mapping files; see ``evaluate_run``.

        Raises:
            HarmonizeError: what is wrong with any of them.
        """
        return _open(self.sources, self.config, names, split)

    def score(self, datasets: list[SegmentationDataset]) -> list[DatasetScores]:
        """Score the network on data sets; every process must call this."""
        skip = self.config.data.on_bad_sample == "skip"
        bad = BadList(datasets, self.config.data.bad_share) if skip else None
        return score(
            self.model,
            datasets,
            self.sources,
            self.config,
            self.accelerator,
            bad,
            progress=self.is_main,
        )


@contextlib.contextmanager
def open_run(run: Path, which: str, overrides: Iterable[str]) -> Iterator[OpenedRun]:
    """Load a run's ``best`` or ``last`` checkpoint.

    Args:
        run: the run folder.
        which: checkpoint.
        overrides: of the run's config, such as ``data.roots.NAME=FOLDER``.

    Raises:
        HarmonizeError: what the user can mend.
    """
    path, state = choose(run, which)
    config = _overridden(state.config, overrides, f"{path}: config")
    sources = state.sources()
    precision = choose_precision(config.train.precision, cuda=on_cuda(processes()))
    accelerator = Accelerator(mixed_precision=precision)
    model = build_model(len(sources.ontology.leaves), **dataclasses.asdict(config.model))
    restore_model(model, state, path)
    model = model.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    yield OpenedRun(path, state, config, sources, model, accelerator)
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
