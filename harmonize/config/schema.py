"""Build frozen dataclasses from YAML: all wrong keys, types, ranges at once, each with a place."""

import dataclasses
import functools
import math
import sys
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, Union

from harmonize.config.strict_yaml import Document, KeyPath
from harmonize.errors import near_matches, raise_all

T = TypeVar("T")


@dataclass(frozen=True)
class Range:
    """The values a number may take, as metadata of an ``Annotated`` type."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False  # whether ``low`` itself is excluded

    def admits(self, number: float) -> bool:
        """Say whether the number is finite and inside."""
        low_ok = number > self.low if self.above else number >= self.low
        return low_ok and number <= self.high and -math.inf < number < math.inf

    def __str__(self) -> str:
        low = f"{'above' if self.above else 'at least'} {self.low:g}"
        if math.isinf(self.high):
            return low if math.isfinite(self.low) else "finite"
        return f"{low} and at most {self.high:g}"


Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
Fraction = Annotated[float, Range(0, 1)]
Share = Annotated[float, Range(0, 1, above=True)]
PositiveInt = Annotated[int, Range(1)]
Count = Annotated[int, Range(0)]


def build(cls: type[T], document: Document, *, unknown_keys: bool = False) -> T:
    """Build the dataclass ``cls`` from a document.

    A key that is missing takes the field's default; one that ``cls`` does not know is an error,
    unless ``unknown_keys`` are passed over. Fields may be bool, int, float, str, None, Any,
    Literal, Annotated with a ``Range``, ``tuple[X, ...]``, ``tuple[X, Y]``, ``dict[str, X]``,
    another dataclass, or a union of these.

    Raises:
        HarmonizeError: one line for each unknown key, missing key and wrong value.
    """
    builder = _Builder(document, unknown_keys=unknown_keys)
    result = builder.build(cls, document.value if document.value is not None else {}, ())
    raise_all(builder.problems)
    return result


class _Builder:
    """Walks a type and a value side by side, noting each place where they disagree."""

    def __init__(self, document: Document, *, unknown_keys: bool) -> None:
        self.document = document
        self.unknown_keys = unknown_keys
        self.problems: list[str] = []

    def build(self, kind: Any, value: Any, path: KeyPath) -> Any:
        origin, parts = typing.get_origin(kind), typing.get_args(kind)
        if kind is Any:
            return value
        if dataclasses.is_dataclass(kind):
            return self._dataclass(kind, value, path)
        if origin is Annotated:
            return self._ranged(parts[0], parts[1], value, path)
        if origin in (Union, types.UnionType):
            return self._union(parts, value, path)
        if origin is tuple:
            return self._tuple(parts, value, path)
        if origin is dict:
            return self._dict(parts[1], value, path)
        if origin is Literal:
            if not any(type(value) is type(part) and value == part for part in parts):
                return self._wrong(path, f"one of {', '.join(map(str, parts))}", value)
            return value
        return self._scalar(kind, value, path)

    def _wrong(self, path: KeyPath, expected: str, value: object) -> None:
        shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
        self.problems.append(f"{self.document.where(path)}: expected {expected}, got {shown}")

    def _dataclass(self, cls: Any, value: Any, path: KeyPath) -> Any:
        if not isinstance(value, dict):
            return self._wrong(path, "a mapping of keys", value)
        hints, fields = _fields(cls)
        for key in value:
            if key not in fields and not self.unknown_keys:
                advice = near_matches(key, fields)
                where = self.document.where((*path, key))
                self.problems.append(f"{where}: unknown key; {advice}")
        arguments: dict[str, Any] = {}
        before = len(self.problems)
        for name, field in fields.items():
            if name in value:
                arguments[field.name] = self.build(hints[name], value[name], (*path, name))
            elif field.default is field.default_factory is dataclasses.MISSING:
                where = self.document.where(path)
                self.problems.append(f"{where}: the key {name!r} is missing; add it")
        return cls(**arguments) if len(self.problems) == before else None

    def _ranged(self, kind: Any, limits: Range, value: Any, path: KeyPath) -> Any:
        before = len(self.problems)
        result = self.build(kind, value, path)
        if len(self.problems) == before and result is not None and not limits.admits(result):
            return self._wrong(path, f"a number {limits}", value)
        return result

    def _union(self, parts: tuple[Any, ...], value: Any, path: KeyPath) -> Any:
        if value is None and type(None) in parts:
            return None
        choices = [part for part in parts if part is not type(None)]
        alike = [one for one in choices if _is_mapping(one) == isinstance(value, dict)]
        if len(alike) == 1 or len(choices) == 1:
            return self.build((alike or choices)[0], value, path)
        for choice in choices:
            trial = _Builder(self.document, unknown_keys=self.unknown_keys)
            result = trial.build(choice, value, path)
            if not trial.problems:
                return result
        return self._wrong(path, " or ".join(_describe(choice) for choice in choices), value)

    def _tuple(self, parts: tuple[Any, ...], value: Any, path: KeyPath) -> Any:
        if not isinstance(value, list):
            return self._wrong(path, "a list", value)
        if parts[-1] is Ellipsis:
            parts = (parts[0],) * len(value)
        if len(parts) != len(value):
            return self._wrong(path, f"a list of {len(parts)}", value)
        items = enumerate(zip(parts, value, strict=True))
        return tuple(self.build(part, item, (*path, number)) for number, (part, item) in items)

    def _dict(self, part: Any, value: Any, path: KeyPath) -> Any:
        if not isinstance(value, dict):
            return self._wrong(path, "a mapping of keys", value)
        return {key: self.build(part, item, (*path, key)) for key, item in value.items()}

    def _scalar(self, kind: type, value: Any, path: KeyPath) -> Any:
        if kind is float and type(value) is int and abs(value) <= sys.float_info.max:
            return float(value)
        if type(value) is kind:
            if isinstance(value, str) and "\0" in value:
                return self._wrong(path, "text without the character NUL", value)
            return value
        hint = "; put it in quotes" if kind is str and isinstance(value, bool | int | float) else ""
        self._wrong(path, _describe(kind), value)
        if hint:
            self.problems[-1] += hint
        return None


@functools.cache  # a log has thousands of lines of one class
def _fields(cls: Any) -> tuple[dict[str, Any], dict[str, dataclasses.Field[Any]]]:
    """Return the type and the definition of each field of a dataclass, by its key."""
    fields = {key_of(field.name): field for field in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls, include_extras=True)
    return {key_of(name): kind for name, kind in hints.items()}, fields


def key_of(name: str) -> str:
    """Return the key of a field: a word that Python keeps for itself has an underscore there."""
    return name.removesuffix("_")


def _is_mapping(kind: Any) -> bool:
    return typing.get_origin(kind) is dict or dataclasses.is_dataclass(kind)


def _describe(kind: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    if kind in names:
        return names[kind]
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        return f"{_describe(parts[0])} {parts[1]}"
    if origin is tuple:
        return f"a list of {_describe(parts[0])}"
    if origin is Literal:
        return " or ".join(map(str, parts))
    return "a mapping of keys"
