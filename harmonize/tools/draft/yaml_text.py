"""YAML with comments: every value quoted where it must be, the comments of a block in a column."""

import json
import re
from collections.abc import Sequence
from typing import NamedTuple

from harmonize.config.strict_yaml import Value, scalar

_PLAIN = re.compile(r"[\w.+/][\w.+/ -]*", re.ASCII)
_WIDEST = 56  # columns that a comment may be moved to


class Line(NamedTuple):
    """A line of YAML and its comment."""

    text: str
    comment: str = ""


def quoted(value: Value) -> str:
    """Write a value on one line, as YAML that the project's reader reads back unchanged."""
    if value is None:
        return "~"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return f"[{', '.join(quoted(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{quoted(key)}: {quoted(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    return str(value)


def _text(text: str) -> str:
    plain = _PLAIN.fullmatch(text) and not text.endswith(" ") and isinstance(scalar(text), str)
    if plain:
        return text
    # JSON's form of a text is YAML's too, but for characters beyond 16 bits, which go unescaped.
    written = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in written)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def aligned(lines: Sequence[Line], *, indent: int = 0) -> list[str]:
    """Write lines with their comments in one column, unless a line is too long for it."""
    lengths = [len(line.text) for line in lines if line.comment]
    column = max((length for length in lengths if length <= _WIDEST), default=0)
    return [
        " " * indent
        + (f"{line.text:<{column}}  # {commented(line.comment)}" if line.comment else line.text)
        for line in lines
    ]


def commented(text: str) -> str:
    """Write text so that it stays on its line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
