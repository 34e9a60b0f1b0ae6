"""What dataclasses say about themselves: each field's type, default and docstring."""

import ast
import dataclasses
import inspect
import textwrap
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union

from harmonize.config.schema import Range, key_of

_SCALARS = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Any: "any value",
    types.NoneType: "null",
}
_UNBOUNDED = 1e6
"""Upper limits from here on only keep slips out."""


@dataclass(frozen=True)
class FieldDoc:
    """A field of a dataclass.

    Attributes:
        name: of the field's key.
        kind: the type annotation, evaluated.
        type: the same in words, such as ``whole number at least 1 or null``.
        required: whether there is no default.
        default: the value that is taken where none is given; None where it is required.
        text: the docstring below the field; of the dataclass that is its type where it has none.
    """

    name: str
    kind: Any
    type: str
    required: bool
    default: object
    text: str


def field_docs(cls: type) -> tuple[FieldDoc, ...]:
    """Describe each field of a dataclass, in the order of its source.

    Raises:
        ValueError: a field has no docstring, nor has its type.
    """
    texts = _docstrings(cls)
    hints = typing.get_type_hints(cls, include_extras=True)
    docs: list[FieldDoc] = []
    for field in dataclasses.fields(cls):
        kind = hints[field.name]
        inner = dataclass_of(kind)
        text = texts.get(field.name) or (inner is not None and summary(inner)) or ""
        if not text:
            raise ValueError(f"{cls.__name__}.{field.name}: write a docstring below the field")
        required = field.default is field.default_factory is dataclasses.MISSING
        default = None if required else field.default
        if not required and field.default is dataclasses.MISSING:
            default = typing.cast("Any", field.default_factory)()
        name = key_of(field.name)
        docs.append(FieldDoc(name, kind, describe_type(kind), required, default, text))
    return tuple(docs)


def summary(cls: type) -> str:
    """Return a class's docstring on one line."""
    return " ".join((cls.__doc__ or "").split())


def dataclass_of(kind: Any) -> type | None:
    """Return the dataclass that a type is, or holds one or more of; None if there is none."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind
    return next(filter(None, map(dataclass_of, typing.get_args(kind))), None)


def describe_type(kind: Any) -> str:
    """Write a type in words, as the author of a YAML file needs it."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind in _SCALARS:
        return _SCALARS[kind]
    if dataclasses.is_dataclass(kind):
        return "keys"
    if origin is Annotated:
        return f"{describe_type(parts[0])} {_limits(parts[1])}"
    if origin in (Literal, Union, types.UnionType):
        return _listed(_choices(kind))
    if origin is tuple and parts[-1] is Ellipsis:
        return f"list of {describe_type(parts[0])}"
    if origin is tuple:
        inside = dict.fromkeys(map(describe_type, parts))
        return f"list of {len(parts)} ({', '.join(inside)})"
    if origin is dict:
        return f"names, each with {describe_type(parts[1])}"
    raise TypeError(f"no words for the type {kind}")


def _choices(kind: Any) -> list[str]:
    """Return what a value may be, in words; a choice among choices is taken apart."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return [f"`{part}`" for part in parts]
    if origin in (Union, types.UnionType):
        return [choice for part in parts for choice in _choices(part)]
    return [describe_type(kind)]


def _listed(choices: list[str]) -> str:
    """Join choices by commas and ``or``."""
    return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))


def _limits(limits: Range) -> str:
    bounded = limits.high < _UNBOUNDED
    if bounded and not limits.above:
        return f"{limits.low:g} to {limits.high:g}"
    low = f"{'above' if limits.above else 'at least'} {limits.low:g}"
    return f"{low} and at most {limits.high:g}" if bounded else low


def _docstrings(cls: type) -> dict[str, str]:
    """Return the text below each field in a class's source, on one line."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    texts: dict[str, str] = {}
    for statement, following in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            texts[statement.target.id] = " ".join(following.value.value.split())
    return texts
