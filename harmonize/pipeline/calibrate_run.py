"""Calibrate the network of a run folder, so that its probabilities can be relied on."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from harmonize.calibration.calibration_file import write_calibration
from harmonize.calibration.fitting import calibrate_trees
from harmonize.data.dataset import SegmentationDataset
from harmonize.errors import printable, raise_all
from harmonize.labels.sources import Sources
from harmonize.pipeline.evaluate_run import open_for_scoring
from harmonize.plurals import counted
from harmonize.system.progress import tell
from harmonize.training.scoring import own_sizes


def calibrate_run(
    run: Path,
    *,
    datasets: Sequence[str] = (),
    split: str | None = None,
    check: str | None = None,
    which: str = "last",
    overrides: Iterable[str] = (),
    trust_code: bool = False,
) -> None:
    """Calibrate a run's checkpoint, print what that is worth, and write it into the run folder.

    Args:
        run: the run folder.
        datasets: names of the run's data sets, or mapping files; all that the config scores if
            empty.
        split: whose pictures are used; by default the split that the config scores, else ``val``.
        check: the split that the result is checked on. Unless given, temperatures are fitted on
            the first half of a split's pictures and checked on the others.
        which: ``best`` or ``last`` checkpoint.
        overrides: of the run's config, such as ``data.roots.NAME=FOLDER``.
        trust_code: run the code that the run's network is, where it is not harmonize's own.

    Raises:
        HarmonizeError: what the user can mend.
    """
    with open_for_scoring(run, which, overrides, trust_code=trust_code, several="any") as scoring:
        opened = scoring.run
        fitted = scoring.datasets(datasets, split)
        checked = [] if check is None else scoring.datasets(datasets, check)
        raise_all(
            f"--check {check}: {one.spec.name} is fitted on this split; leave the option out to "
            "fit on one half and check on the other"
            for one in fitted
            if one.split == check
        )
        if scoring.is_main:
            warn_of_trained(opened.sources, [*fitted, *checked])
        results = scoring.score(fitted)
        checks = scoring.score(checked) if checked else None
        if scoring.is_main:
            tell(f"{opened.path}, after {counted(opened.state.step, 'step')}")
            found, problems = calibrate_trees(
                results,
                [dataset.spec for dataset in fitted],
                opened.sources,
                checks,
                decode=opened.config.evaluate.decode,
            )
            for one in found:
                print("", *map(printable, one.table().split("\n")), sep="\n")
            if not found:
                raise_all(problems)
            for problem in problems:
                print(printable(f"warning: {problem}"), file=sys.stderr)
            path = write_calibration(
                run,
                found,
                checkpoint=opened.path.name,
                step=opened.state.step,
                config=opened.config,
                sizes=own_sizes(opened.config, opened.sources),
            )
            tell(f"\n{path} is written")


def warn_of_trained(sources: Sources, used: Sequence[SegmentationDataset]) -> None:
    """Say of which data sets the network knows the pictures, so that it is too sure of them."""
    trained = {(spec.name, entry.train) for entry, spec in sources.trained}
    for dataset in used:
        if (dataset.spec.name, dataset.split) in trained:
            print(
                printable(
                    f"warning: {dataset.spec.name}: the network was trained on the split "
                    f"{dataset.split}, so what is found does not hold for other pictures"
                ),
                file=sys.stderr,
            )
