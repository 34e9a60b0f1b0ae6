"""Left and right in names: mirror pairs without a declaration, and sides that are the subject's."""

from pathlib import Path

import numpy as np
import pytest

from harmonize.labels.ontology import Ontology
from harmonize.labels.tree_lint import other_side, side
from harmonize.labels.tree_lint import tree_findings as findings_of
from spoiled import LABEL, TREE, add, passes, problems, save, spoil, write_set


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_set(tmp_path, monkeypatch)


def tree_findings(text: str) -> list[str]:
    """Return what is found in a tree's text."""
    return [str(finding) for finding in findings_of(Ontology(text, name="t", source="t.txt"))]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("left_eye", "left"),
        ("eye-RIGHT", "right"),
        ("Left", "left"),
        ("eye2left", "left"),
        ("bright", None),
        ("leftover", None),
        ("cleft_lip", None),
        ("left_or_right", None),
        ("left_left", "left"),
        ("nose", None),
    ],
)
def test_only_whole_words_say_left_or_right(name: str, expected: str | None) -> None:
    assert side(name) == expected


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("left_eye", "right_eye"),
        ("eye_Right", "eye_Left"),
        ("LEFT", "RIGHT"),
        ("left_of_left", "right_of_right"),
        ("bright_left", "bright_right"),
        ("nose", "nose"),
    ],
)
def test_the_other_side_is_written_alike_and_leads_back(name: str, other: str) -> None:
    assert other_side(name) == other
    assert other_side(other) == name


def test_mirror_leaves_without_a_declaration_are_found_once_a_pair() -> None:
    assert tree_findings("nose\neye\n  right_eye\n  left_eye\n") == [
        "t.txt:3:3: 'right_eye' and 'left_eye' stay as they are in a flipped picture; "
        "declare `@mirror right_eye left_eye` [mirror]"
    ]


def test_leaves_below_mirror_nodes_are_found_too() -> None:
    text = "left_arm\n\tupper\n\tlower\nright_arm\n\tupper_r\n\tlower_r\n"
    assert tree_findings(text) == [
        "t.txt:1:1: the leaves below 'left_arm' and 'right_arm' stay as they are in a flipped "
        "picture; declare `@mirror LEAF LEAF` for each pair [mirror]"
    ]
    assert tree_findings(f"{text}@mirror upper upper_r\n@mirror lower lower_r\n") == []
    assert len(tree_findings(f"{text}@mirror upper upper_r\n")) == 1


def test_a_side_without_its_partner_is_found_unless_it_is_its_own_image() -> None:
    assert tree_findings("nose\nleft_turn\n") == [
        "t.txt:2:1: no node 'right_turn' is the mirror image of 'left_turn'; add it, or declare "
        "`@mirror left_turn` [mirror]"
    ]
    assert tree_findings("nose\nleft_turn\n@mirror left_turn\n") == []


def test_names_that_only_look_like_sides_are_left_alone() -> None:
    assert tree_findings("bright\nleftover\nleft_or_right\n") == []


def test_check_tells_mirror_leaves_without_a_partner(capsys: pytest.CaptureFixture[str]) -> None:
    Path("tiny.txt").write_text(TREE.replace("@mirror", "# @mirror"))
    told = (
        "tiny.txt:3:2: 'left' and 'right' stay as they are in a flipped picture; "
        "declare `@mirror left right` [mirror]"
    )
    assert problems(capsys, "tiny.txt") == [told]
    assert told in problems(capsys, "run.yaml", "--scan", "0")
    Path("tiny.txt").write_text(TREE)
    assert passes(capsys, "tiny.txt") == ["tiny.txt: a tree of 3 leaves and 2 depths"]


def subject_left(name: str) -> None:
    """Write a label in which ``left`` lies right of ``right``."""
    add(name, LABEL[:, ::-1].copy())


def test_check_tells_sides_that_are_the_subjects_where_the_tree_means_the_viewers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    subject_left("a")
    subject_left("b")
    told = (
        "fine.yaml:8:42: meaning.tiny.left: 'left' means left, but lies right of 'right' in 2 of 2 "
        "label files: its sides are the subject's where the tree's are the viewer's; exchange the "
        "meanings of the two [accept: {sides: [left]}]"
    )
    assert problems(capsys, "fine.yaml") == [told]
    assert told in problems(capsys, "run.yaml")
    spoil(meaning="{tiny: {background: background, left: right, right: left}}")
    passes(capsys, "fine.yaml")
    spoil(accept="{sides: [left]}")
    passes(capsys, "fine.yaml")


def test_a_tree_can_mean_the_subjects_sides(capsys: pytest.CaptureFixture[str]) -> None:
    Path("tiny.txt").write_text(f"{TREE}@left subject\n")
    told = problems(capsys, "fine.yaml")
    assert told == [
        "fine.yaml:8:54: meaning.tiny.right: 'right' means right, but lies right of 'left' in 2 of "
        "2 label files: its sides are the viewer's where the tree's are the subject's; exchange "
        "the meanings of the two [accept: {sides: [right]}]"
    ]
    subject_left("a")
    subject_left("b")
    passes(capsys, "fine.yaml")


@pytest.mark.parametrize(
    ("wrong", "right", "is_told"), [(1, 0, 0), (9, 1, 1), (8, 1, 0), (2, 2, 0)]
)
def test_few_pictures_say_nothing_about_sides(
    capsys: pytest.CaptureFixture[str], wrong: int, right: int, is_told: int
) -> None:
    for file in Path("data").rglob("*.png"):
        file.unlink()
    for number in range(wrong):
        subject_left(f"w{number}")
    for number in range(right):
        add(f"r{number}")
    save("data/images/x.png", np.zeros((4, 6, 3), np.uint8))
    save("data/labels/x.png", np.minimum(LABEL, 1))  # neither side of the pair
    if is_told:
        assert f"in {wrong} of {wrong + right} label files" in problems(capsys, "fine.yaml")[0]
    else:
        passes(capsys, "fine.yaml")


def test_each_tree_of_a_mapping_has_its_own_sides(capsys: pytest.CaptureFixture[str]) -> None:
    meaning = "{background: background, left: left, right: right}"
    spoil(meaning=f"{{tiny: {meaning}, other: {meaning}}}")
    Path("other.txt").write_text(TREE)
    subject_left("a")
    subject_left("b")
    told = problems(capsys, "fine.yaml")
    assert [line.split(":")[3].strip() for line in told] == [
        "meaning.tiny.left",
        "meaning.other.left",
    ]
