"""Score the network of a run folder, which with the data is all that is needed."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from torch import nn

from harmonize.config.run_config import RunConfig, find_file
from harmonize.data.bad_list import BadList
from harmonize.data.dataset import SegmentationDataset
from harmonize.data.open_datasets import open_datasets
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.picture_file import PICTURES_MARK, pictures_path
from harmonize.evaluation.protocols import check_protocol, summarize_protocol
from harmonize.evaluation.results import MADE_BY, report_results
from harmonize.evaluation.saved_protocol import ProtocolName
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.scored_classes import for_benchmark
from harmonize.labels.sources import Sources
from harmonize.labels.unanswerable import unscorable_in_all
from harmonize.models.dataset_norms import PER_DATASET
from harmonize.plurals import counted
from harmonize.runs.opened import OpenedRun, Several, open_run
from harmonize.runs.precision import start_accelerator
from harmonize.system.atomic_files import is_plain
from harmonize.system.own_files import check_output
from harmonize.system.progress import tell
from harmonize.training.scoring import score

DEFAULT_SPLIT = "val"


def evaluate_run(
    run: Path,
    *,
    datasets: Sequence[str] = (),
    split: str | None = None,
    which: str = "last",
    json_file: Path | None = None,
    force: bool = False,
    overrides: Iterable[str] = (),
    trust_code: bool = False,
    protocol: ProtocolName | None = None,
    ontology: str | None = None,
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
        force: replace that file, even if it is not one of scores.
        overrides: of the run's config, such as ``data.roots.NAME=FOLDER``.
        trust_code: run the code that the run's network is, where it is not harmonize's own.
        protocol: score each data set as its benchmark does, and say what this protocol says of all.
        ontology: of several trees the one that is scored; each of them unless given.

    Raises:
        HarmonizeError: what the user can mend.
    """
    if json_file is not None:
        check_output(json_file, MADE_BY, option="--json", force=force)
        if is_plain(json_file):
            check_output(pictures_path(json_file), PICTURES_MARK, option="--json", force=force)
    with open_for_scoring(
        run,
        which,
        overrides,
        trust_code=trust_code,
        several="any" if protocol is None else "one",
        ontology=ontology,
    ) as scoring:
        opened = scoring.datasets(datasets, split, protocol=protocol)
        results = scoring.score(opened, benchmark=protocol is not None)
        if scoring.is_main:
            tell(f"{scoring.run.path}, after {counted(scoring.run.state.step, 'step')}")
            specs = [dataset.spec for dataset in opened]
            saved = protocol and summarize_protocol(
                protocol, results, _trained_on(scoring.run.sources, specs)
            )
            report_results(results, json_file, saved)


@dataclass(frozen=True)
class ScoringRun:
    """An opened run, its network, and the processes that score it.

    Attributes:
        run: what was opened.
        model: the network, on the device.
        accelerator: whose device and processes are used.
    """

    run: OpenedRun
    model: nn.Module
    accelerator: Accelerator

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.accelerator.is_main_process

    def datasets(
        self,
        names: Sequence[str],
        split: str | None,
        *,
        scorable: bool = True,
        protocol: ProtocolName | None = None,
    ) -> list[SegmentationDataset]:
        """Index the files of data sets of the run or of mapping files; see ``evaluate_run``.

        Raises:
            HarmonizeError: what is wrong with any of them, also that none of its classes can be
                answered, if they must be ``scorable``.
        """
        sources, config = self.run.sources, self.run.config
        pairs = _chosen(sources, config, names, split)
        if protocol is not None:
            pairs = [(for_benchmark(spec), its) for spec, its in pairs]
            specs = [spec for spec, _ in pairs]
            check_protocol(
                protocol,
                [spec.name for spec in specs],
                _trained_on(sources, specs),
                own_norms=config.model.norm == PER_DATASET,
            )
        if scorable:
            raise_all(unscorable_in_all(sources, [spec for spec, _ in pairs]))
        return open_datasets(pairs, config.data.roots, bands=config.model.bands)

    def score(
        self, datasets: list[SegmentationDataset], *, benchmark: bool = False
    ) -> list[DatasetScores]:
        """Score the network on data sets, as their benchmarks do if this is asked for.

        Every process must call this.
        """
        config = self.run.config
        skip = config.data.on_bad_sample == "skip"
        bad = BadList(datasets, config.data.bad_share) if skip else None
        return score(
            self.model,
            datasets,
            self.run.sources,
            config,
            self.accelerator,
            bad,
            progress=self.is_main,
            benchmark=benchmark,
        )


@contextlib.contextmanager
def open_for_scoring(
    run: Path,
    which: str,
    overrides: Iterable[str],
    *,
    trust_code: bool = False,
    last: bool = True,
    several: Several = "refused",
    ontology: str | None = None,
) -> Iterator[ScoringRun]:
    """Open a run's ``best`` or ``last`` checkpoint, and join the other processes.

    These part at the end if this is the ``last`` thing that they do together. Of ``several`` trees
    one is opened by ``ontology``; see ``open_run``.

    Raises:
        HarmonizeError: what the user can mend; see ``open_run``.
    """
    opened = open_run(
        run,
        which=which,
        overrides=overrides,
        trust_code=trust_code,
        several=several,
        ontology=ontology,
    )
    accelerator = start_accelerator(opened.config.train.precision)
    yield ScoringRun(opened, opened.network(accelerator.device), accelerator)
    if last:
        accelerator.end_training()


def _chosen(
    sources: Sources, config: RunConfig, datasets: Sequence[str], split: str | None
) -> list[tuple[DatasetSpec, str]]:
    """Return the mappings and splits that are to be scored."""
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
    raise_all(problems)
    if not pairs:
        raise HarmonizeError("the run's config scores no data set; name one with --dataset")
    return pairs


def _trained_on(sources: Sources, specs: Iterable[DatasetSpec]) -> set[str]:
    """Return the names of the data sets whose pictures are trained on, by whatever mapping."""
    names = set(sources.trained_names)
    places = {
        (spec.root, spec.picture.text) for entry, spec in sources.trained if entry.train is not None
    }
    return {
        spec.name
        for spec in specs
        if spec.name in names
        or (spec.root is not None and (spec.root, spec.picture.text) in places)
    }
