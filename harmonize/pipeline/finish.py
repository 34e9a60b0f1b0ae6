"""What is made of a run at its end: its scores, its calibration, its report."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from accelerate import Accelerator

from harmonize.calibration.calibration_file import write_calibration
from harmonize.calibration.fitting import calibrate_trees
from harmonize.config.run_config import RunConfig
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import HarmonizeError, printable
from harmonize.evaluation.dataset_scores import DatasetScores
from harmonize.evaluation.results import report_results
from harmonize.labels.sources import Sources
from harmonize.report.make_report import make_report
from harmonize.runs import checkpoints
from harmonize.runs.opened import OpenedRun
from harmonize.runs.run_folder import EVALUATION
from harmonize.training.scoring import own_sizes


def finish(
    results: list[DatasetScores],
    scored: Sequence[SegmentationDataset],
    sources: Sources,
    config: RunConfig,
    output: Path,
    accelerator: Accelerator,
    *,
    step: int,
    opener: Callable[[Path], OpenedRun],
) -> None:
    """Print and write the scores, then calibrate the network and write the report.

    One process must call this. The run is whole once its scores are written; what fails after that
    is only warned of.

    Args:
        results: the scores after the last step.
        scored: the data sets that they are of.
        sources, config: of the run.
        output: the run folder.
        accelerator: that the report's pictures are answered with.
        step: the last one, before ``train.steps`` if the run lost patience.
        opener: opens the run folder for its network.

    Raises:
        HarmonizeError: the scores cannot be written.
    """
    report_results(results, output / EVALUATION)
    with _warned("the run is not calibrated"):
        _calibrate(results, scored, sources, config, output, step)
    if config.train.report:
        with _warned("the run has no report"):
            make_report([output], accelerator=accelerator, opener=opener)


@contextlib.contextmanager
def _warned(loss: str) -> Iterator[None]:
    """Warn of what the user or the machine is to blame for, and say what is missing then."""
    try:
        yield
    except (HarmonizeError, OSError, MemoryError, RuntimeError) as error:
        problems = error.problems if isinstance(error, HarmonizeError) else (str(error),)
        for problem in problems:
            print(printable(f"warning: {loss}: {problem}"), file=sys.stderr)


def _calibrate(
    results: list[DatasetScores],
    scored: Sequence[SegmentationDataset],
    sources: Sources,
    config: RunConfig,
    output: Path,
    step: int,
) -> None:
    """Write the temperatures that fit the scored pictures, and say where they do not hold."""
    specs = [dataset.spec for dataset in scored]
    found, problems = calibrate_trees(results, specs, sources)
    for problem in problems:
        print(printable(f"not calibrated: {problem}"))
    if found:
        write_calibration(
            output,
            found,
            checkpoint=checkpoints.step_path(output, step).name,
            step=step,
            config=config,
            sizes=own_sizes(config, sources),
        )
