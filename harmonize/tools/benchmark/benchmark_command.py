"""The command line of the benchmarks."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from harmonize.errors import HarmonizeError, raise_all
from harmonize.tools.benchmark import loader_speed, loss_speed, scoring_speed, training_speed
from harmonize.tools.benchmark.machine import choose_device, join_processes

BENCHMARKS: dict[str, tuple[Callable[..., Any], type[Any], dict[str, Any]]] = {
    "loss": (loss_speed.benchmark_loss, loss_speed.LossOptions, loss_speed.QUICK),
    "data": (loader_speed.benchmark_data, loader_speed.DataOptions, loader_speed.QUICK),
    "train": (training_speed.benchmark_train, training_speed.TrainOptions, training_speed.QUICK),
    "evaluate": (
        scoring_speed.benchmark_evaluate,
        scoring_speed.EvaluateOptions,
        scoring_speed.QUICK,
    ),
}
"""Each benchmark's function, its options and what a quick run takes in place of their defaults."""
_ZERO = ("workers",)
"""Options that may be 0."""


def run_benchmark(arguments: Sequence[str]) -> int:
    """Run a benchmark, print its tables, write them as JSON if asked, and return the status."""
    given = vars(_parser().parse_args(arguments))
    name, device = given.pop("benchmark"), given.pop("device")
    threads, quick, path = given.pop("threads"), given.pop("quick"), given.pop("json")
    measure, options, small = BENCHMARKS[name]
    _check(given | {"threads": threads})
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise HarmonizeError(f"--json {path}: name a file in a folder that exists")
    place = choose_device(device)
    if join_processes(place).num_processes > 1 and name != "train":
        raise HarmonizeError(f"{name}: only train is measured in several processes")
    if threads is not None:
        torch.set_num_threads(threads)
    report = measure(options(**_chosen(small if quick else {}, given)), place)
    if report is not None:
        print(report.draw())
        if path is not None:
            report.write(path)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harmonize benchmark", description="Measure, each against a baseline."
    )
    names = parser.add_subparsers(dest="benchmark", required=True, metavar="|".join(BENCHMARKS))
    _common(_loss(names.add_parser("loss", help=_first_line(loss_speed))))
    _common(_data(names.add_parser("data", help=_first_line(loader_speed))))
    _common(_train(names.add_parser("train", help=_first_line(training_speed))))
    _common(_evaluate(names.add_parser("evaluate", help=_first_line(scoring_speed))))
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto")
    parser.add_argument("--repeats", type=int, metavar="N", help="measurements of each candidate")
    parser.add_argument("--threads", type=int, metavar="N", help="of torch, on the CPU")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what is printed here too")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs at all")


def _loss(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--leaves", type=int, nargs="+", metavar="N")
    _sizes(parser, "pictures")
    growth = "sides of the growth table's pictures"
    parser.add_argument("--sizes", type=int, nargs="+", metavar="PIXELS", help=growth)
    parser.add_argument("--memory-limit", type=float, metavar="GIB", help="of one measurement")
    parser.add_argument(
        "--memory",
        action=argparse.BooleanOptionalAction,
        help="measure the peak of memory: on a CPU in a process for each loss (default: yes)",
    )
    parser.add_argument(
        "--listing-limit", type=float, metavar="S", help="seconds of one pass of the paper's loss"
    )
    return parser


def _data(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _run(parser)
    parser.add_argument("--sets", type=int, nargs="+", metavar="N", help="made-up data sets")
    parser.add_argument("--workers", type=int, nargs="+", metavar="N", help="loader processes")
    parser.add_argument("--format", choices=("jpg", "png"), help="of made-up pictures")
    parser.add_argument("--batches", type=int, metavar="N", help="measured in a row")
    return parser


def _train(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    _run(parser)
    parser.add_argument("--steps", type=int, metavar="N", help="measured in a row")
    return parser


def _evaluate(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--leaves", type=int, nargs="+", metavar="N")
    _sizes(parser, "pictures")
    parser.add_argument("--label-size", type=int, metavar="PIXELS", help="side of the labels")
    parser.add_argument("--model", metavar="NAME", help="unet, or a network of torchvision")
    parser.add_argument("--width", type=int, metavar="N", help="of the U-Net")
    return parser


def _run(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a run is."""
    parser.add_argument("--config", metavar="FILE", help="a run's config (default: made-up data)")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="change the config")
    _sizes(parser, "training crops")
    parser.add_argument("--pictures", type=int, metavar="N", help="in each made-up data set")
    size = "of made-up pictures, such as 4000x3000"
    parser.add_argument("--picture-size", type=_width_and_height, metavar="PIXELS", help=size)


def _width_and_height(text: str) -> list[int]:
    """Read one number, or a width and a height."""
    numbers = [int(part) for part in text.split("x")]
    if len(numbers) > 2:
        raise ValueError
    return numbers


def _sizes(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("--size", type=int, metavar="PIXELS", help=f"side of the {what}")
    parser.add_argument("--batch", type=int, metavar="N", help="pictures per batch")


def _check(given: dict[str, Any]) -> None:
    """Make sure that all sizes are such.

    Raises:
        HarmonizeError: naming all that are not.
    """
    problems: list[str] = []
    for name, value in given.items():
        numbers = value if isinstance(value, list) else [value]
        numbers = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)]
        wanted = "0 or more" if name in _ZERO else "more than 0"
        wrong = [n for n in numbers if not (n > 0 or (n == 0 and name in _ZERO))]
        option = f"--{name.replace('_', '-')}"
        problems += [f"{option}: must be {wanted}, got {number}" for number in wrong]
    raise_all(problems)


def _chosen(small: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return the options that differ from their defaults; changes of a config are added up."""
    values = {
        key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    chosen = small | {key: value for key, value in values.items() if value is not None}
    if "overrides" in chosen:
        chosen["overrides"] = (*small.get("overrides", ()), *values["overrides"])
    return chosen


def _first_line(module: ModuleType) -> str:
    return (module.__doc__ or "").partition("\n")[0]
