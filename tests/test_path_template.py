"""Path templates: what fills them, what they match, and what they refuse."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import HarmonizeError
from harmonize.labels.path_template import Template


def template(text: str) -> Template:
    return Template(text, where="toy.yaml:3:1: picture")


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("images/{id}.jpg", "images/7.jpg"),
        ("{id:06d}.png", "000007.png"),
        ("{id:03}.png", "007.png"),
        ("{id:d}.png", "7.png"),
        ("{person}/{person}_{number:04d}.jpg", "Ada/Ada_0012.jpg"),
        ("plain.png", "plain.png"),
        ("{{{id}}}", "{7}"),
        ("", ""),
        ("{id//2000}/{id:05d}.png", "0/00007.png"),
        ("{number//5}/{number%5}", "2/2"),
        ("{number//5:03d}/{number%10:02d}", "002/02"),
        ("{id%9999999999}", "7"),
    ],
)
def test_fields_are_filled_in(text: str, filled: str) -> None:
    assert template(text).fill({"id": 7, "person": "Ada", "number": "12"}) == filled


def test_a_number_with_leading_zeros_is_formatted_anew() -> None:
    assert template("{id:06d}").fill({"id": "0042"}) == "000042"
    assert template("{id}").fill({"id": "0042"}) == "0042"


def test_names_are_the_fields() -> None:
    assert template("{a}/{b:03d}/{a}.{{c}}").names == {"a", "b"}


def test_all_fields_but_one_are_filled_in() -> None:
    part = template("labels/{id}/{id}_lbl{class:02d}.png").fill_all_but("class", {"id": "x1"})
    assert part == "labels/x1/x1_lbl{class:02d}.png"
    assert template(part).fill({"class": 3}) == "labels/x1/x1_lbl03.png"


def test_braces_survive_filling_all_fields_but_one() -> None:
    part = template("{{a}}/{id}/{class}").fill_all_but("class", {"id": "{class}"})
    assert template(part).fill({"class": 3}) == "{a}/{class}/3"


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "{0}",
        "{id.name}",
        "{id[0]}",
        "{id!r}",
        "{id:x}",
        "{id:>6}",
        "{id:{width}}",
        "{id:0.3f}",
        "{two words}",
        "{id:000006d}",
        "{a²}",
        "{id:٣d}",
        "{id//0}",
        "{id%0}",
        "{id//-2}",
        "{id//02}",
        "{id/2}",
        "{id//}",
        "{id//n}",
        "{id // 2}",
        "{id//2//3}",
        "{id+1}",
        "{id**2}",
        "{2000//id}",
        "{//2}",
        "{id//10000000000}",
        "{id//2!r}",
        "{id//٣}",
    ],
)
def test_anything_but_a_name_and_an_integer_format_is_refused(text: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        template(text)
    assert str(caught.value).startswith("toy.yaml:3:1: picture: a field is written {name}")
    assert str(caught.value).endswith(f", got {text!r}")


@pytest.mark.parametrize("text", ["{id", "id}", "{", "a/}b"])
def test_unbalanced_braces_are_refused(text: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        template(text)
    assert re.fullmatch(
        rf"toy\.yaml:3:1: picture: not a template: .+, got '{re.escape(text)}'", str(caught.value)
    )


def test_a_field_that_nothing_gives_a_value_is_named() -> None:
    with pytest.raises(HarmonizeError) as caught:
        template("{city}/{id}.png").fill({"split": "train", "id": 1})
    assert str(caught.value) == (
        "toy.yaml:3:1: picture: nothing gives {city} a value in '{city}/{id}.png'; known: id, split"
    )
    with pytest.raises(HarmonizeError, match=r"\{id\} a value in '\{id\}'; known: none$"):
        template("{id}").fill({})


@pytest.mark.parametrize("value", ["x1", "", "1.5"])
def test_a_format_needs_a_whole_number(value: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        template("{id:06d}.png").fill({"id": value})
    assert str(caught.value) == (
        f"toy.yaml:3:1: picture: {{id:06d}} needs a whole number, got {value!r}"
    )


@pytest.mark.parametrize("value", ["x1", "", "1.5"])
def test_arithmetic_needs_a_whole_number(value: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        template("{id//2000:02d}/{id}.png").fill({"id": value})
    assert str(caught.value) == (
        f"toy.yaml:3:1: picture: {{id//2000:02d}} needs a whole number, got {value!r}"
    )


def test_arithmetic_on_a_field_without_a_value_is_named() -> None:
    with pytest.raises(HarmonizeError, match=r"nothing gives \{id\} a value in '\{id//2000\}'"):
        template("{id//2000}").fill({"split": "train"})


def test_a_kept_field_keeps_its_arithmetic() -> None:
    text = template("{id//2000}/{id:05d}/{class//10:02d}_{class%10}.png")
    part = text.fill_all_but("class", {"id": 29999})
    assert part == "14/29999/{class//10:02d}_{class%10}.png"
    assert template(part).fill({"class": 37}) == "14/29999/03_7.png"


@pytest.mark.parametrize(
    ("text", "path", "fields"),
    [
        ("{id}.png", "a.b.png", {"id": "a.b"}),
        ("{id}.png", "a/b.png", None),
        ("{id}.png", ".png", None),
        ("{id}.png", "a_png", None),
        ("{id:06d}.png", "000007.png", {"id": "000007"}),
        ("{id:06d}.png", "1234567.png", {"id": "1234567"}),
        ("{id:06d}.png", "00007.png", None),
        ("{id:06d}.png", "00000x.png", None),
        ("{id:d}.png", "7.png", {"id": "7"}),
        ("{p}/{p}_{n:02d}.jpg", "Ada/Ada_01.jpg", {"p": "Ada", "n": "01"}),
        ("{p}/{p}_{n:02d}.jpg", "Ada/Ben_01.jpg", None),
        ("*/{id}.png", "any/7.png", {"id": "7"}),
        ("*/{id}.png", "a/b/7.png", None),
        ("(a+b)/{id}", "(a+b)/7", {"id": "7"}),
        # A part of a number gives no field, and is not held against the number.
        ("{id//2000}/{id:05d}.png", "1/02000.png", {"id": "02000"}),
        ("{id//2000}/{id:05d}.png", "x/02000.png", None),
        ("{id//2000:02d}/{id}.png", "1/02000.png", None),
        ("{id//2000:02d}/{id}.png", "01/02000.png", {"id": "02000"}),
        ("{id//2000}/{id%10}.png", "1/7.png", {}),
    ],
)
def test_a_path_is_matched_as_a_whole(text: str, path: str, fields: dict[str, str] | None) -> None:
    assert template(text).pattern().fields(path) == fields


def test_glob_has_a_wildcard_for_every_field() -> None:
    assert template("*/{p}/{p}_{n:04d}.jpg").glob() == "*/*/*_*.jpg"
    assert template("{id//2000}/{id:05d}.png").glob() == "*/*.png"
    assert template("{a}{b}/*{id}{ending}").glob() == "*/*"


literals = st.text("ab(.)+^${}", max_size=5)


@st.composite
def templates(draw: st.DrawFn) -> tuple[str, dict[str, str | int], dict[str, str]]:
    """Draw a template with the fields f0, f1, ..., their values, and what to read back."""
    text, given_values, read = "", {}, {}
    for number in range(draw(st.integers(0, 3))):
        name, width = f"f{number}", draw(st.integers(0, 4))
        literal = draw(literals).replace("{", "{{").replace("}", "}}")
        if width:
            given_values[name] = draw(st.integers(0, 10**5))
            read[name] = str(given_values[name]).zfill(width)
            text += f"/{literal}/{{{name}:0{width}d}}"
        else:
            read[name] = given_values[name] = draw(st.text("ab0.{}é ", min_size=1, max_size=5))
            text += f"/{literal}/{{{name}}}"
    return text, given_values, read


@settings(max_examples=200)
@given(templates())
def test_a_filled_template_matches_and_gives_its_fields_back(
    drawn: tuple[str, dict[str, str | int], dict[str, str]],
) -> None:
    text, fields, read = drawn
    assert template(text).pattern().fields(template(text).fill(fields)) == read


@settings(max_examples=400)
@given(
    st.one_of(st.text(max_size=12), st.text("{}:!.[]idé0٣²6 */", max_size=12)),
    st.one_of(st.integers(), st.text(max_size=4)),
)
def test_any_text_is_a_working_template_or_refused(text: str, value: str | int) -> None:
    drawn, refused = None, ()
    try:
        drawn = template(text)
        drawn.fill(dict.fromkeys(drawn.names, value))
        drawn.fill_all_but("id", dict.fromkeys(drawn.names, value))
    except HarmonizeError as error:
        refused = error.problems
    assert all(told.startswith("toy.yaml:3:1: picture: ") for told in refused)
    if drawn is not None:
        assert drawn.pattern().names <= drawn.names
        assert bool(drawn.names) <= ("*" in drawn.glob())
