"""Score a trained network on data sets, as `harmonize evaluate`.

accelerate launch scripts/evaluate.py RUN_DIR [--dataset NAME_OR_YAML ...] [--split NAME]
    [--checkpoint best|last] [--json FILE] [key.path=value ...]
"""

import sys

from harmonize.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
