"""Train one network on several data sets.

    accelerate launch scripts/train_mixed.py [--config FILE] [key.path=value ...]

Without a config the demo runs: two small synthetic face sets are drawn, trained on and scored.
An interrupted run is continued by `train.resume=true output=RUN_DIR`.
"""

import argparse
from pathlib import Path

from harmonize.config.run_config import RunConfig, find_file
from harmonize.config.strict_yaml import Document
from harmonize.demo.demo_data import write_demo_data
from harmonize.errors import HarmonizeError
from harmonize.pipeline.preflight import check_run
from harmonize.pipeline.train import train
from harmonize.runs.run_folder import CONFIG, run_folder
from harmonize.system.agreement import together
from harmonize.system.processes import mistakes_shown, processes

DEMO_CONFIG = "configs/demo.yaml"
DEMO_DATA = Path("data/demo")


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--config", help=f"a run's config (default: the demo, {DEMO_CONFIG})")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="change the config")
    arguments = parser.parse_intermixed_args()
    with mistakes_shown():
        state = processes()
        with together():
            name = arguments.config
            if name is None:
                name = resumed_config(arguments.overrides) or DEMO_CONFIG
            path = find_file(name)
            config = RunConfig.from_file(path, arguments.overrides)
            demo = path == find_file(DEMO_CONFIG)
            if demo:
                check_run(config)
        for writes in (state.is_main_process, state.is_local_main_process):  # one after the other
            with together():
                if demo and writes:
                    write_demo_data(DEMO_DATA)
        train(config, name=path.stem)
        state.destroy_process_group()


def resumed_config(overrides: list[str]) -> str | None:
    """Return the config in the run folder that the overrides say to resume, if they do."""
    given = Document("command line", {})
    for override in overrides:
        given.override(override)
    output = given.get(("output",))
    if given.get(("train", "resume")) is not True:
        return None
    if not isinstance(output, str):
        raise HarmonizeError("train.resume: say which run to continue: output=RUN_DIR")
    return str(run_folder(output) / CONFIG)


if __name__ == "__main__":
    main()
