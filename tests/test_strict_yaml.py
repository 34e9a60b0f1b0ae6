"""YAML 1.2 scalars, places, refusals, overrides, and text that survives a round trip."""

import json
import math
import re
from pathlib import Path
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harmonize import HarmonizeError
from harmonize.config.strict_yaml import (
    KeyPath,
    Value,
    dotted,
    dump,
    load_file,
    load_text,
    read_text,
)

TEXT = """\
seed: 3
# a comment
train:
  steps: 10

  track: [a, b]
datasets:
  - spec: one.yaml
  - {spec: two.yaml, train: all}
"""

AMBIGUOUS = [
    "no",
    "1e-4",
    "010",
    "",
    " x",
    "x ",
    "true",
    "~",
    "null",
    "0x10",
    "0o7",
    ".inf",
    ".nan",
]

AMBIGUOUS += [
    "1.",
    "-1",
    "=",
    "<<",
    "- a",
    "a: b",
    "a #b",
    "#",
    "@x",
    "*x",
    "&x",
    "!x",
    "\n",
    "a\n",
]

AMBIGUOUS += [
    "2020-01-01",
    "1_000",
    "1:30",
    "\t",
    "\x85",
    "\u2028",
    "\ufeff",
    "\x00",
    "'",
    '"',
    "---",
]

texts = st.one_of(st.text(max_size=12), st.sampled_from(AMBIGUOUS))

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**100), 10**100),
    st.floats(allow_nan=False),
    texts,
)

