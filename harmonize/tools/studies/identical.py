"""The proof that several runs began with the same weights and were fed the same input."""

from collections.abc import Mapping
from dataclasses import dataclass

from harmonize.errors import HarmonizeError
from harmonize.tools.studies.finished_runs import RunRecord


@dataclass(frozen=True)
class Proof:
    """What the checksums of a seed's runs prove.

    Attributes:
        weights: the checksum of the initial weights, which all runs share.
        steps: how many steps had the same input in all runs.
        of: how many steps there are; a line of the log that an interruption cut has no checksum.
    """

    weights: str
    steps: int
    of: int


def prove_identical(runs: Mapping[str, RunRecord], *, seed: int) -> Proof:
    """Compare the checksums of a seed's runs, which are named by their loss.

    They have lines of the same steps; see ``check_same_steps``.

    Raises:
        HarmonizeError: naming the run that differs, and the step.
    """
    weights = check_same_weights(runs, seed=seed)
    proven, before = 0, 0
    for lines in zip(*(run.training for run in runs.values()), strict=True):
        step = lines[0]["step"]
        inputs = {name: line["input"] for name, line in zip(runs, lines, strict=True)}
        known = {name: value for name, value in inputs.items() if value is not None}
        other = next((n for n, value in known.items() if value != next(iter(known.values()))), None)
        if other is not None:
            raise HarmonizeError(
                f"seed {seed}: {other} was fed other input than {next(iter(known))} in the steps "
                f"{before + 1} to {step}, so nothing can be compared; have the data or the number "
                "of processes changed?"
            )
        proven += step - before if len(known) == len(runs) else 0
        before = step
    return Proof(weights, proven, before)


def check_same_weights(runs: Mapping[str, RunRecord], *, seed: int) -> str:
    """Return the checksum of the initial weights that all runs of a seed share.

    Raises:
        HarmonizeError: naming the run whose weights are others.
    """
    first, reference = next(iter(runs.items()))
    weights: str = reference.start["weights"]
    for name, run in runs.items():
        if run.start["weights"] != weights:
            raise HarmonizeError(
                f"seed {seed}: {name} started from other weights than {first} (at step 0), so "
                "nothing can be compared; has the version of PyTorch changed?"
            )
    return weights
