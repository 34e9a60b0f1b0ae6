"""The commands that ``accelerate launch -m harmonize`` may start in several processes."""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harmonize.cli.arguments import (
    add_checkpoint,
    add_datasets,
    add_force,
    add_overrides,
    add_quiet,
    add_trust,
    command_parser,
    take_overrides,
)
from harmonize.config.run_config import RunConfig, find_file
from harmonize.config.strict_yaml import Document
from harmonize.errors import HarmonizeError
from harmonize.system.progress import be_quiet
from harmonize.tools.studies.study_command import parse_seeds, read_shared

DEMO_CONFIG = "configs/demo.yaml"
DEMO_DATA = Path("data/demo")


def train(words: Sequence[str]) -> int:
    """Train one network on several data sets.

    Without a config the demo runs: two small synthetic face sets are drawn, trained on and scored.
    An interrupted run is continued by train.resume=true output=RUN_DIR.
    """
    parser = command_parser(train)
    parser.add_argument(
        "--config", metavar="FILE", help=f"a run's config (default: the demo, {DEMO_CONFIG})"
    )
    add_overrides(parser)
    add_quiet(parser, "the scores at the end, warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    for word in given.overrides:
        if word.endswith((".yaml", ".yml")) and "=" not in word:
            parser.error(f"{word}: a config is named by an option; say --config {word}")
    from harmonize.demo.demo_data import write_demo_data  # slow to import, as are all below
    from harmonize.pipeline.preflight import check_run
    from harmonize.pipeline.train import train as train_config
    from harmonize.system.agreement import together
    from harmonize.system.processes import processes

    state = processes()
    with together():
        name = given.config
        if name is None:
            name = _resumed_config(given.overrides) or DEMO_CONFIG
        path = find_file(name)
        config = RunConfig.from_file(path, given.overrides)
        demo = path == find_file(DEMO_CONFIG)
        if demo:
            check_run(config)
    for writes in (state.is_main_process, state.is_local_main_process):  # one after the other
        with together():
            if demo and writes:
                write_demo_data(DEMO_DATA)
    train_config(config, name=path.stem)
    state.destroy_process_group()
    return 0


def _resumed_config(overrides: Sequence[str]) -> str | None:
    """Return the config in the run folder that the overrides say to resume, if they do."""
    from harmonize.runs.run_folder import CONFIG, run_folder

    given = Document("command line", {})
    for override in overrides:
        given.override(override)
    output = given.get(("output",))
    if given.get(("train", "resume")) is not True:
        return None
    if not isinstance(output, str):
        raise HarmonizeError("train.resume: say which run to continue: output=RUN_DIR")
    return str(run_folder(output) / CONFIG)


def evaluate(words: Sequence[str]) -> int:
    """Score a trained network on data sets, each in its own classes.

    Without --dataset, the data sets of the run's config are scored. Of a data set that the run was
    not trained on, the classes are scored that its trained sets teach; the others are listed as
    left out.
    """
    parser = command_parser(evaluate)
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="the run folder")
    add_datasets(parser)
    add_checkpoint(parser)
    add_trust(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the scores here as well")
    add_force(parser)
    parser.add_argument(
        "--protocol",
        choices=["mseg", "rvc"],
        help="score as MSeg (CVPR 2020) or the Robust Vision Challenge do",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="key.path=value", help="such as data.roots.NAME=FOLDER"
    )
    add_quiet(parser, "scores, warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    overrides = take_overrides(given, "dataset")
    from harmonize.pipeline.evaluate_run import evaluate_run  # slow to import

    evaluate_run(
        given.run,
        datasets=given.dataset,
        split=given.split,
        which=given.checkpoint,
        json_file=given.json,
        force=given.force,
        overrides=overrides,
        trust_code=given.trust_code,
        protocol=given.protocol,
    )
    return 0


def compare_losses(words: Sequence[str]) -> int:
    """Compare the flat, the finest and the hierarchical loss on identical input.

    Each loss is trained once with each seed. A study that was interrupted goes on with the same
    command; one that is finished only has its tables and figures made again.
    """
    parser = _study_parser(compare_losses)
    parser.add_argument("--losses", nargs="+", metavar="LOSS", help="(default: all three)")
    given = parser.parse_intermixed_args(words)
    from harmonize.system.agreement import together  # slow to import, as are all below
    from harmonize.system.processes import processes
    from harmonize.tools.studies.compare_losses import compare_losses as compare
    from harmonize.tools.studies.loss_plan import LOSSES, SET_BY_IT

    given.losses = given.losses or list(LOSSES)
    state = processes()
    with together():
        overrides = take_overrides(given, "seeds", "losses")
        seeds = parse_seeds(given.seeds)
        config = read_shared(given.config, overrides, own=SET_BY_IT)
    name = Path(given.config).stem
    compare(
        config, name=name, seeds=seeds, losses=given.losses, folder=given.output, force=given.force
    )
    state.destroy_process_group()
    return 0


def label_efficiency(words: Sequence[str]) -> int:
    """See how much of what fine labels would give coarse labels recover.

    A share of the pictures keeps its fine labels. The network is trained on these alone, on these
    and on the other pictures with labels coarsened to a depth, and on all pictures with fine
    labels. A study that was interrupted goes on with the same command; one that is finished only
    has its table and plot made again.
    """
    parser = _study_parser(label_efficiency)
    parser.add_argument(
        "--shares",
        nargs="+",
        default=["1/2", "1/4", "1/8"],
        metavar="SHARE",
        help="of the pictures that have fine labels (default: 1/2 1/4 1/8)",
    )
    parser.add_argument("--depth", type=int, default=1, help="of the coarse labels (default: 1)")
    parser.add_argument("--dataset", metavar="NAME", help="that the study is made on")
    given = parser.parse_intermixed_args(words)
    from harmonize.system.agreement import together  # slow to import, as are all below
    from harmonize.system.processes import processes
    from harmonize.tools.studies.label_efficiency import label_efficiency as study
    from harmonize.tools.studies.label_plan import parse_shares

    state = processes()
    with together():
        overrides = take_overrides(given, "seeds", "shares")
        seeds, shares = parse_seeds(given.seeds), parse_shares(given.shares)
        config = read_shared(given.config, overrides, own=())
    study(
        config,
        name=Path(given.config).stem,
        seeds=seeds,
        shares=shares,
        depth=given.depth,
        dataset=given.dataset,
        folder=given.output,
        force=given.force,
    )
    state.destroy_process_group()
    return 0


def study(words: Sequence[str]) -> int:
    """Study whether coarse labels pay: harmonize study pays --config FILE --coarse NAME.

    The network is trained on the fine sets of a config alone, with the coarse ones beside them, and
    with these completed by the first network or during training, on as many samples of the fine
    sets each. A study that was interrupted goes on with the same command; what is finished is not
    done again.
    """
    parser = _study_parser(study, kind="pays", about="whether they pay")
    parser.add_argument(
        "--coarse", nargs="+", required=True, metavar="NAME", help="sets with coarse labels"
    )
    parser.add_argument(
        "--arms",
        nargs="+",
        metavar="ARM",
        help="of fine, coarse, finest, refined, 'refined twice', in-run, truth (default: all)",
    )
    parser.add_argument(
        "--confidence",
        type=float,
        default=0.5,
        metavar="P",
        help="at which labels are completed (default: 0.5)",
    )
    given = parser.parse_intermixed_args(words)
    from harmonize.system.agreement import together  # slow to import, as are all below
    from harmonize.system.processes import processes
    from harmonize.tools.refine.refine_options import RefineOptions
    from harmonize.tools.studies.pays_study import pays

    state = processes()
    with together():
        given.arms = given.arms or []
        overrides = take_overrides(given, "seeds", "coarse", "arms")
        seeds = parse_seeds(given.seeds)
        RefineOptions(confidence=given.confidence).check()
        config = read_shared(given.config, overrides, own=())
    pays(
        config,
        name=Path(given.config).stem,
        coarse=given.coarse,
        arms=given.arms or None,
        seeds=seeds,
        confidence=given.confidence,
        folder=given.output,
        force=given.force,
    )
    state.destroy_process_group()
    return 0


def _study_parser(
    command: Callable[..., Any], *, kind: str | None = None, about: str = ""
) -> argparse.ArgumentParser:
    """Return a parser of what all studies take; the first word is the kind if there is one."""
    parser = command_parser(command)
    if kind is not None:  # before the overrides, which take all words that follow
        parser.add_argument("kind", choices=[kind], metavar=kind, help=about)
    parser.add_argument("--config", required=True, metavar="FILE", help="what the runs share")
    parser.add_argument(
        "--seeds", nargs="+", default=["0", "1"], metavar="SEED", help="(default: 0 1)"
    )
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="where all of it goes")
    add_force(parser)
    add_overrides(parser)
    return parser


def benchmark(words: Sequence[str]) -> int:
    """Measure the loss, the loader, training and scoring, each against a baseline."""
    from harmonize.cli.benchmark_command import run_benchmark  # slow to import

    return run_benchmark(words)


def chaos(words: Sequence[str]) -> int:
    """Kill a run at random instants, resume it, and compare it with one left alone.

    All processes of the run are killed at once with SIGKILL, half of the times while a checkpoint
    is written. The exit status is 1 if anything differs.
    """
    parser = command_parser(chaos)
    parser.add_argument("--rounds", type=int, default=100, help="kills (default: 100)")
    parser.add_argument("--processes", type=int, default=1, help="that train together (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="of the instants (default: 0)")
    parser.add_argument("--folder", type=Path, help="keep the runs here (default: nowhere)")
    given = parser.parse_intermixed_args(words)
    from harmonize.tools.chaos import Chaos  # slow to import

    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        folder = given.folder or Path(scratch)
        tally = Chaos(folder, processes=given.processes, seed=given.seed).run(given.rounds)
    print(tally.summary())
    return 1 if tally.differences else 0
