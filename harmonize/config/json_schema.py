"""JSON Schema (draft 2020-12) of configs and mappings, made from their dataclasses."""

import dataclasses
import math
import types
import typing
from typing import Annotated, Any, Literal, Union

from harmonize.config.field_docs import FieldDoc, field_docs, summary
from harmonize.config.schema import Range

Schema = dict[str, Any]

_SCALARS = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    types.NoneType: "null",
}


def json_schema(cls: type, title: str) -> Schema:
    """Return the schema of the YAML that ``schema.build`` makes a dataclass from.

    Raises:
        ValueError: a field of the dataclass, or of one inside it, has no docstring.
    """
    inner: dict[str, Schema] = {}
    schema = _object(cls, inner)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return head | schema | {"$defs": inner}


def _object(cls: type, inner: dict[str, Schema]) -> Schema:
    """Return the schema of a dataclass; those inside it are added to ``inner`` by name."""
    docs = field_docs(cls)
    return {
        "description": summary(cls),
        "type": "object",
        "properties": {doc.name: _property(doc, inner) for doc in docs},
        "required": [doc.name for doc in docs if doc.required],
        "additionalProperties": False,
    }


def _property(doc: FieldDoc, inner: dict[str, Schema]) -> Schema:
    schema = _of_type(doc.kind, inner) | {"description": doc.text}
    if doc.required or dataclasses.is_dataclass(doc.default):  # whose fields have defaults
        return schema
    return schema | {
        "default": list(doc.default) if isinstance(doc.default, tuple) else doc.default
    }


def _of_type(kind: Any, inner: dict[str, Schema]) -> Schema:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return {}
    if kind in _SCALARS:
        return {"type": _SCALARS[kind]}
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        if kind.__name__ not in inner:
            inner[kind.__name__] = {}  # it may hold itself
            inner[kind.__name__] = _object(kind, inner)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if origin is Annotated:
        return _of_type(parts[0], inner) | _limits(parts[1])
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of_type(part, inner) for part in parts]}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_type(parts[1], inner)}
    if origin is tuple and parts[-1] is Ellipsis:
        return {"type": "array", "items": _of_type(parts[0], inner)}
    if origin is tuple:
        items = [_of_type(part, inner) for part in parts]
        length = len(items)
        return {"type": "array", "prefixItems": items, "minItems": length, "maxItems": length}
    raise TypeError(f"no JSON Schema for the type {kind}")


def _limits(limits: Range) -> Schema:
    low = "exclusiveMinimum" if limits.above else "minimum"
    bounds = {low: limits.low, "maximum": limits.high}
    return {key: bound for key, bound in bounds.items() if math.isfinite(bound)}
