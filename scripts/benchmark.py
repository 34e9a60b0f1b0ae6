"""Measure the loss, the loader, training and scoring, each against a baseline in the same run.

    python scripts/benchmark.py {loss,data,train,evaluate} [--device cpu|cuda] [--json FILE] ...
    accelerate launch scripts/benchmark.py train [--config FILE] [key.path=value ...]

`python scripts/benchmark.py loss --help` lists the sizes that can be chosen.
"""

from harmonize.tools.benchmark.benchmark_command import main

if __name__ == "__main__":
    main()
