"""The command ``harmonize serve``."""

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from harmonize.cli.answer_arguments import add_computing, add_words, predict_options
from harmonize.cli.arguments import add_quiet, command_parser, files_and_roots
from harmonize.errors import HarmonizeError
from harmonize.pictures.limits import MOST_PIXELS
from harmonize.system.extras import need
from harmonize.system.progress import be_quiet

_MOST = {"port": (0, 65535), "batch": (1, 1024), "queue": (1, 100_000), "bytes": (1, 1 << 40)}
_MOST["pixels"] = (1, MOST_PIXELS)


def serve(words: Sequence[str]) -> int:
    """Answer pictures over HTTP with a trained network.

    POST /predict takes the bytes of a picture, and answers by ids, as COCO, as polygons or by
    probabilities; the page at / shows it to people, and /openapi.json describes it to programs.
    There is neither TLS nor a password: who may reach the port may ask.
    """
    parser = command_parser(serve)
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="or a file of `harmonize export`")
    parser.add_argument(
        "roots", nargs="*", metavar="data.roots.NAME=FOLDER", help="for ids from a file there"
    )
    _add_serving(parser)
    add_words(parser)
    add_computing(parser)
    add_quiet(parser, "the address, warnings and errors")
    given = parser.parse_intermixed_args(words)
    be_quiet(given.quiet)
    files, roots = files_and_roots(given.roots)
    if files:
        raise HarmonizeError(f"{files[0]}: expected data.roots.NAME=FOLDER")
    for module in ("starlette", "uvicorn"):
        need(module, extra="serve", key="harmonize serve")
    from harmonize.serving.bodies import Limits  # slow to import
    from harmonize.serving.serve import ServeOptions, serve_run

    options = ServeOptions(
        host=given.host,
        port=given.port,
        batch=given.batch,
        wait=given.wait / 1000,
        queue=given.queue,
        limits=Limits(given.max_bytes, given.max_pixels, given.timeout),
    )
    return serve_run(given.run, options, predict_options(given, roots))


def _add_serving(parser: argparse.ArgumentParser) -> None:
    """Take where and how much is answered."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen at (default: 127.0.0.1, this machine alone)",
    )
    numbers: list[tuple[str, str, int, str]] = [
        ("port", "port", 8000, "0 for any that is free"),
        ("batch", "batch", 8, "pictures that go through the network together"),
        ("queue", "queue", 64, "pictures that are received, wait and are answered at a time"),
        ("max-bytes", "bytes", 32 << 20, "of a body"),
        ("max-pixels", "pixels", 1 << 26, f"of a picture, at most {MOST_PIXELS}"),
    ]
    for name, kind, default, about in numbers:
        parser.add_argument(
            f"--{name}",
            type=_between(*_MOST[kind]),
            default=default,
            metavar="N",
            help=f"{about} (default: {default})",
        )
    parser.add_argument(
        "--wait",
        type=_seconds(0, 10_000),
        default=5.0,
        metavar="MS",
        help="that a picture waits for others which are on their way (default: 5)",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds(0.1, 3600),
        default=30.0,
        metavar="SECONDS",
        help="for a body to come, and for its answer (default: 30)",
    )


def _between(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdecimal()) or not least <= int(text[:20]) <= most:
            raise argparse.ArgumentTypeError(f"expected {least} to {most}, got {text[:20]!r}")
        return int(text)

    return parse


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"expected {least:g} to {most:g}, got {text[:20]!r}")
        return value

    return parse
