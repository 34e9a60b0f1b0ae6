"""Train one network on several data sets, as `harmonize train`.

accelerate launch scripts/train_mixed.py [--config FILE] [key.path=value ...]
"""

import sys

from harmonize.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
