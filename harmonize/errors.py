"""The one error for everything a user can mend."""

import difflib
from collections.abc import Iterable

_JOINERS = "\u200c\u200d"
"""Some scripts write words with these, though they cannot be seen."""


class HarmonizeError(ValueError):
    """A mistake in a user's tree, mapping, config, command or data.

    Commands show it without a traceback and exit with status 2. Each problem is one line of the
    form ``file:line:column: key.path: what is wrong, got X; what to do``.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def raise_all(problems: Iterable[str]) -> None:
    """Raise one ``HarmonizeError`` that holds every problem, or nothing if there is none."""
    found = tuple(problems)
    if found:
        raise HarmonizeError(*found)


def printable(text: str) -> str:
    """Escape what would break a line or act on a terminal, as names of files may hold it."""
    return "".join(char if _is_harmless(char) else ascii(char)[1:-1] for char in text)


def wrong_characters(name: str) -> str | None:
    """Say what is wrong with a name that cannot be seen as it is written, if anything is."""
    if not name.strip():
        return f"a name is not empty, got {name!r}"
    if all(map(_is_harmless, name)):
        return None
    return f"a name is made of characters that can be seen, got {name!a}; write it without"


def _is_harmless(char: str) -> bool:
    return char.isprintable() or char in _JOINERS


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" with the known names closest to ``name``, else the choices."""
    choices = list(known)
    close = difflib.get_close_matches(name, choices, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    return f"choose from: {shown}" if choices else "there is nothing to choose from"
