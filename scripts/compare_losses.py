"""Compare the flat, the finest and the hierarchical loss on identical input, as the paper does.

    accelerate launch scripts/compare_losses.py --config FILE [--seeds 0 1]
        [--losses flat finest hierarchical] [-o DIR] [key.path=value ...]

Each loss is trained once with each seed. A study that was interrupted goes on with the same
command; one that is finished only has its tables and figures made again.
"""

from pathlib import Path

from harmonize.system.agreement import together
from harmonize.system.processes import mistakes_shown, processes
from harmonize.tools.studies.compare_losses import compare_losses
from harmonize.tools.studies.loss_plan import LOSSES, SET_BY_IT
from harmonize.tools.studies.study_command import (
    parse_seeds,
    read_shared,
    study_parser,
    take_overrides,
)


def main() -> None:
    """Read the command line, train and compare."""
    parser = study_parser((__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--losses", nargs="+", default=list(LOSSES), metavar="LOSS", help="(default: all three)"
    )
    arguments = parser.parse_intermixed_args()
    with mistakes_shown():
        state = processes()
        with together():
            overrides = take_overrides(arguments, "seeds", "losses")
            seeds = parse_seeds(arguments.seeds)
            config = read_shared(arguments.config, overrides, own=SET_BY_IT)
        compare_losses(
            config,
            name=Path(arguments.config).stem,
            seeds=seeds,
            losses=arguments.losses,
            folder=arguments.output,
        )
        state.destroy_process_group()


if __name__ == "__main__":
    main()
