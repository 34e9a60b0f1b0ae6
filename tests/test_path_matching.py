"""Templates with many wildcards match as regular expressions do, in bounded time."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonize.errors import HarmonizeError
from harmonize.labels.path_matching import PathPattern, Piece, _expression, _Search, _ways
from harmonize.labels.path_template import Template

_PIECES = st.sampled_from(
    [
        Piece(re.escape("a")),
        Piece(re.escape("b/")),
        Piece(re.escape("_")),
        Piece("[^/]*", is_wild=True),
        Piece(r"\d+", is_wild=True),
        Piece(r"\d{2,}", is_wild=True),
        Piece("[^/]+", "x", is_wild=True),
        Piece("[^/]+", "y", is_wild=True),
        Piece(r"\d+", "z", is_wild=True),
        Piece("(?P=x)"),
    ]
)


def _is_pattern(pieces: list[Piece]) -> bool:
    """Say whether names are there once, and before they are used."""
    names = [piece.name for piece in pieces if piece.name]
    known: set[str] = set()
    for piece in pieces:
        if piece.expression == "(?P=x)" and "x" not in known:
            return False
        known |= {piece.name} if piece.name else set()
    return len(names) == len(set(names))


@given(st.lists(_PIECES, max_size=7).filter(_is_pattern), st.text("ab1_/", max_size=9))
def test_the_search_finds_what_a_regular_expression_finds(pieces: list[Piece], path: str) -> None:
    match = re.fullmatch("".join(map(_expression, pieces)), path)
    assert _Search(pieces, path).found() == (None if match is None else match.groupdict())


@pytest.mark.parametrize(
    "text",
    [
        "{a}{b}{c}{d}{e}{f}{g}{h}x.png",
        "*a*a*a*a*a*a*a*a*b.png",
        "{a}_{b}_{c}_{d}_{e}_{f}_{g}.png",
        "{a}{b}{c}/{d}{e}{f}/{g}{h}{i}/x.png",
        "{a:03d}{b:03d}{c:03d}{d:03d}{e:03d}{f:03d}.png",
    ],
)
def test_names_that_can_be_parted_in_many_ways_take_little_time(text: str) -> None:
    pattern = Template(text, where="picture").pattern()
    began = time.process_time()
    for name in ("a" * 120, "_" * 120, "1" * 120, "a" * 80 + "/" + "a" * 80 + "/" + "a" * 80):
        assert pattern.fields(f"{name}.jpg") is None
    assert time.process_time() - began < 5


def test_a_path_that_takes_too_long_is_named() -> None:
    pattern = Template("{a}{b}{c}{d}/{a}{b}{e}{f}{g}.png", where="toy.yaml:3: picture").pattern()
    assert pattern.fields("abcd/abefg.png") is not None
    path = "a" * 80 + "/" + "a" * 80 + ".jpg"
    with pytest.raises(HarmonizeError) as caught:
        pattern.fields(path)
    assert str(caught.value) == (
        f"toy.yaml:3: picture: {path[:60]!r} can be parted among these fields in too many ways; "
        "write a text or a folder between them, or fewer fields"
    )


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("images/{id}.png", 1),
        ("{split}/{city}/{city}_{seq:06d}_{frame:06d}_x.png", 2),
        ("{a}_{b}/*/{c}", 2),
        ("{a}_{b}_{c}.png", 3),
        ("{a}_{b}_{c}_{d}.png", 4),
        ("{a}{b}{c}/{d}{e}{f}/x", 5),
    ],
)
def test_wildcards_beside_each_other_are_counted(text: str, ways: int) -> None:
    pattern = Template(text, where="picture").pattern()
    assert _ways(pattern._pieces) == ways


def test_fields_of_many_wildcards() -> None:
    pattern = Template("{a}_{b}_{c}_{d}/{a}-{e:02d}.png", where="picture").pattern()
    assert pattern.fields("1_2_3_4_5/1_2-07.png") == {
        "a": "1_2",
        "b": "3",
        "c": "4",
        "d": "5",
        "e": "07",
    }
    assert pattern.fields("1_2_3_4/9-07.png") is None
    assert isinstance(pattern, PathPattern)
