"""The JSON Schemas of configs and mappings: they take what is shipped, and no slip."""

import copy
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator

from harmonize.config.json_schema import json_schema
from harmonize.config.run_config import RunConfig
from harmonize.config.schema import Range
from harmonize.config.strict_yaml import load_file
from harmonize.labels.mapping import Mapping

REPO = Path(__file__).parents[1]
SCHEMAS = {"configs": json_schema(RunConfig, "config"), "datasets": json_schema(Mapping, "mapping")}
FILES = [path for folder in SCHEMAS for path in sorted((REPO / folder).rglob("*.yaml"))]


@dataclass(frozen=True)
class Inner:
    """A part."""

    size: Annotated[int, Range(1)]
    """In pixels."""


@dataclass(frozen=True)
class Outer:
    """All of it."""

    part: Inner
    """The part."""
    parts: tuple[Inner, ...] = ()
    """More parts."""
    share: Annotated[float, Range(0, 1, above=True)] | None = None
    """Of the pictures."""
    bounds: tuple[int, int] = (1, 2)
    """Two
    numbers."""
    names: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    """By key."""
    kind: Literal["a", "b"] = "a"
    """Which."""
    whatever: Any = None
    """Anything."""


def test_a_schema_says_types_ranges_choices_defaults_and_docstrings() -> None:
    assert json_schema(Outer, "Title") == {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Title",
        "description": "All of it.",
        "type": "object",
        "properties": {
            "part": {"$ref": "#/$defs/Inner", "description": "The part."},
            "parts": {
                "type": "array",
                "items": {"$ref": "#/$defs/Inner"},
                "description": "More parts.",
                "default": [],
            },
            "share": {
                "anyOf": [
                    {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                    {"type": "null"},
                ],
                "description": "Of the pictures.",
                "default": None,
            },
            "bounds": {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "integer"}],
                "minItems": 2,
                "maxItems": 2,
                "description": "Two numbers.",
                "default": [1, 2],
            },
            "names": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "By key.",
                "default": {},
            },
            "kind": {"enum": ["a", "b"], "description": "Which.", "default": "a"},
            "whatever": {"description": "Anything.", "default": None},
        },
        "required": ["part"],
        "additionalProperties": False,
        "$defs": {
            "Inner": {
                "description": "A part.",
                "type": "object",
                "properties": {
                    "size": {"type": "integer", "minimum": 1, "description": "In pixels."}
                },
                "required": ["size"],
                "additionalProperties": False,
            }
        },
    }


def test_a_type_without_a_schema_is_refused() -> None:
    @dataclass(frozen=True)
    class Odd:
        """Odd."""

        names: set[str]
        """What YAML has not."""

    with pytest.raises(TypeError, match="type set"):
        json_schema(Odd, "odd")


def test_a_field_without_a_docstring_is_refused() -> None:
    @dataclass(frozen=True)
    class Bare:
        """Bare."""

        name: str

    with pytest.raises(ValueError, match="name: write a docstring below the field"):
        json_schema(Bare, "bare")


@pytest.mark.parametrize("folder", SCHEMAS)
def test_a_schema_is_one_and_describes_every_key(folder: str) -> None:
    schema = SCHEMAS[folder]
    Draft202012Validator.check_schema(schema)
    for one in (schema, *schema["$defs"].values()):
        assert one["description"]
        assert all(key["description"] for key in one["properties"].values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(REPO)))
def test_everything_shipped_is_as_its_schema_says(path: Path) -> None:
    schema = SCHEMAS[path.relative_to(REPO).parts[0]]
    assert [
        e.message for e in Draft202012Validator(schema).iter_errors(load_file(path).value)
    ] == []


@pytest.mark.parametrize(
    ("file", "key", "value", "message"),
    [
        ("configs/demo.yaml", "modle", {}, "'modle' was unexpected"),
        ("configs/demo.yaml", "ontology", 3, "3 is not of type 'string'"),
        ("configs/demo.yaml", "data.size", 0, "0 is less than the minimum of 1"),
        ("configs/demo.yaml", "data.size", 1.5, "1.5 is not of type 'integer'"),
        ("configs/demo.yaml", "data.workers", True, "True is not of type 'integer'"),
        ("configs/demo.yaml", "optim.lr", 0, "0 is less than or equal to the minimum of 0"),
        ("configs/demo.yaml", "optim.name", "adam", "'adam' is not one of ['sgd', 'adamw']"),
        ("configs/demo.yaml", "augment.scale", [0.5], "[0.5] is too short"),
        ("configs/demo.yaml", "augment.scale", [0.5, 1, 1], "[0.5, 1, 1] is too long"),
        ("configs/demo.yaml", "datasets", [{}], "'spec' is a required property"),
        ("datasets/helen.yaml", "picture", None, "None is not of type 'string'"),
        ("datasets/helen.yaml", "tolerance", 256, "256 is greater than the maximum of 255"),
        ("datasets/helen.yaml", "encoding", "id", "'id' is not valid under any of the given"),
        ("datasets/helen.yaml", "splits.train.skip", -1, "-1 is less than the minimum of 0"),
        ("datasets/helen.yaml", "splits.train.where", {"id": [1]}, "[1] is too short"),
        ("datasets/helen.yaml", "meanings", {}, "'meanings' was unexpected"),
    ],
)
def test_a_wrong_key_type_or_value_is_not(file: str, key: str, value: Any, message: str) -> None:
    document = copy.deepcopy(load_file(REPO / file))
    document.set(key, value, source="test")
    errors = Draft202012Validator(SCHEMAS[file.partition("/")[0]]).iter_errors(document.value)
    assert any(message in error.message for error in errors)


def test_a_number_may_be_whole_and_a_key_null_where_they_are_read_so() -> None:
    document = load_file(REPO / "configs" / "demo.yaml")
    document.set("optim.lr", 1, source="test")
    document.set("output", None, source="test")
    assert Draft202012Validator(SCHEMAS["configs"]).is_valid(document.value)
