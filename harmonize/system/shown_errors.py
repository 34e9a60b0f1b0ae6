"""What a user can mend, shown by every command as plain lines without a traceback."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator

from harmonize.errors import HarmonizeError, printable

_OUT_OF_MEMORY = (
    "out of memory; lower data.batch_size, data.size or model.width, or raise train.accumulate"
)


@contextlib.contextmanager
def errors_shown() -> Iterator[None]:
    """Show a user's mistake on stderr, without a traceback, and exit with status 2.

    What the machine refuses (memory, files) and Ctrl-C are shown alike. A reader that stops early,
    such as ``head``, is no mistake.
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
    except MemoryError:
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
        reason = _what_torch_means(error)
        if reason is None:
            raise
        print(f"error: {reason}", file=sys.stderr)
        sys.exit(2)


def _what_torch_means(error: RuntimeError) -> str | None:
    """Return the plain line for an error that says that memory or another process is gone."""
    import torch  # loaded already where it raised this; the commands without it start faster

    text = str(error)
    if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in text:  # on the CPU
        return _OUT_OF_MEMORY
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
