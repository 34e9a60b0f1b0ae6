"""Overrides by dotted path."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import HarmonizeError
from harmonize.config.strict_yaml import (
    Document,
    Value,
    dotted,
    load_text,
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


@pytest.mark.parametrize(
    ("assignment", "path", "value"),
    [
        ("seed=7", ("seed",), 7),
        ("seed= 7 ", ("seed",), 7),
        ("seed=", ("seed",), None),
        ("seed='7'", ("seed",), "7"),
        ("optim.lr=1e-4", ("optim", "lr"), 1e-4),
        ("train.track=[x]", ("train", "track"), ["x"]),
        ("train.track.0=x", ("train", "track"), ["x", "b"]),
        ("datasets.1.train=half", ("datasets", 1, "train"), "half"),
        ("a.b.c={d: 1}", ("a", "b", "c", "d"), 1),
        ("output=runs/a=b", ("output",), "runs/a=b"),
    ],
)
def test_an_override_replaces_one_value(
    assignment: str, path: tuple[str | int, ...], value: Value
) -> None:
    document = load_text(TEXT, "run.yaml")
    document.override(assignment)
    assert document.get(path) == value
    assert document.get(("train", "steps")) == 10


def test_an_override_takes_the_place_of_what_it_replaces() -> None:
    document = load_text(TEXT, "run.yaml")
    document.override("train={steps: 5}")
    assert document.get(("train", "track")) is None
    assert document.where(("train", "steps")) == "command line: train.steps"
    assert document.where(("train", "track", 0)) == "command line: train.track.0"
    assert document.where(("seed",)) == "run.yaml:1:1: seed"


def test_an_override_of_an_element_leaves_the_places_around_it() -> None:
    document = load_text(TEXT, "run.yaml")
    document.override("train.track.1=[x, y]")
    document.override("datasets.0={spec: [z]}")
    document.override("new.key=1")
    for path, where in {
        ("train",): "run.yaml:3:1: train",
        ("train", "track"): "run.yaml:6:3: train.track",
        ("train", "track", 0): "run.yaml:6:11: train.track.0",
        ("train", "track", 1): "command line: train.track.1",
        ("train", "track", 1, 0): "command line: train.track.1.0",
        ("datasets",): "run.yaml:7:1: datasets",
        ("datasets", 0, "spec", 0): "command line: datasets.0.spec.0",
        ("datasets", 1, "spec"): "run.yaml:9:6: datasets.1.spec",
        ("new",): "command line: new",
        ("new", "other"): "command line: new.other",
    }.items():
        assert document.where(path) == where


def test_an_override_fills_an_empty_document_and_an_empty_key() -> None:
    empty = load_text("", "file")
    empty.override("a.b=1")
    assert empty.value == {"a": {"b": 1}}
    null = load_text("a:\n", "file")
    null.override("a.b=1")
    assert null.value == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("seed", "command line: expected key.path=value, got 'seed'"),
        ("=3", "command line: expected key.path=value, got '=3'"),
        (
            "datasets.2.train=x",
            "command line: datasets.2.train: '2' is no element; there are 0 to 1",
        ),
        ("datasets.-1=x", "command line: datasets.-1: '-1' is no element; there are 0 to 1"),
        (
            "datasets.spec=x",
            "command line: datasets.spec: 'spec' is no element; there are 0 to 1",
        ),
        ("seed.x=1", "command line: seed.x: 'x' is inside a value that has no keys"),
        ("seed=[1", "command line: seed:1:3: not valid YAML: expected ',' or ']'"),
        ("seed=*x", "command line: seed:1:1: anchors, aliases and tags are not used here"),
    ],
)
def test_an_override_that_cannot_be_is_refused(assignment: str, problem: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        load_text(TEXT, "run.yaml").override(assignment)
    assert str(caught.value).startswith(problem)


def test_dotted_is_how_overrides_are_written() -> None:
    assert dotted(("datasets", 0, "spec")) == "datasets.0.spec"


yaml_like = st.one_of(
    st.text(max_size=40), st.text("\t\n -:?[]{}#&*!|>'\"%@`,ab01.~\\UuxF", max_size=40)
)


@settings(max_examples=300)
@given(st.one_of(yaml_like, st.builds("{}={}".format, st.text("a.0", max_size=8), yaml_like)))
def test_any_override_is_applied_or_refused(assignment: str) -> None:
    document = Document("file", {"a": [{"a": 0}, None]})
    refused = ""
    try:
        document.override(assignment)
    except HarmonizeError as error:
        refused = str(error)
    assert refused.startswith("command line: ") or "=" in assignment
    assert bool(refused) == (document.places == {})
