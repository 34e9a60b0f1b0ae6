"""What stands for classes: colours, formulas and the data set's own class files."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonize import HarmonizeError
from harmonize.config.strict_yaml import Value
from harmonize.labels.encodings import ClassFile, ValueFormula, parse_values, write_value

MADE_OF = "a formula is made of V or R, G, B, A, whole numbers and + - * // %, got "


def formula(text: str) -> ValueFormula:
    return ValueFormula(text, where="toy.yaml:6:1: value")


def worked_out(text: str, **channels: int) -> int:
    """Return what a formula gives for a single pixel."""
    pixels = {name: np.full((1, 1), number) for name, number in channels.items()}
    return int(formula(text)(pixels)[0, 0])


@pytest.mark.parametrize(
    ("value", "numbers"),
    [
        ([1, 2, 3], (0x010203,)),
        ([1, 2, 3, 4], (0x04010203,)),
        ([0, 0, 0, 255], (0xFF000000,)),
        ("#01020304", (0x04010203,)),
        (["#01020304", [1, 2, 3]], (0x04010203, 0x010203)),
        ([1, 2, 3, 4, 5], None),
        ([1, 2, 3, 256], None),
        ([1, 2, 3, -1], None),
        ("#0102030", None),
    ],
)
def test_a_colour_may_have_a_fourth_part(value: Value, numbers: tuple[int, ...] | None) -> None:
    assert parse_values("rgb", value) == numbers


@pytest.mark.parametrize(
    ("encoding", "number", "written"),
    [
        ("ids", 0x04010203, "67174915"),
        ("rgb", 0x010203, "#010203"),
        ("rgb", 0x04010203, "#01020304"),
    ],
)
def test_a_number_is_written_as_users_write_it(encoding: str, number: int, written: str) -> None:
    assert write_value(encoding, number) == written  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "known"), [(1 << 32, False), ((1 << 32) - 1, True), (-1, False)])
def test_ids_have_at_most_32_bits(value: int, known: bool) -> None:
    assert parse_values("ids", value) == ((value,) if known else None)


@pytest.mark.parametrize(
    ("text", "channels", "number"),
    [
        ("V", {"V": 7}, 7),
        (" V // 256 ", {"V": 65535}, 255),
        ("V % 1000", {"V": 26003}, 3),
        ("R + 256*G + 65536*B", {"R": 1, "G": 2, "B": 3}, 197121),
        ("R + 256*(G + 256*B)", {"R": 255, "G": 255, "B": 255}, 16777215),
        ("A*16777216 + B", {"A": 255, "B": 1}, 4278190081),
        ("R - 5", {"R": 3}, -2),
        ("R//10*1000 + B", {"R": 25, "B": 9}, 2009),
        ("V*0 + 4294967295", {"V": 1}, 4294967295),
    ],
)
def test_a_formula_is_whole_arithmetic(text: str, channels: dict[str, int], number: int) -> None:
    assert worked_out(text, **channels) == number
    assert formula(text).names == set(channels)


def test_a_formula_does_not_overflow_the_bytes_of_a_picture() -> None:
    channels = {name: np.full((2, 3), 200, dtype=np.uint8) for name in "RGB"}
    ids = formula("R + 256*G + 65536*B")(channels)
    assert ids.tolist() == [[200 * 65793] * 3] * 2


@pytest.mark.parametrize(
    "text",
    [
        "V.real",
        "V[0]",
        "abs(V)",
        "__import__('os')",
        "V**2",
        "V/256",
        "V<<8",
        "V & 255",
        "V | 1",
        "-V",
        "+V",
        "~V",
        "V*1.0",
        "V*True",
        "V + 'a'",
        "V + 1j",
        "V if V else V",
        "V < 3",
        "V and V",
        "(V, V)",
        "[V]",
        "(V := V)",
        "lambda: V",
        "f'{V}'",
        "X",
        "v",
        "V + id",
        "None",
        "V*4294967296",
        "V + 10**9",
        "5",
        "256*2 + 1",
        "V//0",
        "V%0",
        "R + 1//0",
        "V//(1 - 1)",
        "R//G",
        "R%(G + 1)",
    ],
)
def test_a_formula_of_anything_else_is_refused(text: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        formula(text)
    assert str(caught.value) == f"toy.yaml:6:1: value: {MADE_OF}{text!r}"


@pytest.mark.parametrize(
    "text", ["", " ", "V +", "V V", "V = 1", "V; V", "import os", "(V", "V\0", "(" * 5000]
)
def test_a_text_that_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        formula(text)
    assert str(caught.value) == f"toy.yaml:6:1: value: not a formula, got {text!r}"


@pytest.mark.parametrize(
    "text",
    [
        "R*4294967295*4294967295",
        "R + 4294967295*4294967295*4294967295",
        "(R - 4294967295*4294967295)//7",
        "V" + " + V" * 60,
    ],
)
def test_a_formula_whose_numbers_could_wrap_around_is_refused(text: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        formula(text)
    assert str(caught.value) == (
        f"toy.yaml:6:1: value: a formula too long or beyond 64 bits, got {text[:60]!r}"
    )


@given(st.text("VRGBAX 0129+-*/%().,[]'", max_size=16))
def test_any_text_is_a_working_formula_or_refused(text: str) -> None:
    drawn, told = None, ""
    try:
        drawn = formula(text)
    except HarmonizeError as error:
        told = str(error)
    if drawn is None:
        assert told.startswith("toy.yaml:6:1: value: ")
        return
    top = {name: np.full((1, 2), 255, dtype=np.uint8) for name in drawn.names}
    expected = eval(text.strip(), {}, dict.fromkeys(drawn.names, 255))
    assert drawn(top).tolist() == [[expected] * 2]


NAMES = ["sky", "road", "void"]
CONFIG = {"labels": [{"name": name, "color": [0, 0, 0]} for name in NAMES]}


def write(root: Path, content: object) -> Path:
    """Write the class file of a data set."""
    (root / "config.json").write_text(json.dumps(content))
    return root


def refused(root: Path, classes: ClassFile, names: list[str] | None = None) -> tuple[str, ...]:
    """Return the problems that looking up the classes raises."""
    with pytest.raises(HarmonizeError) as caught:
        classes.look_up(root, NAMES if names is None else names)
    return caught.value.problems


def test_a_class_has_the_id_of_its_position(tmp_path: Path) -> None:
    classes = ClassFile("config.json")
    assert classes.look_up(write(tmp_path, CONFIG), ["void", "sky", "road"]) == [2, 0, 1]


def test_a_key_may_give_the_id(tmp_path: Path) -> None:
    content = {"categories": [{"title": "b", "number": 70000}, {"title": "a", "number": 7}]}
    classes = ClassFile("config.json", items="categories", name="title", id="number")
    assert classes.look_up(write(tmp_path, content), ["a", "b"]) == [7, 70000]


def test_the_file_may_be_the_list_itself(tmp_path: Path) -> None:
    classes = ClassFile("config.json", items="")
    assert classes.look_up(write(tmp_path, CONFIG["labels"]), NAMES) == [0, 1, 2]


def test_a_class_missing_on_either_side_is_named(tmp_path: Path) -> None:
    write(tmp_path, CONFIG)
    assert refused(tmp_path, ClassFile("config.json"), ["sky", "raod", "hill"]) == (
        f"{tmp_path}/config.json: no class 'raod', which the mapping has; did you mean road?",
        f"{tmp_path}/config.json: no class 'hill', which the mapping has; "
        "choose from: sky, road, void",
        f"{tmp_path}/config.json: the class 'road' is not in the mapping; add it to `classes`",
        f"{tmp_path}/config.json: the class 'void' is not in the mapping; add it to `classes`",
    )


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("", ClassFile("config.json")),
        ("{", ClassFile("config.json")),
        ("[" * 100_000, ClassFile("config.json")),
        ("3", ClassFile("config.json", items="")),
        ("[]", ClassFile("config.json")),
        ("{}", ClassFile("config.json")),
        ('{"labels": null}', ClassFile("config.json")),
        ('{"labels": [1]}', ClassFile("config.json")),
        ('{"labels": ["sky"]}', ClassFile("config.json")),
        ('{"labels": [{"title": "sky"}]}', ClassFile("config.json")),
        ('{"labels": [{"name": "sky"}]}', ClassFile("config.json", id="id")),
        ('{"labels": {"sky": {"name": "sky"}}}', ClassFile("config.json")),
        ('{"labels": []}', ClassFile("config.json", items="")),
    ],
)
def test_a_class_file_that_looks_different_is_refused(
    tmp_path: Path, text: str, classes: ClassFile
) -> None:
    (tmp_path / "config.json").write_text(text)
    (problem,) = refused(tmp_path, classes)
    assert problem == (
        f"{tmp_path}/config.json: expected classes under {classes.items!r} with the key 'name'; "
        "check the mapping's `class_file`"
    )


def test_a_missing_class_file_is_named(tmp_path: Path) -> None:
    assert refused(tmp_path, ClassFile("sub/config.json")) == (
        f"{tmp_path}/sub/config.json: no such file",
    )


@pytest.mark.parametrize("number", [-1, 1 << 32, 3.0, "3", None, True])
def test_an_id_in_a_class_file_must_be_one(tmp_path: Path, number: object) -> None:
    write(tmp_path, [{"name": "sky", "id": number}])
    assert refused(tmp_path, ClassFile("config.json", items="", id="id"), ["sky"]) == (
        f"{tmp_path}/config.json: the class 'sky' has no usable id, got {number!r}",
    )


@pytest.mark.parametrize("second", [{"name": "sky", "id": 4}, {"name": "road", "id": 3}])
def test_a_class_file_with_a_name_or_an_id_twice_is_refused(
    tmp_path: Path, second: dict[str, object]
) -> None:
    write(tmp_path, [{"name": "sky", "id": 3}, second])
    names = ["sky", str(second["name"])]
    (problem,) = refused(tmp_path, ClassFile("config.json", items="", id="id"), names)
    assert problem == (
        f"{tmp_path}/config.json: {second['name']!r} or its id {second['id']} stands there twice"
    )
