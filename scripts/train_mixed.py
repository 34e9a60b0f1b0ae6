"""Train one network on several data sets.

    accelerate launch scripts/train_mixed.py [--config FILE] [key.path=value ...]

Without a config the demo runs: two small synthetic face sets are drawn, trained on and scored.
"""

import argparse
from pathlib import Path

from harmonize.commands import mistakes_shown, processes
from harmonize.config import RunConfig, find_file
from harmonize.data.demo import write_demo_data
from harmonize.training.trainer import train

DEMO_CONFIG = "configs/demo.yaml"
DEMO_DATA = Path("data/demo")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", help=f"a run's config (default: the demo, {DEMO_CONFIG})")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="change the config")
    arguments = parser.parse_intermixed_args()
    with mistakes_shown():
        path = find_file(arguments.config or DEMO_CONFIG)
        config = RunConfig.from_file(path, arguments.overrides)
        if arguments.config is None:
            with processes().main_process_first():
                write_demo_data(DEMO_DATA)
        train(config, name=path.stem)


if __name__ == "__main__":
    main()
