"""What the scripts and commands share: mistakes shown as plain lines, and who the processes are."""

import contextlib
import os
import sys
from collections.abc import Iterator

from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from harmonize.errors import HarmonizeError


@contextlib.contextmanager
def mistakes_shown() -> Iterator[None]:
    """Show a user's mistake on stderr, without a traceback, and exit with status 2.

    A reader that stops early, such as ``head``, is no mistake.
    """
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        sys.exit(0)
    except HarmonizeError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        sys.exit(2)


def processes() -> PartialState:
    """Return which process this is of how many, joining the others on the first call.

    Raises:
        HarmonizeError: the device has no float64, which sums and scores are kept in.
    """
    state = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))
    if state.device is not None and state.device.type == "mps":
        raise HarmonizeError("Apple GPUs are not supported: set ACCELERATE_USE_CPU=true")
    return state


def on_cuda(state: PartialState) -> bool:
    """Say whether this process computes on a CUDA device."""
    return state.device is not None and state.device.type == "cuda"
