"""Train one network on several data sets.

    accelerate launch scripts/train_mixed.py [--config FILE] [key.path=value ...]

Without a config the demo runs: two small synthetic face sets are drawn, trained on and scored.
An interrupted run is continued by `train.resume=true output=RUN_DIR`.
"""

import argparse
from pathlib import Path

from harmonize.commands import mistakes_shown, processes
from harmonize.config import RunConfig, find_file
from harmonize.data.demo import write_demo_data
from harmonize.training.output import CONFIG
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
        resumed = resumed_config(arguments.overrides)
        path = find_file(arguments.config or resumed or DEMO_CONFIG)
        config = RunConfig.from_file(path, arguments.overrides)
        if path == find_file(DEMO_CONFIG):
            with processes().main_process_first():
                write_demo_data(DEMO_DATA)
        train(config, name=path.stem)


def resumed_config(overrides: list[str]) -> str | None:
    """Return the config in the run folder that the overrides say to resume, if they do."""
    given = dict(override.split("=", 1) for override in overrides if "=" in override)
    if given.get("train.resume") != "true" or "output" not in given:
        return None
    config = Path(given["output"]).expanduser() / CONFIG
    return str(config) if config.is_file() else None


if __name__ == "__main__":
    main()
