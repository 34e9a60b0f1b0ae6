"""What commands say while they work: one live line on a terminal, a line a minute elsewhere."""

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from harmonize.errors import printable

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

EVERY = 60.0
"""Seconds between two lines where there is no terminal."""


_LIVE = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt} of {total_fmt} UNIT, {remaining} left{postfix}"


class _Voice:
    """Whether this process says what is no result, no warning and no error."""

    quiet = False


@contextlib.contextmanager
def voice_restored() -> Iterator[None]:
    """Leave things as they are now, whatever ``be_quiet`` is given meanwhile."""
    before = _Voice.quiet
    try:
        yield
    finally:
        _Voice.quiet = before


def be_quiet(quiet: bool) -> None:
    """Say whether progress and news are left out from now on."""
    _Voice.quiet = quiet


def is_quiet() -> bool:
    """Return whether progress and news are left out."""
    return _Voice.quiet


def tell(text: str) -> None:
    """Print news, without breaking the live line; a quiet command has none."""
    if _Voice.quiet:
        return
    if "tqdm" in sys.modules:  # then there may be a live line
        from tqdm import tqdm

        tqdm.write(text, file=sys.stdout)
    else:
        print(text)
    sys.stdout.flush()


class ProgressLine:
    """How far some work has come, on stderr.

    On a terminal it is one line, which is gone at the end; work within other work takes the line
    for as long as it lasts. Elsewhere it is a plain line each minute. A quiet command has neither.
    """

    def __init__(
        self, total: int, title: str, unit: str, *, start: int = 0, shown: bool = True
    ) -> None:
        """Begin.

        Args:
            total: what there is to do.
            title: of the work.
            unit: what is counted, in the plural.
            start: how much of it was done before.
            shown: False in all processes but the main one.
        """
        shown = shown and not _Voice.quiet and total > start
        self._title, self._unit, self._total = title, unit, total
        self._start = self._done = start
        self._about = ""
        self._begun = self._told = time.monotonic()
        self._bar: tqdm[NoReturn] | None = None
        if shown and sys.stderr.isatty():
            from tqdm import tqdm as live_line  # slow to import

            self._bar = live_line(
                total=total,
                initial=start,
                desc=title,
                bar_format=_LIVE.replace("UNIT", unit),
                mininterval=0.2,
                dynamic_ncols=True,
                leave=False,
                position=0,
            )
        self._is_plain = shown and self._bar is None

    def __enter__(self) -> "ProgressLine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def update(self, number: int = 1) -> None:
        """Count more of it as done."""
        self._done += number
        if self._bar is not None:
            self._bar.update(number)
        if self._is_plain and time.monotonic() - self._told >= EVERY and self._done < self._total:
            self._told = time.monotonic()
            print(printable(self._line()), file=sys.stderr, flush=True)

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Yield some of what there is to do, counting each as done after it."""
        for item in items:
            yield item
            self.update()

    def note(self, text: str) -> None:
        """Add something to the line, from its next change on."""
        self._about = f", {text}"
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def close(self) -> None:
        """Take the line away."""
        if self._bar is not None:
            self._bar.close()

    def _line(self) -> str:
        each = (time.monotonic() - self._begun) / max(self._done - self._start, 1)
        left = about(each * (self._total - self._done))
        return (
            f"{self._title}: {self._done} of {self._total} {self._unit}, {left} left{self._about}"
        )


def follow(
    items: Iterable[T], total: int, title: str, unit: str, *, shown: bool = True
) -> Iterator[T]:
    """Yield some items, and show how many have been taken."""
    with ProgressLine(total, title, unit, shown=shown) as progress:
        yield from progress.over(items)


def about(seconds: float) -> str:
    """Write a time as people say it."""
    if seconds < 50:
        number = max(round(seconds, -1 if seconds >= 10 else 0), 1)
        return f"about {number:.0f} second{'s' if number > 1 else ''}"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"about {minutes} minute{'s' if minutes > 1 else ''}"
    hours = seconds / 3600
    return f"about {hours:.0f} hours" if hours >= 10 else f"about {hours:.1f} hours"
