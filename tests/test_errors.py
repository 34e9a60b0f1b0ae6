"""What a message may hold, and the names that can be seen."""

import pytest

from harmonize.errors import near_matches, printable, wrong_characters

PERSIAN = "می\u200cخواهم"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("größe µ 顔", "größe µ 顔"),
        (PERSIAN, PERSIAN),
        ("a\nerror: b", r"a\nerror: b"),
        ("a\x1b[2J\u202eb", r"a\x1b[2J\u202eb"),
    ],
)
def test_only_what_acts_on_a_terminal_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert (wrong_characters(text) is None) == (text == shown)


def test_near_matches_are_named_before_choices() -> None:
    assert near_matches("hiar", ["hair", "skin"]) == "did you mean hair?"
    assert near_matches("xyz", ["hair", "skin"]) == "choose from: hair, skin"
    assert near_matches("xyz", map(str, range(18))).endswith("10, 11, 12, 13, 14, 15, 16, 17")
    assert near_matches("xyz", map(str, range(19))).endswith("10, 11, ...")
    assert near_matches("xyz", []) == "there is nothing to choose from"
