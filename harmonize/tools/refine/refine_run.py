"""Complete the labels of a data set with the network of a run folder."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError, printable
from harmonize.pipeline.evaluate_run import ScoringRun, open_for_scoring
from harmonize.pipeline.train import train
from harmonize.runs.opened import OpenedRun
from harmonize.system.agreement import together
from harmonize.system.progress import tell
from harmonize.tools.refine.refine_job import PAGE
from harmonize.tools.refine.refine_options import RefineOptions
from harmonize.tools.refine.refine_plan import fitting_sets, plan_job
from harmonize.tools.refine.refine_results import RefineResults
from harmonize.tools.refine.rounds import beside, with_refined


def refine_run(
    run: Path,
    *,
    dataset: str,
    split: str | None,
    output: Path,
    options: RefineOptions,
    overrides: Iterable[str] = (),
) -> RefineResults:
    """Complete the labels of a data set's split, and write them as a data set of its own.

    Every process must call this; each completes every n-th picture. In several rounds the run is
    trained once more after each but the last, on the completed labels as well, and the next round
    is that network's; these rounds lie in folders beside the output.

    Args:
        run: the run folder.
        dataset: a data set of the run, or a mapping file.
        split: whose labels are completed; that which the run trains on, else ``train``.
        output: a new folder.
        options: how.
        overrides: of the run's config, such as ``data.roots.NAME=FOLDER``.

    Raises:
        HarmonizeError: what the user can mend.
    """
    options.check()
    changes = list(overrides)
    for number in range(1, options.rounds + 1):
        last = number == options.rounds
        target = output if last else beside(output, f"round-{number}")
        with open_for_scoring(
            run,
            options.checkpoint,
            changes,
            trust_code=options.trust_code,
            last=last,
            several="one",
            ontology=options.ontology,
        ) as scoring:
            if scoring.run.tree is not None and options.rounds > 1:
                raise HarmonizeError(
                    f"--rounds {options.rounds}: would train on labels of {scoring.run.tree} "
                    "alone, and the run has several trees; leave it out"
                )
            split = split or _default_split(scoring.run, dataset)
            data = scoring.datasets([dataset], split, scorable=False)[0]
            results = refine_dataset(scoring, data, output=target, options=options)
            if last:
                return results
            config = with_refined(scoring.run, data, target, options)
        run = train(
            dataclasses.replace(config, output=str(beside(output, f"round-{number}-run"))),
            name="refined",
        )
    raise AssertionError("there is at least one round")


def refine_dataset(
    scoring: ScoringRun, data: SegmentationDataset, *, output: Path, options: RefineOptions
) -> RefineResults:
    """Complete the labels of pictures with an opened run; see ``refine_run``."""
    job = plan_job(scoring, data, output, options)
    if scoring.is_main:
        job.calibration.tell()
    with together():
        if scoring.is_main:
            job.target.begin()
    thresholds = job.thresholds(fitting_sets(scoring, data, options))
    results = job.complete(thresholds)
    if scoring.is_main:
        print(*map(printable, results.table().split("\n")), sep="\n")
        tell(f"\n{job.target.mapping} is written; see {output / PAGE}")
    return results


def _default_split(opened: OpenedRun, dataset: str) -> str:
    known = {spec.name: entry.train for entry, spec in opened.sources.trained}
    return known.get(dataset) or "train"
