"""Measure each part against a baseline, as `harmonize benchmark`.

python scripts/benchmark.py {loss,data,train,evaluate,predict} [--device cpu|cuda] [--json FILE] ...
python scripts/benchmark.py gpu [--parts PART ...] [--json FILE]
accelerate launch scripts/benchmark.py train [--config FILE] [key.path=value ...]
"""

import sys

from harmonize.cli import main

if __name__ == "__main__":
    sys.exit(main(["benchmark", *sys.argv[1:]]))
