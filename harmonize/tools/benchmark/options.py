"""The options of the benchmarks: dataclasses whose fields say how the command line takes them."""

import argparse
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonize.config.run_config import RunConfig, find_file
from harmonize.tools.benchmark.made_up_data import Format, made_up_config, write_datasets


def option(default: Any, *, quick: Any = None, **argument: Any) -> Any:
    """Return a field of a dataclass of options.

    Args:
        default: its value unless given.
        quick: its value in a quick run, if another one.
        argument: how ``argparse`` takes it.
    """
    return dataclasses.field(default=default, metadata={"quick": quick, "argument": argument})


def repeats(number: int, *, quick: int) -> Any:
    """Return the field of how often each candidate is measured."""
    help_ = "measurements of each candidate"
    return option(number, quick=quick, type=int, metavar="N", help=help_)


def add_options(parser: argparse.ArgumentParser, options: type[Any]) -> None:
    """Let a parser take the options of a benchmark; those not given are None."""
    for field in dataclasses.fields(options):
        argument = field.metadata.get("argument")
        if argument is None:
            continue
        flag = field.name if argument.get("nargs") == "*" else f"--{field.name.replace('_', '-')}"
        parser.add_argument(flag, **argument)


def chosen(options: type[Any], given: dict[str, Any], *, quick: bool) -> dict[str, Any]:
    """Return the options that differ from their defaults; changes of a config are added up."""
    small = {field.name: field.metadata.get("quick") for field in dataclasses.fields(options)}
    small = {name: value for name, value in small.items() if quick and value is not None}
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in given.items()
    }
    changed = small | {name: value for name, value in values.items() if value is not None}
    if "overrides" in changed:
        changed["overrides"] = (*small.get("overrides", ()), *values["overrides"])
    return changed


def width_and_height(text: str) -> list[int]:
    """Read one number, or a width and a height."""
    numbers = [int(part) for part in text.split("x")]
    if len(numbers) > 2:
        raise ValueError
    return numbers


@dataclass(frozen=True)
class RunOptions:
    """A run that is measured: that of a config, or one on made-up data sets."""

    config: str | None = option(None, metavar="FILE", help="a run's config (default: made-up data)")
    overrides: tuple[str, ...] = option(
        (), nargs="*", metavar="key.path=value", help="change the config"
    )
    pictures: int = option(64, quick=4, type=int, metavar="N", help="in each made-up data set")
    picture_size: tuple[int, ...] = option(
        (512,),
        quick=(48,),
        type=width_and_height,
        metavar="PIXELS",
        help="of made-up pictures, such as 4000x3000",
    )
    size: int | None = option(
        None, quick=32, type=int, metavar="PIXELS", help="side of the training crops"
    )
    batch: int | None = option(None, quick=2, type=int, metavar="N", help="pictures per batch")

    def configs(
        self, folder: Path, numbers: tuple[int, ...], file_format: Format = "jpg"
    ) -> Iterator[RunConfig]:
        """Yield the config that was given, or one for each number of made-up data sets.

        Raises:
            HarmonizeError: the config is not as it should be.
        """
        sizes = {"data.size": self.size, "data.batch_size": self.batch}
        changes = [f"{key}={value}" for key, value in sizes.items() if value is not None]
        overrides = [*self.overrides, *changes]
        if self.config is not None:
            yield RunConfig.from_file(find_file(self.config), overrides)
            return
        size = self.picture_size[0], self.picture_size[-1]
        mappings = write_datasets(
            folder, max(numbers), pictures=self.pictures, size=size, file_format=file_format
        )
        for number in numbers:
            yield made_up_config(mappings[:number], overrides)
