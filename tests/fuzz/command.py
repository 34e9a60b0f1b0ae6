"""The command behind scripts/fuzz.py."""

import argparse
from pathlib import Path

from fuzz.running import TARGETS, Outcome, run


def main() -> int:
    """Read so many inputs of each kind, print counts and failures; return 1 if there is any."""
    parser = argparse.ArgumentParser(description="Give malformed input to all that reads any.")
    parser.add_argument("--inputs", type=int, default=10_000, metavar="N", help="of each kind")
    parser.add_argument("--what", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--first", type=int, default=0, metavar="N", help="number of the first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep the input of each failure here"
    )
    given = parser.parse_args()
    numbers = range(given.first, given.first + given.inputs)
    keep = None if given.keep is None else given.keep.absolute()
    outcomes = {what: run(what, numbers, seed=given.seed, keep=keep) for what in given.what}
    for what, outcome in outcomes.items():
        print("\n".join(_describe(what, outcome)))
    return 1 if any(outcome.failures for outcome in outcomes.values()) else 0


def _describe(what: str, outcome: Outcome) -> list[str]:
    failed = sum(map(len, outcome.failures.values()))
    lines = [
        f"{what}: {outcome.inputs} inputs in {outcome.seconds:.0f} s, the slowest one "
        f"{outcome.slowest:.2f} s of processor time; {failed} failed"
    ]
    for reason, numbers in sorted(outcome.failures.items(), key=lambda pair: -len(pair[1])):
        shown = ", ".join(map(str, numbers[:3]))
        lines.append(f"  {len(numbers)} times (inputs {shown}): {reason}")
    return lines
