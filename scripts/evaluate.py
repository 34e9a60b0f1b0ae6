"""Score a trained network on data sets, each in its own classes.

    accelerate launch scripts/evaluate.py RUN_DIR [--dataset NAME_OR_YAML ...] [--split NAME]
        [--checkpoint best|last] [--json FILE] [key.path=value ...]

Without --dataset, the data sets of the run's config are scored. Of a data set that the run was not
trained on, the classes are scored that its trained sets teach; the others are listed as left out.
"""

import argparse
from pathlib import Path

from harmonize.pipeline.evaluate_run import evaluate_run
from harmonize.system.processes import mistakes_shown


def main() -> None:
    """Read the command line and score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run folder")
    parser.add_argument(
        "--dataset",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME_OR_YAML",
        help="data sets of the run by name, or any mappings",
    )
    parser.add_argument("--split", help="the split to score (default: the config's, else val)")
    parser.add_argument("--checkpoint", choices=["best", "last"], default="last")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores here as well")
    parser.add_argument(
        "overrides", nargs="*", metavar="key.path=value", help="such as data.roots.NAME=FOLDER"
    )
    arguments = parser.parse_intermixed_args()
    with mistakes_shown():
        datasets = [word for word in arguments.dataset if "=" not in word]
        evaluate_run(
            arguments.run,
            datasets=datasets,
            split=arguments.split,
            which=arguments.checkpoint,
            json_file=arguments.json,
            overrides=[*arguments.overrides, *(w for w in arguments.dataset if "=" in w)],
        )


if __name__ == "__main__":
    main()
