"""The command line of the benchmarks."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from harmonize.cli.arguments import add_force
from harmonize.errors import HarmonizeError, raise_all
from harmonize.system.own_files import check_output
from harmonize.tools.benchmark import (
    gpu_speed,
    loader_speed,
    loss_speed,
    predict_speed,
    scoring_speed,
    training_speed,
)
from harmonize.tools.benchmark.machine import choose_device, join_processes
from harmonize.tools.benchmark.measurements import MADE_BY
from harmonize.tools.benchmark.options import add_options, chosen

GPU = "gpu"
BENCHMARKS: dict[str, tuple[ModuleType, Callable[..., Any], type[Any]]] = {
    "loss": (loss_speed, loss_speed.benchmark_loss, loss_speed.LossOptions),
    "data": (loader_speed, loader_speed.benchmark_data, loader_speed.DataOptions),
    "train": (training_speed, training_speed.benchmark_train, training_speed.TrainOptions),
    "evaluate": (scoring_speed, scoring_speed.benchmark_evaluate, scoring_speed.EvaluateOptions),
    "predict": (predict_speed, predict_speed.benchmark_predict, predict_speed.PredictOptions),
    GPU: (gpu_speed, gpu_speed.benchmark_gpu, gpu_speed.GpuOptions),
}
"""The module of each benchmark, whose first line says what it is, its function and its options."""
_MAY_BE_0 = ("workers",)


def run_benchmark(arguments: Sequence[str]) -> int:
    """Run a benchmark, print its tables, write them as JSON if asked, and return the status."""
    given = vars(_parser().parse_args(arguments))
    name, device = given.pop("benchmark"), given.pop("device")
    threads, quick, path = given.pop("threads"), given.pop("quick"), given.pop("json")
    _, measure, options = BENCHMARKS[name]
    force = given.pop("force")
    _check(given | {"threads": threads})
    place = choose_device(device)
    if name == GPU:
        chosen_parts = gpu_speed.GpuOptions(**chosen(options, given, quick=quick))
        gpu_speed.check_gpu(chosen_parts, place, quick=quick)
        path = path or gpu_speed.REPORT
        gpu_speed.check_files(path, force=force)
        return gpu_speed.benchmark_gpu(chosen_parts, place, path, quick=quick)
    if path is not None:
        check_output(path, MADE_BY, option="--json", force=force)
    if join_processes(place).num_processes > 1 and name != "train":
        raise HarmonizeError(f"{name}: only train is measured in several processes")
    if threads is not None:
        torch.set_num_threads(threads)
    report = measure(options(**chosen(options, given, quick=quick)), place)
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
    for name, (module, _, options) in BENCHMARKS.items():
        one = names.add_parser(name, help=(module.__doc__ or "").partition("\n")[0])
        add_options(one, options)
        one.add_argument("--device", default="auto", help="cpu, cuda, or auto")
        one.add_argument("--threads", type=int, metavar="N", help="of torch, on the CPU")
        one.add_argument("--json", type=Path, metavar="FILE", help="write what is printed here too")
        add_force(one)
        one.add_argument("--quick", action="store_true", help="tiny sizes: whether it runs at all")
    return parser


def _check(given: dict[str, Any]) -> None:
    """Make sure that all sizes are such.

    Raises:
        HarmonizeError: naming all that are not.
    """
    problems: list[str] = []
    for name, value in given.items():
        numbers = value if isinstance(value, list) else [value]
        numbers = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)]
        wanted = "0 or more" if name in _MAY_BE_0 else "more than 0"
        wrong = [n for n in numbers if not (n > 0 or (n == 0 and name in _MAY_BE_0))]
        option = f"--{name.replace('_', '-')}"
        problems += [f"{option}: must be {wanted}, got {number}" for number in wrong]
    raise_all(problems)
