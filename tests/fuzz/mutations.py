"""Changes of texts and of values: what a slip, a wrong tool or a malicious author does to a file.

Every function draws from a ``random.Random``; hypothesis gives one that it can shrink.
"""

import copy
import re
from random import Random

from fuzz.oddities import BOMBS, SCALARS, WORDS, Value

_TOKEN = re.compile(r"[\w./{}@#-]+|[^\w\s]")
Container = list | dict


def mutate_text(rng: Random, text: str) -> bytes:
    """Change a text in one to four places and encode it, not always as it should be."""
    for _ in range(rng.randint(1, 4)):
        text = rng.choice(_TEXT_CHANGES)(rng, text)
    return _encode(rng, text)


def mutate_value(rng: Random, value: Value) -> Value:
    """Change a value of YAML in one to four places; the one given stays as it is."""
    root: list[Value] = [copy.deepcopy(value)]
    for _ in range(rng.randint(1, 4)):
        holder, key = rng.choice(_slots(root))
        rng.choice(_VALUE_CHANGES)(rng, holder, key)
    return root[0] if root else None


def odd_value(rng: Random) -> Value:
    """Return a scalar or a small container that hardly any key expects."""
    kind = rng.randint(0, 9)
    scalar = rng.choice(SCALARS)
    if kind == 0:
        return [scalar, rng.choice(SCALARS)]
    if kind == 1:
        return {_name(rng): scalar}
    if kind == 2:
        return rng.choice(([], {}, [[]], [{}], {"a": {"b": []}}))
    return scalar


def _encode(rng: Random, text: str) -> bytes:
    kind = rng.randint(0, 19)
    if kind == 0:
        return text.encode("utf-16", "surrogatepass")
    if kind == 1:
        return text.encode("latin-1", "replace") + b"\xe9\xff"
    if kind == 2:
        return b"\xef\xbb\xbf" + text.encode("utf-8", "replace")
    return text.encode("utf-8", "surrogatepass")


def _lines(rng: Random, text: str) -> str:
    """Delete, repeat, swap or indent a line."""
    lines = text.split("\n")
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    kind = rng.randint(0, 4)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(other, lines[place])
    elif kind == 2:
        lines[place], lines[other] = lines[other], lines[place]
    else:
        lines[place] = rng.choice((" ", "\t", "  ", "\t\t\t")) + lines[place]
    return "\n".join(lines)


def _dedent(rng: Random, text: str) -> str:
    lines = text.split("\n")
    place = rng.randrange(len(lines))
    lines[place] = lines[place].lstrip()
    return "\n".join(lines)


def _token(rng: Random, text: str) -> str:
    """Put an odd word, or another one of the text, in the place of a word."""
    tokens = list(_TOKEN.finditer(text))
    if not tokens:
        return rng.choice(WORDS)
    old = rng.choice(tokens)
    new = rng.choice(tokens)[0] if rng.randint(0, 1) else rng.choice(WORDS)
    return text[: old.start()] + new + text[old.end() :]


def _insert(rng: Random, text: str) -> str:
    place = rng.randint(0, len(text))
    return text[:place] + rng.choice(WORDS) + text[place:]


def _bomb(rng: Random, text: str) -> str:
    bomb = rng.choice(BOMBS)
    return rng.choice((bomb, text + bomb, bomb + text))


def _cut(rng: Random, text: str) -> str:
    return text[: rng.randint(0, len(text))]


def _line_ends(rng: Random, text: str) -> str:
    return text.replace("\n", rng.choice(("\r\n", "\r", "\x85", "\u2028", "\n\n")))


_TEXT_CHANGES = (_lines, _lines, _dedent, _token, _token, _token, _insert, _insert)
_TEXT_CHANGES += (_bomb, _cut, _line_ends)


def _slots(root: Container) -> list[tuple[Container, int | str]]:
    """Return every place that holds a value, at any depth."""
    slots: list[tuple[Container, int | str]] = []
    waiting: list[Container] = [root]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            slots.append((holder, key))
            below = holder[key]  # type: ignore[index]
            if isinstance(below, list | dict):
                waiting.append(below)
    return slots or [([None], 0)]


def _replace(rng: Random, holder: Container, key: int | str) -> None:
    holder[key] = odd_value(rng)  # type: ignore[index]


def _remove(rng: Random, holder: Container, key: int | str) -> None:  # noqa: ARG001
    del holder[key]  # type: ignore[arg-type]


def _swap(rng: Random, holder: Container, key: int | str) -> None:
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    other = rng.choice(keys)
    holder[key], holder[other] = holder[other], holder[key]  # type: ignore[index]


def _repeat(rng: Random, holder: Container, key: int | str) -> None:
    """Write an item once more, or hundreds of times."""
    value = holder[key]  # type: ignore[index]
    for number in range(rng.choice((1, 2, 50))):
        if isinstance(holder, dict):
            holder[f"{key}_{number}"] = value
        else:
            holder.append(value)


def _rename(rng: Random, holder: Container, key: int | str) -> None:
    if isinstance(holder, dict):
        holder[_name(rng)] = holder.pop(key)


def _wrap(rng: Random, holder: Container, key: int | str) -> None:
    """Nest a value in lists or mappings."""
    value = holder[key]  # type: ignore[index]
    for _ in range(rng.choice((1, 2, 60))):
        value = {"k": value} if rng.randint(0, 1) else [value]
    holder[key] = value  # type: ignore[index]


def _add(rng: Random, holder: Container, key: int | str) -> None:  # noqa: ARG001
    if isinstance(holder, dict):
        holder[_name(rng)] = odd_value(rng)
    else:
        holder.append(odd_value(rng))


def _name(rng: Random) -> str:
    return str(rng.choice(SCALARS))


_VALUE_CHANGES = (_replace, _replace, _replace, _remove, _swap, _repeat, _rename, _wrap, _add)
