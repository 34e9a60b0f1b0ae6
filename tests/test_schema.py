"""Dataclasses from YAML: values of every type, and every mistake with its place."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from harmonize import HarmonizeError
from harmonize.config.schema import (
    Count,
    Fraction,
    NonNegative,
    Positive,
    PositiveInt,
    Range,
    build,
)
from harmonize.config.strict_yaml import Document, load_text


@dataclass(frozen=True)
class Part:
    size: int
    label: str = "none"


@dataclass(frozen=True)
class Whole:
    flag: bool = False
    count: int = 0
    number: float = 0.0
    text: str = ""
    maybe: str | None = None
    anything: Any = None
    mode: Literal["a", "long", 1] = "a"
    share: Annotated[float, Range(0, 1)] = 0.5
    pair: tuple[int, str] = (0, "")
    many: tuple[Annotated[int, Range(1)], ...] = ()
    table: dict[str, float] = field(default_factory=dict)
    part: Part = Part(1)
    parts: tuple[Part, ...] = ()
    either: str | tuple[str, ...] = ""
    limited: Annotated[int, Range(1)] | None = None


def built(text: str) -> Whole:
    return build(Whole, load_text(text, "file"))


def problems(text: str, cls: type = Whole) -> tuple[str, ...]:
    with pytest.raises(HarmonizeError) as caught:
        build(cls, load_text(text, "file"))
    return caught.value.problems


def test_nothing_written_gives_the_defaults() -> None:
    assert built("") == Whole()
    assert built("{}") == Whole()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flag: true", Whole(flag=True)),
        ("count: -3", Whole(count=-3)),
        ("number: 1e-3", Whole(number=0.001)),
        ("number: 2", Whole(number=2.0)),
        ("text: no", Whole(text="no")),
        ("text: '1'", Whole(text="1")),
        ("maybe: null", Whole(maybe=None)),
        ("maybe: x", Whole(maybe="x")),
        ("anything: [1, {a: b}]", Whole(anything=[1, {"a": "b"}])),
        ("mode: a", Whole(mode="a")),
        ("mode: long", Whole(mode="long")),
        ("mode: 1", Whole(mode=1)),
        ("share: 0", Whole(share=0.0)),
        ("share: 1.0", Whole(share=1.0)),
        ("pair: [1, x]", Whole(pair=(1, "x"))),
        ("many: [1, 2]", Whole(many=(1, 2))),
        ("many: []", Whole(many=())),
        ("table: {a: 1, b: 2.5}", Whole(table={"a": 1.0, "b": 2.5})),
        ("part: {size: 3, label: x}", Whole(part=Part(3, "x"))),
        ("parts: [{size: 3}, {size: 4}]", Whole(parts=(Part(3), Part(4)))),
        ("either: x", Whole(either="x")),
        ("either: [x, y]", Whole(either=("x", "y"))),
        ("limited: 1", Whole(limited=1)),
        ("limited: ~", Whole(limited=None)),
    ],
)
def test_values_of_every_type_are_built(text: str, expected: Whole) -> None:
    assert repr(built(text)) == repr(expected)  # repr tells 2 from 2.0


def test_a_choice_is_compared_by_value_not_by_identity() -> None:
    for mode in ("a", "long"):
        assert build(Whole, Document("file", {"mode": mode})).mode == mode


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("flag: yes", "1: flag: expected true or false, got 'yes'"),
        ("flag: 1", "1: flag: expected true or false, got 1"),
        ("count: 1.0", "1: count: expected a whole number, got 1.0"),
        ("count: true", "1: count: expected a whole number, got True"),
        ("count: '1'", "1: count: expected a whole number, got '1'"),
        ("number: true", "1: number: expected a number, got True"),
        ("number: fast", "1: number: expected a number, got 'fast'"),
        ("text: 1", "1: text: expected text, got 1; put it in quotes"),
        ("text: true", "1: text: expected text, got True; put it in quotes"),
        ("text: [a]", "1: text: expected text, got ['a']"),
        ("text: null", "1: text: expected text, got None"),
        ("maybe: 3", "1: maybe: expected text, got 3; put it in quotes"),
        ("mode: b", "1: mode: expected one of a, long, 1, got 'b'"),
        ("mode: true", "1: mode: expected one of a, long, 1, got True"),
        ("mode: 1.0", "1: mode: expected one of a, long, 1, got 1.0"),
        ("mode: [a]", "1: mode: expected one of a, long, 1, got ['a']"),
        ("share: 1.1", "1: share: expected a number at least 0 and at most 1, got 1.1"),
        ("share: .nan", "1: share: expected a number at least 0 and at most 1, got nan"),
        ("share: x", "1: share: expected a number, got 'x'"),
        ("pair: [1]", "1: pair: expected a list of 2, got [1]"),
        ("pair: [1, 2]", "11: pair.1: expected text, got 2; put it in quotes"),
        ("pair: ab", "1: pair: expected a list, got 'ab'"),
        ("many: [1, 0]", "11: many.1: expected a number at least 1, got 0"),
        ("many: {a: 1}", "1: many: expected a list, got {'a': 1}"),
        ("table: {a: x}", "9: table.a: expected a number, got 'x'"),
        ("table: [1]", "1: table: expected a mapping of keys, got [1]"),
        ("part: 3", "1: part: expected a mapping of keys, got 3"),
        ("part: {label: x}", "1: part: the key 'size' is missing; add it"),
        ("part: {size: x}", "8: part.size: expected a whole number, got 'x'"),
        ("parts: [{size: 1}, {}]", "20: parts.1: the key 'size' is missing; add it"),
        ("either: 3", "1: either: expected text or a list of text, got 3"),
        ("either: null", "1: either: expected text or a list of text, got None"),
        ("either: [a, 3]", "1: either: expected text or a list of text, got ['a', 3]"),
        ("limited: 0", "1: limited: expected a number at least 1, got 0"),
        ("cuont: 3", "1: cuont: unknown key; did you mean count?"),
        ("part: {size: 1, lable: x}", "17: part.lable: unknown key; did you mean label?"),
        ("part: {size: 1, zzz: x}", "17: part.zzz: unknown key; choose from: size, label"),
    ],
)
def test_a_wrong_value_is_told_with_its_place(text: str, told: str) -> None:
    assert problems(f"\n{text}") == (f"file:2:{told}",)


@pytest.mark.parametrize("number", ["1" + "0" * 350, "0x1" + "0" * 350])
def test_a_number_beyond_every_float_is_refused(number: str) -> None:
    for key in ("number", "share", "limited"):
        (problem,) = problems(f"{key}: {number}")
        assert problem.startswith(f"file:1:1: {key}: expected a")


def test_a_long_value_is_shortened() -> None:
    (problem,) = problems(f"count: {'x' * 100}")
    assert problem == f"file:1:1: count: expected a whole number, got '{'x' * 56}..."


def test_all_problems_are_told_at_once() -> None:
    text = "flag: 3\ncuont: 1\npart:\n  size: x\n  colour: y\nmany: [0, 1, a]\n"
    assert [problem.partition(": ")[2].partition(": ")[0] for problem in problems(text)] == [
        "cuont",
        "flag",
        "many.0",
        "many.2",
        "part.colour",
        "part.size",
    ]


def test_each_of_several_problems_has_its_own_place() -> None:
    text = "many: [0, 1, a]\nparts:\n- {size: 1}\n-   label: x\n    colour: y\n"
    assert [": ".join(problem.split(": ")[:2]) for problem in problems(text)] == [
        "file:1:8: many.0",
        "file:1:14: many.2",
        "file:5:5: parts.1.colour",
        "file:4:5: parts.1",
    ]


def test_a_document_that_is_no_mapping_is_refused() -> None:
    assert problems("- 1\n") == ("file:1:1: expected a mapping of keys, got [1]",)


def test_missing_keys_are_all_told() -> None:
    assert problems("label: x", Part) == ("file:1:1: the key 'size' is missing; add it",)
    assert problems("", Part) == ("file: the key 'size' is missing; add it",)


def test_overridden_values_are_placed_on_the_command_line() -> None:
    document = load_text("count: 1\n", "file")
    document.override("count=x")
    with pytest.raises(HarmonizeError) as caught:
        build(Whole, document)
    assert str(caught.value) == "command line: count: expected a whole number, got 'x'"


@dataclass(frozen=True)
class Limits:
    positive: Positive = 1
    non_negative: NonNegative = 1
    fraction: Fraction = 1
    positive_int: PositiveInt = 1
    count: Count = 1


@pytest.mark.parametrize(
    ("key", "admitted", "refused"),
    [
        ("positive", ["1e-300", "7"], ["0", "-1", ".inf", ".nan"]),
        ("non_negative", ["0", "1e300"], ["-1e-9", ".inf"]),
        ("fraction", ["0", "0.5", "1"], ["-0.1", "1.0001"]),
        ("positive_int", ["1", "1000000"], ["0", "1.5"]),
        ("count", ["0", "3"], ["-1", "0.5"]),
    ],
)
def test_ranges_admit_their_own_numbers_alone(
    key: str, admitted: list[str], refused: list[str]
) -> None:
    for text in admitted:
        value = getattr(build(Limits, load_text(f"{key}: {text}", "file")), key)
        assert value == float(text)
    for text in refused:
        (problem,) = problems(f"{key}: {text}", Limits)
        assert problem.startswith(f"file:1:1: {key}: expected a")


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Range(0, above=True), "above 0"),
        (Range(1), "at least 1"),
        (Range(0, 1), "at least 0 and at most 1"),
        (Range(0, 1, above=True), "above 0 and at most 1"),
        (Range(), "finite"),
    ],
)
def test_a_range_says_what_it_admits(limits: Range, text: str) -> None:
    assert str(limits) == text
