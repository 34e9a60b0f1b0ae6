"""Findings that are meant: what ``accept`` takes, what it hides, and what is told of it."""

from pathlib import Path

import pytest

from harmonize.config.accept import MAPPING_FINDINGS, Accepted, check_accept
from harmonize.config.strict_yaml import Document, load_text
from spoiled import CONFIG, passes, problems, spoil, write_set

SHARED = "{tiny: {background: background, left: thing, right: right}}"


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, monkeypatch)


def document() -> Document:
    return load_text("accept:\n  sides: [a, b]\n  unlabelled: all\n", "m.yaml")


def test_only_the_names_listed_are_accepted() -> None:
    accepted = Accepted({"sides": ("a", "b")}, document())
    assert accepted.has("sides", "a")
    assert accepted.has("sides", "c", "b")
    assert not accepted.has("sides", "c")
    assert not accepted.has("sides")
    assert not accepted.has("unlabelled", "a")


@pytest.mark.parametrize("all_", ["all", ("all",), ("x", "all")])
def test_all_accepts_every_name_and_none(all_: str | tuple[str, ...]) -> None:
    accepted = Accepted({"unlabelled": all_}, document())
    assert accepted.has("unlabelled")
    assert accepted.has("unlabelled", "a")
    assert not accepted.has("sides", "a")


def test_what_was_never_met_is_told_with_its_place_and_by_kind() -> None:
    accepted = Accepted({"sides": ("a", "b"), "unlabelled": "all"}, document())
    accepted.has("sides", "a")
    assert accepted.unused(("sides",)) == [
        "m.yaml:2:14: accept.sides.1: nothing of the kind is found about 'b'; remove it"
    ]
    assert accepted.unused(("unlabelled", "never-seen")) == [
        "m.yaml:3:3: accept.unlabelled: nothing of the kind is found about 'all'; remove it"
    ]
    accepted.has("unlabelled")
    assert accepted.unused(("unlabelled",)) == []


def test_wrong_kinds_and_values_are_all_told() -> None:
    found: list[str] = []
    accept: dict[str, str | tuple[str, ...]] = {"side": "all", "sides": "left", "unlabelled": "all"}
    check_accept(accept, MAPPING_FINDINGS, document(), found)
    assert found == [
        "m.yaml:1:1: accept.side: no finding 'side'; did you mean sides?",
        "m.yaml:2:3: accept.sides: expected a list of names or all, got 'left'",
    ]


@pytest.mark.parametrize("names", ["all", "[right]", "[left]", "[left, right]"])
def test_an_accepted_finding_vanishes(capsys: pytest.CaptureFixture[str], names: str) -> None:
    spoil(meaning=SHARED)
    assert len(problems(capsys, "fine.yaml")) == 1
    spoil(meaning=SHARED, accept=f"{{shared-leaves: {names}}}")
    assert passes(capsys, "fine.yaml") == [
        "fine.yaml: a mapping of 3 classes to tiny; 2 label files read"
    ]


def test_a_finding_of_another_kind_or_name_stays(capsys: pytest.CaptureFixture[str]) -> None:
    spoil(meaning=SHARED, accept="{shared-leaves: [background], partly-labelled: all}")
    assert problems(capsys, "fine.yaml") == [
        "fine.yaml:8:55: meaning.tiny.right: 'right' shares right with 'left', so the network "
        "cannot answer which of them it sees; give each its own nodes "
        "[accept: {shared-leaves: [right]}]",
        "fine.yaml:9:26: accept.shared-leaves.0: nothing of the kind is found about "
        "'background'; remove it",
        "fine.yaml:9:39: accept.partly-labelled: nothing of the kind is found about 'all'; "
        "remove it",
    ]


def test_unused_acceptances_of_a_config_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.yaml").write_text(f"{CONFIG}accept:\n  unsupervised: [left]\n")
    told = "accept.unsupervised.0: nothing of the kind is found about 'left'; remove it"
    assert f"run.yaml:4:18: {told}" in problems(capsys, "run.yaml", "--scan", "0")
    Path("run.yaml").write_text(CONFIG)
    override = "accept.unsupervised=[left]"
    assert f"command line: {told}" in problems(capsys, "run.yaml", override, "--scan", "0")


@pytest.mark.parametrize(
    ("accept", "line"),
    [
        (
            "{whole-tre: all}",
            "10: accept.whole-tre: no finding 'whole-tre'; did you mean whole-tree?",
        ),
        (
            "{unsupervised: all}",
            "10: accept.unsupervised: no finding 'unsupervised'; choose from: whole-tree, "
            "shared-leaves, partly-labelled, one-answer, never-seen, unlabelled, sides, palettes, "
            "twice-in-split, in-two-splits",
        ),
        ("{sides: left}", "10: accept.sides: expected a list of names or all, got 'left'"),
        ("{sides: 3}", "10: accept.sides: expected text or a list of text, got 3"),
        ("{sides: [1]}", "10: accept.sides: expected text or a list of text, got [1]"),
        ("[sides]", "1: accept: expected a mapping of keys, got ['sides']"),
    ],
)
def test_wrong_acceptances_are_refused(
    capsys: pytest.CaptureFixture[str], accept: str, line: str
) -> None:
    spoil(accept=accept)
    assert problems(capsys, "fine.yaml") == [f"fine.yaml:9:{line}"]


def test_a_config_accepts_findings_of_configs_alone(capsys: pytest.CaptureFixture[str]) -> None:
    Path("run.yaml").write_text(f"{CONFIG}accept: {{sides: all}}\n")
    assert problems(capsys, "run.yaml", "--scan", "0") == [
        "run.yaml:3:10: accept.sides: no finding 'sides'; choose from: unsupervised"
    ]
