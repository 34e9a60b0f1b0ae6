"""JSON files that harmonize wrote, read back into the dataclasses that they were written from."""

import dataclasses
import json
from pathlib import Path
from typing import Any, TypeVar, cast

from harmonize.config.schema import build
from harmonize.config.strict_yaml import Document, Value
from harmonize.errors import HarmonizeError

T = TypeVar("T")


def to_json(value: Any) -> Value:
    """Return a dataclass of plain values as what JSON can hold."""
    if dataclasses.is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in cast("tuple[Any, ...]", value)]
    return value


def from_json(cls: type[T], value: Any, where: str) -> T:
    """Build a dataclass from what ``to_json`` returned; keys that it does not know are passed over.

    Raises:
        HarmonizeError: the first thing that is wrong, after ``where``.
    """
    try:
        return build(cls, Document(where, value), unknown_keys=True)
    except HarmonizeError as error:
        raise HarmonizeError(error.problems[0].removesuffix("; add it")) from None


def read_saved(cls: type[T], path: Path, advice: str) -> T:
    """Read a file of one dataclass.

    Raises:
        HarmonizeError: it cannot be read or is damaged; ``advice`` says what to do.
    """
    try:
        return from_json(cls, json.loads(path.read_bytes()), f"{path}: is damaged")
    except OSError as error:
        reason = f"{path}: cannot be read: {error.strerror or error}"
    except HarmonizeError as error:
        reason = str(error)
    except (ValueError, RecursionError) as error:
        reason = f"{path}: is damaged: not JSON: {error}"
    raise HarmonizeError(f"{reason}; {advice}")
