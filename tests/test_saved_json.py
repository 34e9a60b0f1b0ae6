"""JSON files of dataclasses: what is written comes back, and what is damaged is one line."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest

from harmonize import HarmonizeError
from harmonize.config.saved_json import from_json, read_saved, to_json
from harmonize.config.schema import Range


@dataclass(frozen=True)
class Part:
    """A part of a whole."""

    number: Annotated[int, Range(0)]


@dataclass(frozen=True)
class Whole:
    """What a file holds."""

    name: str
    shares: dict[str, float | None]
    parts: tuple[Part, ...] = ()


WHOLE = Whole("a", {"x": 0.5, "y": None}, (Part(1), Part(2)))


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    plain = to_json(WHOLE)
    assert plain == {
        "name": "a",
        "shares": {"x": 0.5, "y": None},
        "parts": [{"number": 1}, {"number": 2}],
    }
    path = tmp_path / "x.json"
    path.write_text(json.dumps(plain))
    assert read_saved(Whole, path, "write it again") == WHOLE


def test_keys_that_a_later_version_may_add_are_passed_over() -> None:
    more = {"name": "a", "shares": {}, "parts": [{"number": 1, "new": 2}], "new": 3}
    assert from_json(Whole, more, "x") == Whole("a", {}, (Part(1),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is damaged: not JSON: Expecting property name"),
        ("[" * 100000, "is damaged: not JSON: "),
        ("null", "is damaged: the key 'name' is missing"),
        ("[]", "is damaged: expected a mapping of keys, got []"),
        ('{"name": "a"}', "is damaged: the key 'shares' is missing"),
        ('{"name": 3, "shares": {}}', "is damaged: name: expected text, got 3"),
        ('{"name": "a", "shares": {"x": "y"}}', "is damaged: shares.x: expected a number, got 'y'"),
        (
            '{"name": "a", "shares": {}, "parts": [{"number": 1}, {"number": -1}]}',
            "is damaged: parts.1.number: expected a number at least 0, got -1",
        ),
        (
            '{"name": "a", "shares": {"x": 1' + "0" * 400 + "}}",
            "is damaged: shares.x: expected a number, got 1000",
        ),
    ],
)
def test_a_damaged_file_is_one_line_with_the_way_out(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(HarmonizeError) as caught:
        read_saved(Whole, path, "write it again")
    assert str(caught.value).startswith(f"{path}: {message}")
    assert str(caught.value).endswith("; write it again")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"cannot be read: Is a directory; write it again"):
        read_saved(Whole, tmp_path, "write it again")
    with pytest.raises(HarmonizeError, match=r"none: cannot be read: No such file or directory; "):
        read_saved(Whole, tmp_path / "none", "write it again")
