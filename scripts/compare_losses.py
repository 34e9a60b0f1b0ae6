"""Compare losses on identical input, as `harmonize compare-losses`.

accelerate launch scripts/compare_losses.py --config FILE [--seeds 0 1]
    [--losses flat finest hierarchical] [-o DIR] [key.path=value ...]
"""

import sys

from harmonize.cli import main

if __name__ == "__main__":
    sys.exit(main(["compare-losses", *sys.argv[1:]]))
