"""YAML with places: file, line and column of every value, and no silent surprises.

Scalars follow YAML 1.2 (``1e-4`` is a number, ``no`` is text, ``010`` is ten). Duplicate keys,
tags, anchors and aliases are refused.
"""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from harmonize.config.yaml_nodes import compose, place_of
from harmonize.errors import HarmonizeError
from harmonize.stores.plain_files import open_plain

KeyPath = tuple[str | int, ...]
if TYPE_CHECKING:
    Value = None | bool | int | float | str | list["Value"] | dict[str, "Value"]
else:  # checks while running cannot follow an alias into itself
    Value = None | bool | int | float | str | list | dict

_INT = re.compile(r"[-+]?[0-9]+")
_HEX_OR_OCTAL = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 250  # characters; every whole number that is read fits into a float
_LONGEST_TEXT = 1 << 28  # characters
_LONGEST_YAML = 1 << 20  # characters; they take ten seconds
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}


@dataclass
class Document:
    """A parsed YAML text: its value, and where each part of it was written."""

    source: str
    value: Value
    places: dict[KeyPath, str] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """Return ``file:line:column: key.path`` for a value, or for its nearest written parent."""
        known = path
        while known and known not in self.places:
            known = known[:-1]
        place = self.places.get(known, self.source)
        return f"{place}: {dotted(path)}" if path else place

    def get(self, path: KeyPath) -> Value:
        """Return the value at a path, or None where nothing is written."""
        value = self.value
        for key in path:
            if isinstance(value, dict) and key in value:
                value = value[str(key)]
            elif isinstance(value, list) and isinstance(key, int) and key < len(value):
                value = value[key]
            else:
                return None
        return value

    def override(self, assignment: str, *, source: str = "command line") -> None:
        """Apply ``key.path=value``, the value being YAML; list elements are addressed by number.

        Raises:
            HarmonizeError: the text is no assignment or its path cannot exist.
        """
        name, equals, text = assignment.partition("=")
        if not equals or not name.strip():
            raise HarmonizeError(f"{source}: expected key.path=value, got {assignment!r}")
        value = load_text(text, f"{source}: {name.strip()}").value
        self.set(name.strip(), value, source=source)

    def set(self, name: str, value: Value, *, source: str) -> None:
        """Replace the value at a dotted path, making the mappings on the way to it."""
        path: KeyPath = ()
        if self.value is None:
            self.value = {}
        target = self.value
        *parents, last = name.split(".")
        for part in parents:
            key = _step(target, part, f"{source}: {name}")
            path = (*path, key)
            if isinstance(target, dict):
                if target.get(part) is None:
                    target[part] = {}
                    self.places[path] = source
                target = target[part]
            elif isinstance(target, list):
                target = target[int(key)]
        key = _step(target, last, f"{source}: {name}")
        path = (*path, key)
        target[key] = value  # type: ignore[index]
        for known in [place for place in self.places if place[: len(path)] == path]:
            del self.places[known]
        self.places[path] = source


def load_file(path: str | Path) -> Document:
    """Parse a YAML file.

    Raises:
        HarmonizeError: the file cannot be read or is not strict YAML.
    """
    return load_text(read_text(path), str(path))


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file, naming it in any error."""
    try:
        with io.TextIOWrapper(open_plain(path), encoding="utf-8-sig") as file:
            text = file.read(_LONGEST_TEXT + 1)
        if len(text) > _LONGEST_TEXT:
            raise ValueError(f"it has more than {_LONGEST_TEXT} characters")
        return text
    except HarmonizeError:
        raise
    except FileNotFoundError:
        raise HarmonizeError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise HarmonizeError(
            f"{path}: not UTF-8 text (byte {error.start}); save as UTF-8"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise HarmonizeError(f"{path}: cannot be read: {reason}") from None


def load_text(text: str, source: str) -> Document:
    """Parse one YAML document.

    Raises:
        HarmonizeError: with the place of what is not strict YAML.
    """
    if len(text) > _LONGEST_YAML:
        raise HarmonizeError(
            f"{source}: has {len(text)} characters, more than the {_LONGEST_YAML} of YAML that are "
            "read; is it the file that is meant?"
        )
    document = Document(source, None)
    try:
        root = compose(text, source)
        document.value = None if root is None else _construct(root, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise HarmonizeError(f"{source}{place}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise HarmonizeError(f"{source}: not valid YAML: {reason}") from None
    except HarmonizeError:
        raise
    except (ValueError, OverflowError) as error:  # PyYAML's own, from numbers in escapes
        raise HarmonizeError(f"{source}: not valid YAML: {error}") from None
    return document


def dotted(path: Iterable[str | int]) -> str:
    """Write a key path as users do on the command line: ``datasets.0.spec``."""
    return ".".join(str(key) for key in path)


def dump(value: Value) -> str:
    """Write a value as YAML text that ``load_text`` reads back unchanged."""
    return yaml.dump(value, Dumper=_StrictDumper, sort_keys=False, allow_unicode=True, width=100)


def scalar(text: str) -> Value:
    """Resolve one plain scalar by the YAML 1.2 core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _HEX_OR_OCTAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL_FLOAT.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


class _StrictDumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.2 would read as something else, and writes no aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    ambiguous = not isinstance(scalar(text), str)
    style = '"' if "\x85" in text else "'" if ambiguous else None  # PyYAML folds \x85 elsewhere
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _represent_float(dumper: yaml.SafeDumper, number: float) -> yaml.ScalarNode:
    text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(number), repr(number))
    if "." not in text:
        text = text.replace("e", ".0e")  # PyYAML writes a tag before 1e-05
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_StrictDumper.add_representer(str, _represent_text)
_StrictDumper.add_representer(float, _represent_float)


def _step(target: Value, key: str, place: str) -> str | int:
    """Turn one part of an override's path into a key of ``target``."""
    if isinstance(target, dict):
        return key
    if isinstance(target, list):
        if key.isdecimal() and int(key) < len(target):
            return int(key)
        raise HarmonizeError(f"{place}: {key!r} is no element; there are 0 to {len(target) - 1}")
    raise HarmonizeError(f"{place}: {key!r} is inside a value that has no keys")


def _construct(node: yaml.Node, path: KeyPath, document: Document) -> Value:
    document.places[path] = place_of(document.source, node)
    if isinstance(node, yaml.ScalarNode):
        return scalar(node.value) if node.style is None else node.value
    if isinstance(node, yaml.SequenceNode):
        items: Sequence[yaml.Node] = node.value
        return [_construct(item, (*path, number), document) for number, item in enumerate(items)]
    mapping: dict[str, Value] = {}
    for key_node, value_node in node.value:
        place = place_of(document.source, key_node)
        if not isinstance(key_node, yaml.ScalarNode):
            raise HarmonizeError(f"{place}: a key must be plain text")
        key = key_node.value
        if key in mapping:
            raise HarmonizeError(f"{place}: {dotted((*path, key))}: this key is written twice")
        mapping[key] = _construct(value_node, (*path, key), document)
        document.places[(*path, key)] = place
    return mapping
