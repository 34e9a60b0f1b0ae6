"""What dataclasses say about their fields."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from harmonize.config.field_docs import dataclass_of, describe_type, field_docs, summary
from harmonize.config.run_config import RunConfig
from harmonize.config.schema import Range
from harmonize.labels.mapping import Mapping


@dataclass(frozen=True)
class Inner:
    """What is
    inside."""

    a: int
    """The first letter,
    on two lines."""
    b: tuple[str, ...] = ("x",)
    """The second letter."""


@dataclass(frozen=True)
class Outer:
    """What is outside."""

    inner: Inner
    several: tuple[Inner, ...] = ()
    """More of them."""
    names: dict[str, int] = field(default_factory=dict[str, int])
    """Numbers by name."""


@dataclass(frozen=True)
class Silent:
    """A field of it says nothing."""

    mute: int
    loud: int
    """The only one."""


def test_fields_have_their_type_default_and_docstring() -> None:
    a, b = field_docs(Inner)
    assert (a.name, a.type, a.required, a.default) == ("a", "whole number", True, None)
    assert a.text == "The first letter, on two lines."
    assert (b.name, b.type, b.required, b.default) == ("b", "list of text", False, ("x",))


def test_a_field_without_docstring_takes_that_of_its_dataclass() -> None:
    inner, several, names = field_docs(Outer)
    assert inner.text == summary(Inner) == "What is inside."
    assert several.text == "More of them."
    assert names.default == {}


def test_a_field_must_be_documented() -> None:
    with pytest.raises(ValueError, match=r"Silent\.mute: write a docstring below the field"):
        field_docs(Silent)


@pytest.mark.parametrize("cls", [RunConfig, Mapping])
def test_every_key_of_configs_and_mappings_is_documented(cls: type) -> None:
    for doc in field_docs(cls):
        inner = dataclass_of(doc.kind)
        if inner is not None:
            assert field_docs(inner)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (bool, "true or false"),
        (int | None, "whole number or null"),
        (Literal["a", "b", "c"], "`a`, `b` or `c`"),
        (Literal["a", "b"] | None, "`a`, `b` or null"),
        (Annotated[int, Range(1)], "whole number at least 1"),
        (Annotated[int, Range(1, 1_000_000)], "whole number at least 1"),
        (Annotated[float, Range(0, 1)], "number 0 to 1"),
        (Annotated[float, Range(0, 1, above=True)], "number above 0 and at most 1"),
        (tuple[int, int], "list of 2 (whole number)"),
        (tuple[int, str], "list of 2 (whole number, text)"),
        (str | tuple[str, ...], "text or list of text"),
        (dict[str, Any], "names, each with any value"),
        (tuple[Inner, ...], "list of keys"),
    ],
)
def test_types_in_words(kind: Any, words: str) -> None:
    assert describe_type(kind) == words


def test_a_type_without_words_is_refused() -> None:
    with pytest.raises(TypeError, match="no words for the type <class 'bytes'>"):
        describe_type(bytes)


def test_dataclasses_are_found_inside_types() -> None:
    assert dataclass_of(dict[str, Inner]) is Inner
    assert dataclass_of(tuple[Inner, ...] | None) is Inner
    assert dataclass_of(Annotated[int, Range(0)]) is None
