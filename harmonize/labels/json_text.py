"""The text of a JSON file, of which a part at a time is in memory; places are bytes from its start.

It is read as Latin-1, so that a place in the text is a number of bytes.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harmonize.errors import HarmonizeError
from harmonize.stores.plain_files import open_plain
from harmonize.stores.stored_path import StoredPath

_PART = 1 << 23
"""Bytes that are read at a time; a longer value is read as a whole."""
_MARGIN = 4
"""Signs that a number may be read without, where a part ends in it: of 1e+5 the e+."""
_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()


class JsonText:
    """A text that is walked through from its start to its end."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        """Prepare.

        Args:
            read: returns the bytes between two places.
            size: of the whole text.
        """
        self.read = read
        self.size = size
        self._load(0, _PART)

    def sign(self, place: int) -> str:
        """Return the sign at a place; none at the end."""
        if not self._start <= place < self._end:
            self._load(place, _PART)
        return self._part[place - self._start : place - self._start + 1]

    def after_space(self, place: int) -> int:
        """Return the first place from one on that is no white space."""
        while self.sign(place):
            match = _SPACE.match(self._part, place - self._start)
            place = self._start + (match.end() if match else 0)
            if place < self._end:
                break
        return place

    def value(self, place: int) -> tuple[Any, int]:
        """Return the value that begins at a place, and the place after it.

        Raises:
            JSONDecodeError: there is none.
        """
        self.sign(place)
        while True:
            is_last = self._end == self.size
            try:
                value, end = _DECODER.raw_decode(self._part, place - self._start)
            except json.JSONDecodeError as error:
                if is_last:
                    raise json.JSONDecodeError(error.msg, "", self._start + error.pos) from None
            else:
                if is_last or self._start + end + _MARGIN <= self._end:
                    return value, self._start + end
            # What looks wrong, or like a number near the end, may go on in the next part.
            self._load(place, 2 * len(self._part) if place == self._start else _PART)

    def is_ascii(self, start: int, end: int) -> bool:
        """Say whether the value that was read last has none but ASCII signs."""
        return self._is_ascii or self._part[start - self._start : end - self._start].isascii()

    @property
    def _end(self) -> int:
        return self._start + len(self._part)

    def _load(self, start: int, length: int) -> None:
        self._part = ""  # before the next is there
        self._start = start
        end = min(start + length, self.size)
        self._part = self.read(start, end).decode("latin-1")
        if self._end < end:  # it has become shorter meanwhile
            self.size = self._end
        self._is_ascii = self._part.isascii()


@contextlib.contextmanager
def open_text(path: Path) -> Iterator[JsonText]:
    """Open a file as text.

    Raises:
        HarmonizeError: it cannot be read.
    """
    try:
        if isinstance(path, StoredPath):
            content = path.read_bytes()
            yield JsonText(lambda start, end: content[start:end], len(content))
            return
        with open_plain(path) as file:
            number = file.fileno()
            yield JsonText(
                lambda start, end: _read(number, start, end - start), os.fstat(number).st_size
            )
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error.strerror or error}") from None


def _read(number: int, start: int, length: int) -> bytes:
    """Read from a place, as often as it takes; fewer bytes if the file ends."""
    parts: list[bytes] = []
    while length > 0:
        part = os.pread(number, length, start)
        if not part:
            break
        parts.append(part)
        start, length = start + len(part), length - len(part)
    return b"".join(parts)
