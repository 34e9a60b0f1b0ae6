"""The one error for everything a user can mend."""

import difflib
import functools
from collections import Counter
from collections.abc import Iterable

_COMPARED = 40
"""Names that one is compared with letter by letter; of more, those that share most pairs."""
_ALL_SHOWN, _FIRST_SHOWN = 18, 12
"""As many choices are all shown, and of more the first."""
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


def _likely(name: str, choices: tuple[str, ...]) -> list[str]:
    """Return the choices that may be close to a name: all of few, of many the most alike."""
    if len(choices) <= _COMPARED:
        return list(choices)
    sharing = _sharing(choices)
    pairs = sorted({name[place : place + 2] for place in range(len(name) - 1)})
    counts: Counter[int] = Counter()
    for pair in pairs:
        counts.update(sharing.get(pair, ()))
    alike = sorted(counts, key=lambda place: (-counts[place] / len(choices[place]), place))
    return [choices[place] for place in sorted(alike[:_COMPARED])]


@functools.lru_cache(maxsize=4)
def _sharing(choices: tuple[str, ...]) -> dict[str, list[int]]:
    """Return for each pair of letters the places of the choices that hold it."""
    sharing: dict[str, list[int]] = {}
    for number, choice in enumerate(choices):
        for pair in {choice[place : place + 2] for place in range(len(choice) - 1)}:
            sharing.setdefault(pair, []).append(number)
    return sharing


def near_matches(name: str, known: Iterable[str]) -> str:
    """Return "did you mean ...?" with the known names closest to ``name``, else the choices."""
    choices = tuple(known)
    close = difflib.get_close_matches(name, _likely(name, choices), n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    return choose_from(choices)


def choose_from(known: Iterable[str]) -> str:
    """Return the choices: all of few, of many the first."""
    choices = tuple(known)
    if not choices:
        return "there is nothing to choose from"
    if len(choices) <= _ALL_SHOWN:
        return f"choose from: {', '.join(choices)}"
    return f"choose from: {', '.join(choices[:_FIRST_SHOWN])}, ..."
