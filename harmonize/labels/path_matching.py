"""Matching paths against templates with many wildcards, in bounded time.

Regular expressions try all ways to part a name among several wildcards, of which there may be
billions. Here each wildcard is tried at each place once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harmonize.errors import HarmonizeError

_MANY = 3
"""Wildcards among which a regular expression may part a name."""

_MOST_TRIED = 200_000
"""Pieces of a template and places in a path, which take half a second."""
_AGAIN = re.compile(r"\(\?P=(\w+)\)")


@dataclass(frozen=True)
class Piece:
    """A part of a path template.

    Attributes:
        expression: what it matches, as a regular expression.
        name: of the field whose value it is, if it is one's.
        is_wild: whether it may match texts of several lengths.
    """

    expression: str
    name: str | None = None
    is_wild: bool = False


class PathPattern:
    """What the paths of a template look like; gives the values of its fields."""

    def __init__(self, pieces: Sequence[Piece], *, where: str = "") -> None:
        """Prepare matching; ``where`` names the template in errors."""
        self._pieces = pieces
        self._where = where
        self._whole = re.compile("".join(_expression(piece) for piece in pieces))
        self._is_safe = _ways(pieces) <= _MANY

    @property
    def names(self) -> set[str]:
        """The names of the fields whose values are found."""
        return {piece.name for piece in self._pieces if piece.name}

    def fields(self, path: str) -> dict[str, str] | None:
        """Return the values of the fields in a path, None for another path.

        Raises:
            HarmonizeError: the path can be parted in too many ways.
        """
        if self._is_safe:
            match = self._whole.fullmatch(path)
            return None if match is None else match.groupdict()
        try:
            return _Search(self._pieces, path).found()
        except _TooManyWaysError:
            raise HarmonizeError(
                f"{self._where}: {path[:60]!r} can be parted among these fields in too many ways; "
                "write a text or a folder between them, or fewer fields"
            ) from None


def _expression(piece: Piece) -> str:
    return f"(?P<{piece.name}>{piece.expression})" if piece.name else piece.expression


class _TooManyWaysError(Exception):
    """Finding out takes too long, as a field that is repeated may be many."""


def _again(piece: Piece) -> str | None:
    """Return the name of the field whose value a piece repeats, if it does."""
    found = _AGAIN.fullmatch(piece.expression)
    return None if found is None else found[1]


def _ways(pieces: Sequence[Piece]) -> int:
    """Return how many wildcards a name may be parted among: those beside others in a folder."""
    ways, here = 1, 0
    for piece in pieces:
        if not piece.is_wild:
            here = 0 if "/" in piece.expression else here
            continue
        here += 1
        ways += here > 1
    return ways


@dataclass
class _Search:
    """Finds the first way to match, in the order of regular expressions: the longest texts first.

    Attributes:
        pieces: of the template.
        path: to match.
        tried: how many pieces were tried at how many places.
        values: of the fields so far.
        failed: from which piece and place on, with which values, nothing matches.
    """

    pieces: Sequence[Piece]
    path: str
    tried: int = 0
    values: dict[str, str] = field(default_factory=dict[str, str])
    failed: set[tuple[int, int, tuple[str, ...]]] = field(
        default_factory=set[tuple[int, int, tuple[str, ...]]]
    )

    def found(self) -> dict[str, str] | None:
        """Return the values of the fields, None if the path does not match."""
        again = [_again(piece) for piece in self.pieces]
        self._used = {name for name in again if name is not None}
        self._expressions = [
            re.compile(piece.expression if name is None else "")
            for piece, name in zip(self.pieces, again, strict=True)
        ]
        return self.values if self._match(0, 0) else None

    def _match(self, number: int, place: int) -> bool:
        self.tried += 1
        if self.tried > _MOST_TRIED:
            raise _TooManyWaysError
        if number == len(self.pieces):
            return place == len(self.path)
        known = tuple(self.values[name] for name in sorted(self._used & self.values.keys()))
        if (number, place, known) in self.failed:
            return False
        piece = self.pieces[number]
        for end in self._ends(number, place):
            if piece.name:
                self.values[piece.name] = self.path[place:end]
            if self._match(number + 1, end):
                return True
        if piece.name:
            self.values.pop(piece.name, None)
        self.failed.add((number, place, known))
        return False

    def _ends(self, number: int, place: int) -> Sequence[int]:
        """Return where a piece that begins at a place may end, the last one first."""
        again = _again(self.pieces[number])
        if again is not None:
            text = self.values[again]
            return [place + len(text)] if self.path.startswith(text, place) else []
        match = self._expressions[number].match(self.path, place)
        if match is None:
            return []
        if not self.pieces[number].is_wild:
            return [match.end()]
        shortest = place
        while shortest < match.end() and not self._fits(number, place, shortest):
            shortest += 1
        return range(match.end(), shortest - 1, -1)

    def _fits(self, number: int, place: int, end: int) -> bool:
        return self._expressions[number].fullmatch(self.path, place, end) is not None
