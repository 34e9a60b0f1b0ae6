"""Progress and news: one live line on a terminal, a line a minute elsewhere, nothing if quiet."""

import io
import re
import sys

import pytest

from harmonize.system import progress
from harmonize.system.progress import ProgressLine, about, be_quiet, follow, tell, voice_restored


class Terminal(io.StringIO):
    """Standard error that a person looks at."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Put a terminal in the place of standard error; pytest puts its own there before a test."""
    found = Terminal()
    monkeypatch.setattr(sys, "stderr", found)
    return found


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def lines(terminal: Terminal) -> list[str]:
    """Return what the line showed, one after the other; an empty one is a line taken away."""
    return [line.strip() for line in terminal.getvalue().split("\r") if line]


def test_a_terminal_has_one_line_that_is_gone_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = on_terminal(monkeypatch)
    assert list(follow("abc", 3, "reading", "labels")) == ["a", "b", "c"]
    shown = lines(terminal)
    assert re.fullmatch(r"reading:   0% \|.*\| 0 of 3 labels, \? left", shown[0])
    assert shown[-1] == ""
    assert "\n" not in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_work_within_work_takes_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    with ProgressLine(2, "training", "steps") as outer:
        outer.update()
        with ProgressLine(5, "scoring fine", "pictures") as inner:
            inner.update(5)
        outer.note("loss 1.234")
        outer.update()
    titles = [line.partition(":")[0] for line in lines(terminal)]
    assert titles == ["training", "scoring fine", "", ""]
    assert "\n" not in terminal.getvalue()
    assert "\x1b" not in terminal.getvalue()  # nor is there a second line to go up from


def test_elsewhere_there_is_a_plain_line_a_minute(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressLine(100, "training", "steps", start=20) as shown:
        shown.note("loss 1.234")
        for _ in range(80):
            clock.now += 2
            shown.update()
    # 30 steps a minute: after 60 and 120 s; at 160 s all is done.
    assert capsys.readouterr() == (
        "",
        "training: 50 of 100 steps, about 2 minutes left, loss 1.234\n"
        "training: 80 of 100 steps, about 40 seconds left, loss 1.234\n",
    )


def test_short_work_says_nothing_elsewhere(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in follow(range(59), 59, "reading", "labels"):
        clock.now += 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("shown", [True, False])
def test_a_quiet_command_and_all_processes_but_one_show_nothing(
    shown: bool,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal = on_terminal(monkeypatch)
    with voice_restored():
        be_quiet(shown)
        for _ in follow(range(3), 3, "reading", "labels", shown=shown):
            clock.now += 100
        tell("news")
    assert terminal.getvalue() == ""
    assert capsys.readouterr().out == ("" if shown else "news\n")
    tell("said again")
    assert capsys.readouterr().out == "said again\n"


def test_nothing_is_shown_of_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = on_terminal(monkeypatch)
    assert list(follow([], 0, "reading", "labels")) == []
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "about 1 seconds"),
        (8.4, "about 8 seconds"),
        (44, "about 40 seconds"),
        (50, "about 1 minute"),
        (100, "about 2 minutes"),
        (99 * 60, "about 99 minutes"),
        (100 * 60, "about 1.7 hours"),
        (36000, "about 10 hours"),
    ],
)
def test_times_are_written_as_people_say_them(seconds: float, text: str) -> None:
    assert about(seconds) == text.replace("1 seconds", "1 second")
