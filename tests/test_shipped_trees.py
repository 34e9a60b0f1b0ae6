"""The trees of trees/: their leaves, groups and mirror images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from harmonize import Ontology
from small_trees import tree

REPO = Path(__file__).parents[1]

TREES = sorted((REPO / "trees").glob("*.txt"))

FACES = """
background hair upper_lip inner_mouth lower_lip face_skin nose left_eye right_eye
left_eyebrow right_eyebrow
"""

FACES_LEAVES = FACES.split()


def shipped(name: str) -> Ontology:
    return Ontology.from_file(REPO / "trees" / f"{name}.txt")


def paper_text(name: str) -> str:
    """Return a tree of the paper as the paper's code has it: no comments, no mirror lines."""
    lines = (REPO / "trees" / f"{name}.txt").read_text().splitlines()
    kept = [line for line in lines if line.strip() and line.lstrip()[0] not in "#@"]
    return "\n".join(kept) + "\n"


def facts(ontology: Ontology) -> tuple[object, ...]:
    groups = tuple(ontology.groups(depth) for depth in range(ontology.depth + 1))
    return ontology.leaves, ontology.nodes, ontology.depth, groups


def mirror_names(ontology: Ontology) -> dict[str, str]:
    pairs = zip(ontology.leaves, ontology.mirror.tolist(), strict=True)
    return {leaf: ontology.leaves[other] for leaf, other in pairs if ontology.leaves[other] != leaf}


def test_every_shipped_tree_is_counted_below() -> None:
    assert {path.stem for path in TREES} == {
        *("ade20k", "camvid", "faces", "faces_full", "roads", "universal", "vistas", "voc"),
    }


@pytest.mark.parametrize(
    ("name", "group_counts"),
    [
        ("faces", [1, 2, 3, 6, 11]),
        ("vistas", [1, 7, 37, 66]),
        ("faces_full", [1, 2, 4, 11, 16, 21]),
        ("camvid", [1, 5, 10, 11]),
        ("voc", [1, 2, 5, 14, 21]),
        ("ade20k", [1, 8, 33, 150]),
        ("roads", [1, 8, 53, 95, 118, 130, 131]),
        ("universal", [1, 9, 39, 169, 244, 259]),
    ],
)
def test_shipped_trees_have_their_hand_counted_groups(name: str, group_counts: list[int]) -> None:
    ontology = shipped(name)
    assert ontology.name == name
    assert ontology.depth == len(group_counts) - 1
    assert len(ontology.leaves) == group_counts[-1]
    assert [len(ontology.groups(depth)) for depth in range(ontology.depth + 1)] == group_counts


def test_the_face_tree_has_the_papers_leaves_and_groups() -> None:
    faces = shipped("faces")
    assert list(faces.leaves) == FACES_LEAVES
    mouth, skin = tuple(FACES_LEAVES[2:5]), tuple(FACES_LEAVES[5:7])
    eyes, eyebrows = tuple(FACES_LEAVES[7:9]), tuple(FACES_LEAVES[9:])
    assert faces.groups(4) == tuple((leaf,) for leaf in FACES_LEAVES)
    assert faces.groups(3) == (("background",), ("hair",), mouth, skin, eyes, eyebrows)
    assert faces.groups(2) == (("background",), ("hair",), tuple(FACES_LEAVES[2:]))
    assert faces.groups(1) == (("background",), tuple(FACES_LEAVES[1:]))


def test_the_vistas_tree_has_the_papers_66_leaves_below_14_inner_nodes() -> None:
    vistas = shipped("vistas")
    assert len(vistas.nodes) - len(vistas.leaves) == 14
    assert vistas.leaves[:3] == ("bird", "ground-animal", "curb")
    assert vistas.leaves[-3:] == ("car-mount", "ego-vehicle", "unlabeled")
    assert vistas.groups(2)[-6:-3] == (
        ("pole", "traffic-sign-frame", "utility-pole"),
        ("back", "front"),
        (
            *("bicycle", "boat", "bus", "car", "caravan", "motorcycle", "on-rails"),
            *("other-vehicle", "trailer", "truck", "wheeled-slow"),
        ),
    )


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        ("faces", ["eye", "eyebrow"]),
        ("faces_full", ["eye", "eyebrow", "ear"]),
        ("vistas", []),
        ("camvid", []),
        ("voc", []),
        ("ade20k", []),
    ],
)
def test_shipped_trees_exchange_left_and_right(name: str, pairs: list[str]) -> None:
    expected = {f"left_{part}": f"right_{part}" for part in pairs}
    expected |= {right: left for left, right in expected.items()}
    assert mirror_names(shipped(name)) == expected
    sided = {leaf for leaf in shipped(name).leaves if "left" in leaf or "right" in leaf}
    assert sided == set(expected)


def test_the_roads_tree_exchanges_arrows_to_the_left_and_to_the_right() -> None:
    one_way = {
        "arrow_left": "arrow_right",
        "arrow_split_left_or_straight": "arrow_split_right_or_straight",
    }
    roads = shipped("roads")
    assert mirror_names(roads) == one_way | {right: left for left, right in one_way.items()}
    sided = {leaf for leaf in roads.leaves if {"left", "right"} & set(leaf.split("_"))}
    assert sided == one_way.keys() | set(one_way.values())


@pytest.mark.parametrize("name", ["faces", "vistas"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\t", "  "),
        lambda text: text.replace("\t", "    "),
        lambda text: text.replace("\n", "\n\n \t \n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", " \t# a comment\n"),
        lambda text: text.rstrip("\n"),
    ],
    ids=["tabs", "2 spaces", "4 spaces", "blank lines", "crlf", "comments", "no last newline"],
)
def test_the_papers_trees_parse_alike_however_they_are_written(
    name: str, change: Callable[[str], str]
) -> None:
    assert facts(tree(change(paper_text(name)))) == facts(shipped(name))


def test_the_papers_text_of_the_face_tree_is_the_shipped_one() -> None:
    text = "background\nforeground\n\thair\n\tface\n\t\tmouth\n\t\t\tupper_lip\n\t\t\tinner_mouth\n"
    text += "\t\t\tlower_lip\n\t\tskin\n\t\t\tface_skin\n\t\t\tnose\n\t\teyes\n\t\t\tleft_eye\n"
    text += "\t\t\tright_eye\n\t\teyebrows\n\t\t\tleft_eyebrow\n\t\t\tright_eyebrow\n"
    assert facts(tree(text)) == facts(shipped("faces"))
    assert mirror_names(tree(text)) == {}
