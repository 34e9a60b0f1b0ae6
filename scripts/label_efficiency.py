"""See what coarse labels are worth, as `harmonize label-efficiency`.

accelerate launch scripts/label_efficiency.py --config FILE [--shares 1/2 1/4 1/8] [--depth 1]
    [--dataset NAME] [--seeds 0 1] [-o DIR] [key.path=value ...]
"""

import sys

from harmonize.cli import main

if __name__ == "__main__":
    sys.exit(main(["label-efficiency", *sys.argv[1:]]))