values = st.recursive(
    scalars,
    lambda part: st.one_of(st.lists(part, max_size=4), st.dictionaries(texts, part, max_size=4)),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("1e-4", 1e-4),
        ("1E+2", 100.0),
        ("010", 10),
        ("-7", -7),
        ("+7", 7),
        ("0x1f", 31),
        ("0o17", 15),
        ("0o9", "0o9"),
        (".5", 0.5),
        ("5.", 5.0),
        (".e3", ".e3"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("~", None),
        ("null", None),
        ("", None),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("inf", "inf"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("|\n  1\n", "1\n"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Value) -> None:
    read = load_text(f"x: {text}", "file").get(("x",))
    assert (type(read), read) == (type(value), value)


def test_dot_nan_is_not_a_number() -> None:
    read = load_text("[.nan, nan]", "file").value
    assert isinstance(read, list)
    assert isinstance(read[0], float)
    assert math.isnan(read[0])
    assert read[1] == "nan"


def test_keys_are_always_text() -> None:
    assert load_text("{1: a, true: b, null: c, no: d}", "file").value == {
        "1": "a",
        "true": "b",
        "null": "c",
        "no": "d",
    }


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n"])
def test_a_text_without_content_is_none(text: str) -> None:
    assert load_text(text, "file").value is None


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ((), "run.yaml:1:1"),
        (("seed",), "run.yaml:1:1: seed"),
        (("train",), "run.yaml:3:1: train"),
        (("train", "steps"), "run.yaml:4:3: train.steps"),
        (("train", "track", 1), "run.yaml:6:14: train.track.1"),
        (("train", "track", 1, "x"), "run.yaml:6:14: train.track.1.x"),
        (("train", "unwritten"), "run.yaml:3:1: train.unwritten"),
        (("datasets", 0, "spec"), "run.yaml:8:5: datasets.0.spec"),
        (("datasets", 0), "run.yaml:8:5: datasets.0"),
        (("datasets", 1), "run.yaml:9:5: datasets.1"),
        (("datasets", 1, "train"), "run.yaml:9:22: datasets.1.train"),
        (("datasets", 7), "run.yaml:7:1: datasets.7"),
        (("unwritten",), "run.yaml:1:1: unwritten"),
    ],
)
def test_where_names_the_place_of_the_value_or_of_its_nearest_parent(
    path: tuple[str | int, ...], where: str
) -> None:
    assert load_text(TEXT, "run.yaml").where(path) == where


def test_where_names_the_place_of_the_key_not_of_a_value_below_it() -> None:
    document = load_text("a:\n\n  b: 1\n", "file")
    assert document.where(("a",)) == "file:1:1: a"
    assert document.where(("a", "b")) == "file:3:3: a.b"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("{a: {b: 1, c: 2}, d: 3}", {"": "1:1", "a": "1:2", "a.b": "1:6", "a.c": "1:12"}),
        ("a: {b: 1,\n  c: 2,\n\n    d: [3]}", {"a.b": "1:5", "a.c": "2:3", "a.d.0": "4:9"}),
        ("a: [[1, 2], [3,\n 4], []]", {"a.0": "1:5", "a.0.1": "1:9", "a.1": "1:13"}),
        ("a: [[1, 2], [3,\n 4], []]", {"a.1.0": "1:14", "a.1.1": "2:2", "a.2": "2:6"}),
        ("- - 1\n  -   2\n-\n  - 3\n", {"0": "1:3", "0.0": "1:5", "0.1": "2:7", "1": "4:3"}),
        ("a:\n- x\n-  y\n", {"a": "1:1", "a.0": "2:3", "a.1": "3:4"}),
        ("a:\n  - b: 1\n    c: 2\n", {"a.0": "2:5", "a.0.b": "2:5", "a.0.c": "3:5"}),
        ("a:\n      'b c':   1\n", {"a.b c": "2:7"}),
        ("a: [\"x\", 'y',  z]\n", {"a.0": "1:5", "a.1": "1:10", "a.2": "1:16"}),
        ("? a\n:   1\n?   b\n: 2\n", {"a": "1:3", "b": "3:5"}),
        ("a: |\n  text\nb:\n  - >\n    more\n", {"a": "1:1", "b": "3:1", "b.0": "4:5"}),
        ("# note\n\n---\na: 1\n", {"": "4:1", "a": "4:1"}),
        ("a: 1\r\nb:\r\n  c: 2\r\n", {"b": "2:1", "b.c": "3:3"}),
        ("{å: [ø, '\U0001f600', æ]}", {"å": "1:2", "å.0": "1:6", "å.1": "1:9", "å.2": "1:14"}),
        ("{a: , b: ~}", {"a": "1:2", "b": "1:7"}),
    ],
)
def test_columns_are_where_keys_and_elements_start(text: str, places: dict[str, str]) -> None:
    written = load_text(text, "file").places
    shown = {dotted(path): place.removeprefix("file:") for path, place in written.items()}
    assert {path: shown[path] for path in places} == places


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("train", "steps"), 10),
        (("train", "track", 1), "b"),
        (("train", "track", 2), None),
        (("train", "steps", "x"), None),
        (("datasets", 1, "train"), "all"),
        (("datasets", "0"), None),
        (("unwritten",), None),
    ],
)
def test_get_returns_what_is_written_or_none(path: tuple[str | int, ...], value: Value) -> None:
    assert load_text(TEXT, "run.yaml").get(path) == value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "file:3:1: a: this key is written twice"),
        ("x:\n  - {a: 1,\n     a: 2}\n", "file:3:6: x.0.a: this key is written twice"),
        ("a: 1\n'a': 2\n", "file:2:1: a: this key is written twice"),
        ("a: 1\nb: &name 2\n", "file:2:4: anchors, aliases and tags are not used here"),
        ("a: 1\nb: *name\n", "file:2:4: anchors, aliases and tags are not used here"),
        ("a: 1\nb: !!python/none x\n", "file:2:4: anchors, aliases and tags are not used here"),
        ("a: !!str 2\n", "file:1:4: anchors, aliases and tags are not used here"),
        ("a:\n\tb: 1\n", "file:2:1: not valid YAML: found character '\\t'"),
        ("a: [1\nb: 2\n", "file:2:2: not valid YAML: expected ',' or ']'"),
        ("a: 1\n b: 2\n", "file:2:3: not valid YAML: mapping values are not allowed here"),
        ("a: 1\n--- \nb: 2\n", "file:2:1: not valid YAML: but found another document"),
        ("? [1, 2]\n: a\n", "file:1:3: a key must be plain text"),
        ("a: \x07\n", "file: not valid YAML: unacceptable character #x0007"),
        ("a: 1\nb: '", "file:2:5: not valid YAML: found unexpected end of stream"),
    ],
)
def test_what_is_not_strict_yaml_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        load_text(text, "file")
    (message,) = caught.value.problems
    assert message.startswith(problem)


@pytest.mark.parametrize(
    "text", ['a: "\\UFFFFFFFF"', '"\\U00110000"', f"%YAML {'9' * 5000}.1\n---\na\n"]
)
def test_numbers_that_the_yaml_library_trips_over_are_refused(text: str) -> None:
    with pytest.raises(HarmonizeError, match=r"^file: not valid YAML: "):
        load_text(text, "file")


