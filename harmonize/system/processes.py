"""Join the processes of a run, and show a command's errors as plain lines."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator

import torch
from accelerate import PartialState
from accelerate.utils import parse_flag_from_env

from harmonize.errors import HarmonizeError, printable

_OUT_OF_MEMORY = (
    "out of memory; lower data.batch_size, data.size or model.width, or raise train.accumulate"
)


@contextlib.contextmanager
def mistakes_shown() -> Iterator[None]:
    """Show a user's error on stderr, without a traceback, and exit with status 2.

    Errors of memory and files and Ctrl-C are shown in the same way. A closed output pipe, as by
    ``head``, is no error.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a tree is drawn with characters beyond ASCII
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the flush at exit
        sys.exit(0)
    except HarmonizeError as error:
        for problem in error.problems:
            print(f"error: {printable(problem)}", file=sys.stderr)
        sys.exit(2)
    except (torch.OutOfMemoryError, MemoryError):
        print(f"error: {_OUT_OF_MEMORY}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        place = error.filename or "file system"
        print(f"error: {printable(f'{place}: {error.strerror or error}')}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except RuntimeError as error:
        no_memory = "can't allocate memory" in str(error)  # torch's own words on the CPU
        reason = _OUT_OF_MEMORY if no_memory else _why_a_process_is_lost(error)
        if reason is None:
            raise
        print(f"error: {reason}", file=sys.stderr)
        sys.exit(2)


def _why_a_process_is_lost(error: RuntimeError) -> str | None:
    """Return a plain line for an error that means that another process has died, else None."""
    text = str(error)
    if "DataLoader worker" in text:
        return (
            f"{text.partition('. ')[0].strip()}; most often the machine has no memory left for it: "
            "lower data.workers or data.batch_size"
        )
    lost = ("gloo", "Connection closed by peer", "Connection reset by peer")
    if isinstance(error, torch.distributed.DistError) or any(word in text for word in lost):
        return (
            "another process of the run is gone or does not answer; its own message says why; "
            "train.resume=true goes on from the newest checkpoint"
        )
    return None


def processes(*, cpu: bool = False) -> PartialState:
    """Join the other processes on the first call; return this one's rank and their number.

    With ``cpu``, the CPU is used even where there is a GPU.

    Raises:
        HarmonizeError: the device has no float64, which sums and scores need.
    """
    try:
        cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or cpu
    except ValueError as error:
        raise HarmonizeError(f"ACCELERATE_USE_CPU: {error}; say true or false") from None
    state = PartialState(cpu=cpu)
    if state.device is not None and state.device.type == "mps":
        raise HarmonizeError("Apple GPUs are not supported: set ACCELERATE_USE_CPU=true")
    if state.num_processes == 1 and not on_cuda(state):
        _use_all_cores()
    return state


def _use_all_cores() -> None:
    """Use all cores, although ``accelerate launch`` sets one thread for a single CPU process."""
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ
    if launched and os.environ.get("OMP_NUM_THREADS") == "1":
        torch.set_num_threads(os.cpu_count() or 1)


def on_cuda(state: PartialState) -> bool:
    """Return whether this process computes on a CUDA device."""
    return state.device is not None and state.device.type == "cuda"
