"""Standard output and error that may go away: no work ends because nobody reads what it says."""

import contextlib
import errno
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_GONE = (errno.EPIPE, errno.EBADF)
"""Nobody reads any more: ``head`` has seen enough."""
_ACTS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that act on a terminal, change the direction of text, or are none."""
_UP = re.compile(r"(\x1b\[A)+")
_HUNG_UP = (errno.EIO, errno.ENXIO)
"""The terminal was closed."""


class LastingStream:
    """A text stream that swallows what it cannot write.

    Attributes:
        trouble: why the first of it was not written; None if nobody is there to read, or all was.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._gone = _GONE + (_HUNG_UP if _is_terminal(stream) else ())
        self._is_gone = False
        self.trouble: OSError | None = None

    def write(self, text: str) -> int:
        """Write a text, if that can be done."""
        with self._forgiven():
            self._stream.write(_safe(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hand on what was written."""
        with self._forgiven():
            self._stream.flush()

    def isatty(self) -> bool:
        """Say whether a person looks at it."""
        return not self._is_gone and _is_terminal(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _forgiven(self) -> Iterator[None]:
        try:
            yield
        except BlockingIOError:  # a slow reader; the text is lost, the stream is not
            pass
        except OSError as error:
            if self._is_gone:
                return
            self._is_gone = True
            if error.errno not in self._gone:
                self.trouble = error
            _silence(self._stream)
        except ValueError:  # it was closed
            self._is_gone = True


def open_standard_files() -> None:
    """Open the null device for each of the first three files that is closed.

    Otherwise the next file that is opened would be taken for it, and be written into.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  stays open


@contextlib.contextmanager
def lasting_streams() -> Iterator[LastingStream]:
    """Put lasting streams in the place of standard output and error; return that of the output."""
    before = sys.stdout, sys.stderr
    lasting = [one if isinstance(one, LastingStream) else LastingStream(one) for one in before]
    sys.stdout, sys.stderr = lasting  # type: ignore[assignment]
    try:
        yield lasting[0]
    finally:
        for one in lasting:
            one.flush()
        sys.stdout, sys.stderr = before


def _safe(text: str) -> str:
    """Escape what would act on a terminal; a progress bar may move up a line."""
    if _ACTS.search(text) is None or _UP.fullmatch(text):
        return text
    return _ACTS.sub(lambda found: ascii(found[0])[1:-1], text)


def _is_terminal(stream: Any) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


def _silence(stream: Any) -> None:
    """Let what a stream still holds go nowhere, also when the process ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()
