"""JSON read with care: objects whose values must be of a type, and what may be missing."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from harmonize.errors import HarmonizeError

_DRAWN = 1e12
"""Numbers beyond this are nothing that could be drawn."""


class Fields:
    """A JSON object. Reading a value that is of another type raises a ``HarmonizeError``."""

    def __init__(self, value: object, where: str) -> None:
        """Take an object, found at ``where``, as errors call it."""
        if not isinstance(value, dict):
            raise HarmonizeError(f"{where}: expected an object, got {_shown(value)}")
        self.where = where
        self.values = cast("dict[str, Any]", value)

    def __contains__(self, key: str) -> bool:
        return self.values.get(key) is not None

    def number(self, key: str) -> float | None:
        """Return a number; None if it is missing, null or not finite."""
        return self._number(self.values.get(key), key)

    def whole(self, key: str) -> int:
        """Return a whole number of at least 0."""
        value = self.values.get(key)
        if type(value) is not int or not 0 <= value < _DRAWN:
            raise self._wrong(key, "a whole number", value)
        return value

    def share(self, key: str) -> float | None:
        """Return a number from 0 to 1; None if it is missing."""
        value = self.number(key)
        if value is not None and not 0 <= value <= 1:
            raise self._wrong(key, "a number from 0 to 1", value)
        return value

    def text(self, key: str) -> str:
        """Return a text; empty if it is missing."""
        return self._text(self.values.get(key, ""), key)

    def numbers(self, key: str) -> tuple[float | None, ...]:
        """Return a list of numbers, each perhaps None; empty if it is missing."""
        return tuple(self._number(value, key) for value in self._list(key))

    def names(self, key: str) -> tuple[str, ...]:
        """Return a list of texts; empty if it is missing."""
        return tuple(self._text(value, key) for value in self._list(key))

    def items(self, key: str) -> list["Fields"]:
        """Return a list of objects; empty if it is missing."""
        return [
            Fields(value, f"{self.where}.{key}[{number}]")
            for number, value in enumerate(self._list(key))
        ]

    def inside(self, key: str) -> "Fields":
        """Return an object; an empty one if it is missing."""
        return Fields(self.values.get(key) or {}, f"{self.where}.{key}")

    def objects(self) -> dict[str, "Fields"]:
        """Return the object's values, all of them objects."""
        return {key: Fields(value, f"{self.where}.{key}") for key, value in self.values.items()}

    def all_numbers(self) -> dict[str, float | None]:
        """Return the object's values, all of them numbers or None."""
        return {key: self._number(value, key) for key, value in self.values.items()}

    def all_texts(self) -> dict[str, str]:
        """Return the object's values, all of them texts."""
        return {key: self._text(value, key) for key, value in self.values.items()}

    def counts(self, key: str, size: int) -> tuple[tuple[int, ...], ...]:
        """Return a square of whole numbers of at least 0."""
        rows = self._list(key)
        right = len(rows) == size and all(_are_counts(row, size) for row in rows)
        if not right:
            raise self._wrong(key, f"{size} x {size} counts", rows)
        return tuple(tuple(cast("Iterable[int]", row)) for row in rows)

    def _list(self, key: str) -> list[object]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        return cast("list[object]", value)

    def _number(self, value: object, key: str) -> float | None:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number", value)
        return float(value) if -_DRAWN < value < _DRAWN else None

    def _text(self, value: object, key: str) -> str:
        if not isinstance(value, str):
            raise self._wrong(key, "a text", value)
        return value

    def _wrong(self, key: str, expected: str, value: object) -> HarmonizeError:
        return HarmonizeError(f"{self.where}.{key}: expected {expected}, got {_shown(value)}")


def read_json(path: Path, advice: str) -> Fields:
    """Read a file that holds one object.

    Raises:
        HarmonizeError: it does not, or cannot be read; ``advice`` says what to do.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise HarmonizeError(f"{path}: cannot be read: {reason}; {advice}") from None
    try:
        return Fields(json.loads(text), str(path))
    except (ValueError, RecursionError) as error:
        if isinstance(error, HarmonizeError):
            raise
        raise HarmonizeError(f"{path}: is damaged, not JSON: {error}; {advice}") from None


def _are_counts(row: object, size: int) -> bool:
    if not isinstance(row, list) or len(cast("list[object]", row)) != size:
        return False
    return all(type(value) is int and value >= 0 for value in cast("list[object]", row))


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:39]}…"
