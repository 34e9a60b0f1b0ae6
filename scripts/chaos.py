"""Kill a run at random instants and resume it, as `harmonize chaos`.

python scripts/chaos.py --rounds 100 [--processes 2] [--seed 0] [--folder DIR]
"""

import sys

from harmonize.cli import main

if __name__ == "__main__":
    sys.exit(main(["chaos", *sys.argv[1:]]))
