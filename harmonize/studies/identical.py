"""The proof that several runs began with the same weights and were fed the same input."""

from collections.abc import Mapping

from harmonize.errors import HarmonizeError
from harmonize.studies.reading import RunRecord


def check_same_weights(runs: Mapping[str, RunRecord], *, seed: int) -> str:
    """Return the checksum of the initial weights that all runs of a seed share.

    Raises:
        HarmonizeError: naming the run whose weights are others.
    """
    (first, reference), *others = runs.items()
    weights: str = reference.start["weights"]
    for name, run in others:
        if run.start["weights"] != weights:
            raise HarmonizeError(
                f"seed {seed}: {name} started from other weights than {first} (step 0), "
                f"{run.start['weights']} instead of {weights}; nothing can be compared"
            )
    return weights


def check_same_input(runs: Mapping[str, RunRecord], *, seed: int) -> tuple[int, int]:
    """Return how many steps of a seed's runs have provably had the same input, and of how many.

    A line that was cut by an interruption has no checksum, so its steps are not proven.

    Raises:
        HarmonizeError: naming the first step whose input differs, and the run.
    """
    (first, reference), *others = runs.items()
    for name, run in others:
        if _steps(run) != _steps(reference):
            raise HarmonizeError(
                f"seed {seed}: {name} and {first} did not log the same steps; "
                f"remove {run.folder} or {reference.folder}, and it is trained again"
            )
    proven, before = 0, 0
    for number, line in enumerate(reference.training):
        inputs = {name: run.training[number]["input"] for name, run in runs.items()}
        known = {name: value for name, value in inputs.items() if value is not None}
        for name, value in known.items():
            if value != next(iter(known.values())):
                raise HarmonizeError(
                    f"seed {seed}: {name} was fed other input than {next(iter(known))} in the "
                    f"steps {before + 1} to {line['step']}; nothing can be compared"
                )
        if len(known) == len(runs):
            proven += line["step"] - before
        before = line["step"]
    return proven, before


def _steps(run: RunRecord) -> list[int]:
    return [line["step"] for line in run.training]
