"""Walk through a large JSON file item by item, so that it is never there as objects at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from harmonize.errors import HarmonizeError
from harmonize.labels.json_text import JsonText, open_text

_MARK = b"\xef\xbb\xbf"
"""A byte order mark of UTF-8."""


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
    try:
        with open_text(path) as text:
            for item in _top(text, set() if keys is None else keys):
                if text.is_ascii(item.start, item.end):
                    yield item
                else:
                    where = f"{path} (byte {item.start})"
                    yield item._replace(value=read_item(text.read(item.start, item.end), where))
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


def _top(text: JsonText, keys: set[str]) -> Iterator[Item]:
    place = text.after_space(len(_MARK) if text.read(0, len(_MARK)) == _MARK else 0)
    if text.sign(place) == "[":
        keys.add("")
        place = yield from _list(text, place, "")
    elif text.sign(place) == "{":
        place = yield from _object(text, place, keys)
    else:
        raise json.JSONDecodeError("expected an object or a list", "", place)
    if text.after_space(place) != text.size:
        raise json.JSONDecodeError("more text after its end", "", place)


def _object(text: JsonText, place: int, keys: set[str]) -> Iterator[Item]:
    """Yield the items of an object that begins at a place; return the place after it."""
    place = text.after_space(place + 1)
    while text.sign(place) != "}":
        key, place = text.value(place)
        place = _expect(text, place, ":")
        if text.sign(place) == "[":
            keys.add(str(key))
            place = yield from _list(text, place, str(key))
        else:
            value, end = text.value(place)
            yield Item(str(key), value, place, end)
            place = end
        place = _next(text, place, "}")
    return place + 1


def _list(text: JsonText, place: int, key: str) -> Iterator[Item]:
    """Yield the items of a list that begins at a place; return the place after it."""
    place = text.after_space(place + 1)
    while text.sign(place) != "]":
        value, end = text.value(place)
        yield Item(key, value, place, end)
        place = _next(text, end, "]")
    return place + 1


def _next(text: JsonText, place: int, end: str) -> int:
    """Return the place of the next item, or of the end."""
    place = text.after_space(place)
    if text.sign(place) == end:
        return place
    place = _expect(text, place, ",")
    if text.sign(place) == end:
        raise json.JSONDecodeError("a comma before the end", "", place)
    return place


def _expect(text: JsonText, place: int, sign: str) -> int:
    place = text.after_space(place)
    if text.sign(place) != sign:
        raise json.JSONDecodeError(f"expected {sign!r}", "", place)
    return text.after_space(place + 1)
