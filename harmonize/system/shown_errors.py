"""What a user can mend, shown by every command as plain lines without a traceback."""

import contextlib
import errno
import io
import os
import sys
import time
from collections.abc import Iterator

from harmonize.errors import HarmonizeError, printable
from harmonize.system.streams import LastingStream, lasting_streams, open_standard_files

_OUT_OF_MEMORY = (
    "out of memory; lower data.batch_size, data.size or model.width, or raise train.accumulate"
)

_MANY_FILES = (
    "too many open files for the limit of this shell; raise it with `ulimit -n 1024`, or lower "
    "data.workers"
)


PATIENCE = 3.0
"""Seconds that all processes of a machine but the first wait before they tell a mistake."""


def let_the_first_speak() -> None:
    """Wait where another process of this machine may be about to tell the same mistake.

    The launcher ends the others as soon as the first has ended with its message; if it does not,
    the mistake was this process's alone.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0":
        time.sleep(PATIENCE)


@contextlib.contextmanager
def errors_shown(*, needs_output: bool = False) -> Iterator[None]:
    """Show a user's mistake on stderr, without a traceback, and exit with status 2.

    What the machine refuses (memory, files) and Ctrl-C are shown alike. A reader that stops early,
    such as ``head``, or a log that cannot be written changes nothing about what is done; a command
    that ``needs_output``, as it answers there, then ends with status 2, unless its reader left.
    """
    open_standard_files()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a tree is drawn with characters beyond ASCII
    with lasting_streams() as output:
        with _mistakes_shown():
            yield
        _tell_lost(output, is_error=needs_output)


def _tell_lost(output: LastingStream, *, is_error: bool) -> None:
    """Say on stderr that something could not be printed, and exit with status 2 if that counts."""
    output.flush()
    if output.trouble is None:
        return
    reason = output.trouble.strerror or output.trouble
    kind = "error" if is_error else "warning"
    print(f"{kind}: standard output: {reason}; what was to be said is lost", file=sys.stderr)
    if is_error:
        sys.exit(2)


@contextlib.contextmanager
def _mistakes_shown() -> Iterator[None]:
    try:
        yield
    except HarmonizeError as error:
        if error.problems:
            let_the_first_speak()
        for problem in error.problems:
            print(f"error: {printable(problem)}", file=sys.stderr)
        sys.exit(2)
    except MemoryError:
        print(f"error: {_OUT_OF_MEMORY}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        let_the_first_speak()
        place = error.filename or "file system"
        reason = f"{place}: {error.strerror or error}"
        if error.errno in (errno.EMFILE, errno.ENFILE):
            reason = _MANY_FILES
        print(f"error: {printable(reason)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (RuntimeError, ValueError) as error:
        reason = _what_torch_means(error) if isinstance(error, RuntimeError) else _null(error)
        if reason is None:
            raise
        print(f"error: {printable(reason)}", file=sys.stderr)
        sys.exit(2)


def _null(error: ValueError) -> str | None:
    """Return the plain line for what the system says of a path that it cannot even look for."""
    said = str(error)
    return f"a path: {said}; name it without" if said.startswith("embedded null") else None


def _what_torch_means(error: RuntimeError) -> str | None:
    """Return the plain line for an error that says that memory or another process is gone."""
    import torch  # loaded already where it raised this; the commands without it start faster

    text = str(error)
    if "Too many open files" in text:
        return _MANY_FILES
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
