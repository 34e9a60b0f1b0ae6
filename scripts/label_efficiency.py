"""See how much of what fine labels would give coarse labels recover.

    accelerate launch scripts/label_efficiency.py --config FILE [--shares 1/2 1/4 1/8] [--depth 1]
        [--dataset NAME] [--seeds 0 1] [-o DIR] [key.path=value ...]

A share of the pictures keeps its fine labels. The network is trained on these alone, on these and
on the other pictures with labels coarsened to a depth, and on all pictures with fine labels. A
study that was interrupted goes on with the same command; one that is finished only has its table
and plot made again.
"""

from pathlib import Path

from harmonize.system.agreement import together
from harmonize.system.processes import mistakes_shown, processes
from harmonize.tools.studies.label_efficiency import label_efficiency
from harmonize.tools.studies.label_plan import parse_shares
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
        "--shares",
        nargs="+",
        default=["1/2", "1/4", "1/8"],
        metavar="SHARE",
        help="of the pictures that have fine labels (default: 1/2 1/4 1/8)",
    )
    parser.add_argument("--depth", type=int, default=1, help="of the coarse labels (default: 1)")
    parser.add_argument("--dataset", metavar="NAME", help="that the study is made on")
    arguments = parser.parse_intermixed_args()
    with mistakes_shown():
        state = processes()
        with together():
            overrides = take_overrides(arguments, "seeds", "shares")
            seeds = parse_seeds(arguments.seeds)
            shares = parse_shares(arguments.shares)
            config = read_shared(arguments.config, overrides, own=())
        label_efficiency(
            config,
            name=Path(arguments.config).stem,
            seeds=seeds,
            shares=shares,
            depth=arguments.depth,
            dataset=arguments.dataset,
            folder=arguments.output,
        )
        state.destroy_process_group()


if __name__ == "__main__":
    main()
