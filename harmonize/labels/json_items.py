"""Walk through a large JSON file item by item, so that it is never there as objects at once."""

import json
import mmap
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harmonize.errors import HarmonizeError
from harmonize.stores.plain_files import open_plain
from harmonize.stores.stored_path import StoredPath

_SPACE = re.compile(r"[ \t\n\r]*")
_DECODER = json.JSONDecoder()
_MARK = "\xef\xbb\xbf"
"""How a byte order mark of UTF-8 reads as Latin-1."""


class Item(NamedTuple):
    """An item of a list at the top of a file, or a value that is no list."""

    key: str
    """Of the list or the value in the file's object; empty where the file is a list."""
    value: Any
    start: int
    """Bytes before it in the file."""
    end: int


def json_items(path: Path, keys: set[str] | None = None) -> Iterator[Item]:
    """Yield the items of all lists at the top of a JSON file, with their places in it.

    Args:
        path: the file.
        keys: those of lists are added, also of empty ones; that of a file that is a list is empty.

    Raises:
        HarmonizeError: it cannot be read, or is not JSON.
    """
    text = _read(path)  # as Latin-1, so that a place is a number of bytes
    is_ascii = text.isascii()
    try:
        for item in _top(text, set() if keys is None else keys):
            part = "" if is_ascii else text[item.start : item.end]
            if part.isascii():
                yield item
            else:
                where = f"{path} (byte {item.start})"
                yield item._replace(value=read_item(part.encode("latin-1"), where))
    except json.JSONDecodeError as error:
        raise HarmonizeError(f"{path}: not JSON: {error.msg} (byte {error.pos})") from None
    except RecursionError:
        raise HarmonizeError(f"{path}: not JSON that can be read: nested too deeply") from None


def read_item(data: bytes, where: str) -> Any:
    """Return the value of an item from its bytes.

    Raises:
        HarmonizeError: it is not UTF-8 text.
    """
    try:
        return json.loads(data.decode())
    except (ValueError, RecursionError):
        raise HarmonizeError(f"{where}: not UTF-8 text; save as UTF-8") from None


def _read(path: Path) -> str:
    try:
        if isinstance(path, StoredPath):
            return path.read_bytes().decode("latin-1")
        with open_plain(path) as file:
            if not os.fstat(file.fileno()).st_size:
                return ""
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return str(data, "latin-1")  # pyright: ignore[reportArgumentType]
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except OSError as error:
        raise HarmonizeError(f"{path}: cannot be read: {error.strerror or error}") from None


def _top(text: str, keys: set[str]) -> Iterator[Item]:
    place = _after_space(text, len(_MARK) if text.startswith(_MARK) else 0)
    if text[place : place + 1] == "[":
        keys.add("")
        place = yield from _list(text, place, "")
    elif text[place : place + 1] == "{":
        place = yield from _object(text, place, keys)
    else:
        raise json.JSONDecodeError("expected an object or a list", "", place)
    if _after_space(text, place) != len(text):
        raise json.JSONDecodeError("more text after its end", "", place)


def _object(text: str, place: int, keys: set[str]) -> Iterator[Item]:
    """Yield the items of an object that begins at a place; return the place after it."""
    place = _after_space(text, place + 1)
    while text[place : place + 1] != "}":
        key, place = _value(text, place)
        place = _expect(text, place, ":")
        if text[place : place + 1] == "[":
            keys.add(str(key))
            place = yield from _list(text, place, str(key))
        else:
            value, end = _value(text, place)
            yield Item(str(key), value, place, end)
            place = end
        place = _next(text, place, "}")
    return place + 1


def _list(text: str, place: int, key: str) -> Iterator[Item]:
    """Yield the items of a list that begins at a place; return the place after it."""
    place = _after_space(text, place + 1)
    while text[place : place + 1] != "]":
        value, end = _value(text, place)
        yield Item(key, value, place, end)
        place = _next(text, end, "]")
    return place + 1


def _value(text: str, place: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, place)
    except json.JSONDecodeError as error:
        raise json.JSONDecodeError(error.msg, "", error.pos) from None  # without the text


def _next(text: str, place: int, end: str) -> int:
    """Return the place of the next item, or of the end."""
    place = _after_space(text, place)
    if text[place : place + 1] == end:
        return place
    place = _expect(text, place, ",")
    if text[place : place + 1] == end:
        raise json.JSONDecodeError("a comma before the end", "", place)
    return place


def _expect(text: str, place: int, sign: str) -> int:
    place = _after_space(text, place)
    if text[place : place + 1] != sign:
        raise json.JSONDecodeError(f"expected {sign!r}", "", place)
    return _after_space(text, place + 1)


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    return place if match is None else match.end()
