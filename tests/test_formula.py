"""Formulas that turn the channels of a label picture into ids."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonize import HarmonizeError
from harmonize.labels.formula import ValueFormula

MADE_OF = "a formula is made of V or R, G, B, A, whole numbers and + - * // %, got "


def formula(text: str) -> ValueFormula:
    return ValueFormula(text, where="toy.yaml:6:1: value")


def worked_out(text: str, **channels: int) -> int:
    """Return what a formula gives for a single pixel."""
    pixels = {name: np.full((1, 1), number) for name, number in channels.items()}
    return int(formula(text)(pixels)[0, 0])


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


@pytest.mark.parametrize("text", ["", " ", "V +", "V V", "V = 1", "V; V", "import os", "(V", "V\0"])
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
        "(" * 5000,
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
