"""Kill a run at random instants, resume it each time, and compare it with one left alone.

    python scripts/chaos.py --rounds 100 [--processes 2] [--seed 0] [--folder DIR]

All processes of the run are killed at once with SIGKILL, half of the times while a checkpoint is
written. The exit status is 1 if anything differs.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from harmonize.tools.chaos import Chaos


def main() -> int:
    """Read the command line and kill."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100, help="kills")
    parser.add_argument("--processes", type=int, default=1, help="that train together")
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    parser.add_argument("--folder", type=Path, help="keep the runs here (default: nowhere)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        chaos = Chaos(
            arguments.folder or Path(scratch), processes=arguments.processes, seed=arguments.seed
        )
        tally = chaos.run(arguments.rounds)
    print(tally.summary())
    return 1 if tally.differences else 0


if __name__ == "__main__":
    sys.exit(main())