def test_deep_nesting_is_refused() -> None:
    wrong = "nested too deeply; at most 100 levels"
    with pytest.raises(HarmonizeError, match=rf"^file:1:101: {wrong}$"):
        load_text("[" * 600 + "]" * 600, "file")
    with pytest.raises(HarmonizeError, match=rf"^file:101:101: {wrong}$"):
        load_text("".join(f"{' ' * depth}k:\n" for depth in range(600)), "file")
    load_text("[" * 100 + "]" * 100, "file")
    load_text(
        "a: [{b: c}]\n" + "d:\n  - [e]\n" + "\n".join(f"k{n}: [1]" for n in range(200)), "file"
    )


def test_load_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("a: 1\na: 2\n")
    with pytest.raises(HarmonizeError) as caught:
        load_file(path)
    assert str(caught.value) == f"{path}:2:1: a: this key is written twice"


def test_read_text_drops_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "bom.txt"
    path.write_bytes(b"\xef\xbb\xbfhair\n")
    assert read_text(path) == "hair\n"


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"n\xe9z")
    for path, problem in [
        (tmp_path / "none.txt", "no such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (latin, "not UTF-8 text (byte 1); save as UTF-8"),
        (tmp_path / "a\0b", "cannot be read: embedded null byte"),
    ]:
        with pytest.raises(HarmonizeError) as caught:
            read_text(path)
        assert str(caught.value) == f"{path}: {problem}"


@settings(max_examples=300)
@given(values)
@example(AMBIGUOUS)
@example(dict.fromkeys(AMBIGUOUS))
@example([-0.0, 1e16, 1e-7, 5e-324, math.inf, -math.inf, 10**100])
def test_a_dumped_value_is_read_back_unchanged(value: object) -> None:
    read = load_text(dump(cast("Value", value)), "file").value
    assert repr(read) == repr(value)  # repr tells 1, 1.0, True and -0.0 apart


def test_dumping_writes_no_aliases() -> None:
    shared: Value = ["x"]
    assert load_text(dump({"a": shared, "b": shared}), "file").value == {"a": ["x"], "b": ["x"]}


class Written:
    """A flow text made piece by piece, and where each part of its value starts."""

    def __init__(self, value: object, gaps: st.DataObject) -> None:
        self.text = ""
        self.places: dict[KeyPath, str] = {}
        self._gaps = gaps
        self._add(value, ())

    def _add(self, value: object, path: KeyPath) -> None:
        self._gap()
        self.places[path] = self._place()
        if isinstance(value, list):
            self.text += "["
            for number, item in enumerate(value):
                self._add(item, (*path, number))
                self.text += ","
            self.text += "]"
        elif isinstance(value, dict):
            self.text += "{"
            for key, item in value.items():
                self._gap()
                place = self._place()
                self.text += json.dumps(key, ensure_ascii=False) + ": "
                self._add(item, (*path, key))
                self.places[*path, key] = place
                self.text += ","
            self.text += "}"
        else:
            self.text += json.dumps(value)
            self._gap()

    def _gap(self) -> None:
        self.text += self._gaps.draw(st.sampled_from(["", " ", "\n", "  \n  ", "\r\n ", " # é\n"]))

    def _place(self) -> str:
        line, start = self.text.count("\n") + 1, self.text.rfind("\n") + 1
        return f"file:{line}:{len(self.text) - start + 1}"


words = st.text("abé: ,#", max_size=3)

flows = st.recursive(
    st.one_of(st.integers(0, 999), words),
    lambda part: st.one_of(st.lists(part, max_size=3), st.dictionaries(words, part, max_size=3)),
    max_leaves=8,
)


@settings(max_examples=200)
@given(flows, st.data())
def test_every_part_of_a_flow_text_is_placed_where_it_was_written(
    value: object, gaps: st.DataObject
) -> None:
    written = Written(value, gaps)
    document = load_text(written.text, "file")
    assert document.value == value
    assert document.places == written.places


yaml_like = st.one_of(
    st.text(max_size=40), st.text("\t\n -:?[]{}#&*!|>'\"%@`,ab01.~\\UuxF", max_size=40)
)


@settings(max_examples=500)
@given(yaml_like)
def test_any_text_is_read_or_refused(text: str) -> None:
    document, refused = None, ()
    try:
        document = load_text(text, "file")
    except HarmonizeError as error:
        refused = error.problems
    assert all(re.match(r"file(:\d+:\d+)?: ", told) for told in refused)
    if document is not None:
        again = load_text(dump(document.value), "file")
        assert repr(again.value) == repr(document.value)
