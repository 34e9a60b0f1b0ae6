"""Trees: shipped ones hand-counted, random ones against brute force, bad ones refused by line."""

import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import TypeCheckError

from harmonize import HarmonizeError, Ontology

REPO = Path(__file__).parents[1]
TREES = sorted((REPO / "trees").glob("*.txt"))

FACES = """
background hair upper_lip inner_mouth lower_lip face_skin nose left_eye right_eye
left_eyebrow right_eyebrow
"""
FACES_LEAVES = FACES.split()

SMALL = """\
background
person
\thair
\teyes
\t\tleft
\t\tright
@mirror left right
"""


def tree(text: str) -> Ontology:
    return Ontology(text, name="tree", source="tree.txt")


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


def test_a_small_tree_is_what_a_hand_count_says() -> None:
    small = tree(SMALL)
    assert small.nodes == ("background", "person", "hair", "eyes", "left", "right")
    assert small.leaves == ("background", "hair", "left", "right")
    assert small.depth == 3
    assert small.groups(0) == (("background", "hair", "left", "right"),)
    assert small.groups(1) == (("background",), ("hair", "left", "right"))
    assert small.groups(2) == (("background",), ("hair",), ("left", "right"))
    assert small.groups(3) == (("background",), ("hair",), ("left",), ("right",))
    assert small.group_index.tolist() == [[0, 0, 0, 0], [0, 1, 1, 1], [0, 1, 2, 2], [0, 1, 2, 3]]
    assert small.mirror.tolist() == [0, 1, 3, 2]
    assert [small.depth_of(node) for node in small.nodes] == [1, 1, 2, 2, 3, 3]
    assert {node: small.children(node) for node in small.nodes} == {
        "background": (),
        "person": ("hair", "eyes"),
        "hair": (),
        "eyes": ("left", "right"),
        "left": (),
        "right": (),
    }
    assert small.mirror_declared == {"left", "right"}
    assert small.left == "viewer"
    assert small.places == {
        "background": "tree.txt:1:1",
        "person": "tree.txt:2:1",
        "hair": "tree.txt:3:2",
        "eyes": "tree.txt:4:2",
        "left": "tree.txt:5:3",
        "right": "tree.txt:6:3",
    }


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a\n  b\n    c\n  d\n", {"a": "1:1", "b": "2:3", "c": "3:5", "d": "4:3"}),
        ("# a\n\n \t \na # b\n    b#c\n", {"a": "4:1", "b": "5:5"}),
        ("@left viewer\na\n\tb\n@mirror b\n\tc\n", {"a": "2:1", "b": "3:2", "c": "5:2"}),
        ("a\r\n\tb\r\n\t\tc", {"a": "1:1", "b": "2:2", "c": "3:3"}),
        ("år\n ø\n", {"år": "1:1", "ø": "2:2"}),
    ],
)
def test_nodes_are_placed_where_their_names_start(text: str, places: dict[str, str]) -> None:
    assert tree(text).places == {node: f"tree.txt:{place}" for node, place in places.items()}


def test_without_a_source_the_name_stands_in_places() -> None:
    assert Ontology("a\n\tb", name="toy").places == {"a": "toy:1:1", "b": "toy:2:2"}


def test_a_source_with_colons_is_kept_in_places() -> None:
    assert Ontology("a\n\tb", name="t", source="C:/t.txt").places["b"] == "C:/t.txt:2:2"
    with pytest.raises(HarmonizeError, match=r"^C:/t\.txt:3:2: 'b' stands on line 2 already"):
        Ontology("a\n\tb\n\tb", name="t", source="C:/t.txt")


def test_the_root_and_unknown_names_have_no_children() -> None:
    for name in ("(root)", "nose"):
        with pytest.raises(KeyError):
            tree(SMALL).children(name)


@pytest.mark.parametrize(
    ("text", "mirror", "declared"),
    [
        ("a\nb\nc\n", [0, 1, 2], set()),
        ("a\nb\nc\n@mirror b\n", [0, 1, 2], {"b"}),
        ("a\nb\nc\n@mirror c a\n@mirror b\n", [2, 1, 0], {"a", "b", "c"}),
        ("@mirror b\n@mirror a c\na\nb\nc\n", [2, 1, 0], {"a", "b", "c"}),
        ("a\n\tb\n\t@mirror  b\tc  # both\n\tc\nd\n", [1, 0, 2], {"b", "c"}),
        ("a\n\tb\n\t\t\t @mirror d # one\n\tc\nd\n", [0, 1, 2], {"d"}),
    ],
)
def test_a_leaf_may_be_declared_its_own_mirror_image(
    text: str, mirror: list[int], declared: set[str]
) -> None:
    ontology = tree(text)
    assert ontology.mirror.tolist() == mirror
    assert ontology.mirror_declared == declared


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("", "viewer"),
        ("# @left subject\n", "viewer"),
        ("@left viewer\n", "viewer"),
        ("@left subject\n", "subject"),
        ("@left  subject # of the portrait\n", "subject"),
        ("\t@left\tsubject\n", "subject"),
    ],
)
def test_left_is_the_viewers_unless_declared(line: str, left: str) -> None:
    for text in (line + SMALL, SMALL + line, SMALL.replace("person\n", "person\n" + line)):
        ontology = tree(text)
        assert ontology.left == left
        assert facts(ontology) == facts(tree(SMALL))
        assert ontology.mirror.tolist() == [0, 1, 3, 2]  # whose left it is moves no channel


def test_every_shipped_tree_is_counted_below() -> None:
    assert {path.stem for path in TREES} == {
        *("ade20k", "camvid", "faces", "faces_full", "roads", "vistas", "voc"),
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


def test_an_inner_node_may_have_a_single_child() -> None:
    chain = tree("a\n\tb\n\t\tc\nd\n")
    assert chain.leaves == ("c", "d")
    assert chain.depth == 3
    assert [chain.groups(depth) for depth in range(4)] == [(("c", "d"),)] + 3 * [(("c",), ("d",))]
    assert chain.leaf_mask("a").tolist() == chain.leaf_mask("b").tolist() == [True, False]


def test_a_tree_may_be_a_single_leaf() -> None:
    single = tree("only")
    assert (single.leaves, single.depth, single.groups(1)) == (("only",), 1, (("only",),))


def test_a_file_gives_the_tree_its_name(tmp_path: Path) -> None:
    path = tmp_path / "my.tree.txt"
    path.write_bytes(b"\xef\xbb\xbf" + SMALL.encode())
    ontology = Ontology.from_file(path)
    assert ontology.name == "my.tree"
    assert facts(ontology) == facts(tree(SMALL))


def test_the_text_is_kept() -> None:
    assert tree(SMALL).text == SMALL


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1: the tree is empty; write one node per line"),
        ("# only\n\n  # comments\n", "1: the tree is empty; write one node per line"),
        ("a\nb\na\n", "3:1: 'a' stands on line 1 already; names are unique"),
        ("a\n\tb\nc\n\tb\n", "4:2: 'b' stands on line 2 already; names are unique"),
        (
            "a\n\t\tb\n",
            "2:3: 'b' is indented by 2 levels, where at most 1 can be; indent one level at a time",
        ),
        (
            "a\n  b\n      c\n",
            "3:7: 'c' is indented by 3 levels, where at most 2 can be; indent one level at a time",
        ),
        (
            "\ta\nb\n",
            "1:2: 'a' is indented by 1 levels, where at most 0 can be; indent one level at a time",
        ),
        (
            "a\n\tb\n  c\n",
            "3:3: 'c' has mixed tabs and spaces before it; indent the whole file with one kind",
        ),
        (
            "a\n  b\n\tc\n",
            "3:2: 'c' has mixed tabs and spaces before it; indent the whole file with one kind",
        ),
        (
            "a\n \tb\n",
            "2:3: 'b' has mixed tabs and spaces before it; indent the whole file with one kind",
        ),
        (
            "a\n\u3000b\n",
            "2:2: 'b' has mixed tabs and spaces before it; indent the whole file with one kind",
        ),
        (
            "a\n    b\n  c\n",
            "3:3: 'c' is indented by 2 spaces, which is no multiple of 4, "
            "the first indentation of the file",
        ),
        ("a\nleft eye\n", "2:1: a name has no spaces, got 'left eye'; write left_eye"),
        ("a\nb\tc\n", "2:1: a name has no spaces, got 'b\\tc'; write b_c"),
        ("a\nignore\n", "2:1: 'ignore' is a reserved name; choose another"),
        ("(root)\n", "1:1: '(root)' is a reserved name; choose another"),
        (
            "left\nright\n@mirror left rihgt\n",
            "3:1: 'rihgt' is not in the tree; mirror leaves: did you mean right?",
        ),
        (
            "a\n\tb\n\tc\n\n@mirror b a\n",
            "5:1: 'a' is a node with children; mirror leaves: choose from: b, c",
        ),
        (
            "a\n\tb\n\tc\n\t@mirror a\n",
            "4:2: 'a' is a node with children; mirror leaves: choose from: b, c",
        ),
        (
            "left\nright\n@mirror lefd\n",
            "3:1: 'lefd' is not in the tree; mirror leaves: did you mean left?",
        ),
        (
            "a\n@mirror (root)\n",
            "2:1: '(root)' is not in the tree; mirror leaves: choose from: a",
        ),
        (
            "a\n@mirror a\n@mirror a\n",
            "3:1: the mirror image of 'a' is declared already",
        ),
        (
            "a\nb\n@mirror a\n  @mirror b a\n",
            "4:3: the mirror image of 'a' is declared already",
        ),
        (
            "a\nb\n@mirror a b\n@mirror b\n",
            "4:1: the mirror image of 'b' is declared already",
        ),
        ("a\n@left viewer\n@left subject\n", "3:1: @left is declared already"),
        ("a\n@mirror a a\n", "2:1: for a leaf that is its own mirror image write `@mirror a`"),
        (
            "a\nb\nc\n@mirror a b\n@mirror c a\n",
            "5:1: the mirror image of 'a' is declared already",
        ),
    ],
)
def test_a_bad_tree_is_refused_with_its_place(text: str, problem: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        tree(text)
    assert str(caught.value) == f"tree.txt:{problem}"


@pytest.mark.parametrize(
    ("line", "got"),
    [
        ("@miror a b", "@miror a b"),
        ("@mirror", "@mirror"),
        ("@mirror a b a", "@mirror a b a"),
        ("@MIRROR a", "@MIRROR a"),
        ("@ mirror a b", "@ mirror a b"),
        ("@mirror # a", "@mirror"),
        ("@left", "@left"),
        ("@left right", "@left right"),
        ("@left Subject", "@left Subject"),
        ("@left viewer subject", "@left viewer subject"),
        ("@left a b", "@left a b"),
        ("@leftsubject", "@leftsubject"),
        ("@right viewer", "@right viewer"),
        ("@left\t  nobody  # at all", "@left nobody"),
    ],
)
@pytest.mark.parametrize("indent", ["", "\t", "   "])
def test_a_bad_declaration_is_refused_with_its_place(line: str, got: str, indent: str) -> None:
    with pytest.raises(HarmonizeError) as caught:
        tree(f"a\nb\n{indent}{line}\n")
    assert caught.value.problems == (
        f"tree.txt:3:{len(indent) + 1}: expected `@mirror LEAF LEAF`, `@mirror LEAF`, "
        f"`@left viewer` or `@left subject`, got {got!r}",
    )


def test_bad_declarations_are_all_told() -> None:
    with pytest.raises(HarmonizeError) as caught:
        tree("a\n\tb\n\t@left\n\tb\n@mirror\n@mirror zz\n")
    assert [problem.split(": ")[0] for problem in caught.value.problems] == [
        "tree.txt:3:2",
        "tree.txt:4:2",
        "tree.txt:5:1",
    ]
    with pytest.raises(HarmonizeError) as caught:
        tree("a\n\tb\n @mirror zz\n@mirror a b\n@mirror b y\n@mirror x xx\n")
    assert [problem.split(";")[0] for problem in caught.value.problems] == [
        "tree.txt:3:2: 'zz' is not in the tree",
        "tree.txt:4:1: 'a' is a node with children",
        "tree.txt:5:1: the mirror image of 'b' is declared already",
        "tree.txt:6:1: 'x' is not in the tree",
        "tree.txt:6:1: 'xx' is not in the tree",
    ]


def test_without_a_source_the_name_stands_in_errors() -> None:
    with pytest.raises(HarmonizeError, match=r"^toy:1: the tree is empty"):
        Ontology("", name="toy")


def test_a_missing_tree_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarmonizeError, match=r"none\.txt: no such file$"):
        Ontology.from_file(tmp_path / "none.txt")


@pytest.mark.parametrize("depth", [-1, 4])
def test_depths_beyond_the_tree_are_refused(depth: int) -> None:
    with pytest.raises(HarmonizeError) as caught:
        tree(SMALL).groups(depth)
    assert str(caught.value) == f"tree: depth {depth} is not in 0..3"


def test_masks_are_unions_of_the_leaves_below() -> None:
    small = tree(SMALL)
    assert small.leaf_mask("person").tolist() == [False, True, True, True]
    assert small.leaf_mask(["hair", "left", "hair"]).tolist() == [False, True, True, False]
    assert small.leaf_mask(name for name in ("eyes", "background")).tolist() == [1, 0, 1, 1]
    assert small.leaf_mask([]).tolist() == [False] * 4


def test_unknown_nodes_are_all_told_with_near_matches() -> None:
    with pytest.raises(HarmonizeError) as caught:
        tree(SMALL).leaf_mask(["hiar", "left", "zzz"])
    assert caught.value.problems == (
        "tree: no node 'hiar'; did you mean hair?",
        "tree: no node 'zzz'; choose from: background, person, hair, eyes, left, right",
    )


def test_the_root_is_no_node() -> None:
    with pytest.raises(HarmonizeError, match=re.escape("no node '(root)'")):
        tree(SMALL).leaf_mask("(root)")


@pytest.mark.parametrize(
    ("nodes", "described"),
    [
        (["left", "right"], ("eyes",)),
        (["left", "right", "hair"], ("person",)),
        (["background", "left"], ("background", "left")),
        (["person", "background"], ("background", "person")),
        ([], ()),
    ],
)
def test_a_set_of_leaves_is_described_by_the_fewest_nodes(
    nodes: list[str], described: tuple[str, ...]
) -> None:
    small = tree(SMALL)
    mask = small.leaf_mask(nodes)
    before = mask.copy()
    assert small.describe(mask) == described
    assert mask.tolist() == before.tolist()


def test_shape_annotations_are_checked_under_pytest() -> None:
    with pytest.raises(TypeCheckError):
        tree(SMALL).describe(np.zeros(4))


def test_a_drawing_shows_the_tree_and_its_notes() -> None:
    assert tree("a\n\tb\n\tc\nlong\n").draw({"b": "helen", "long": "lfw"}).splitlines() == [
        "(root)",
        "├── a",
        "│   ├── b  helen",
        "│   └── c",
        "└── long   lfw",
    ]


names = st.text(
    st.characters(exclude_categories=("Z", "C"), exclude_characters="#@"), min_size=1, max_size=6
).filter(lambda name: name not in ("ignore", "(root)") and len(name.split()) == 1)


class Rows:
    """A random tree as (level, name) rows, and what follows from them by definition."""

    def __init__(self, levels: list[int], node_names: list[str]) -> None:
        self.levels = levels
        self.names = node_names
        ends = [*levels[1:], 0]
        self.leaves = [
            name for level, end, name in zip(levels, ends, node_names, strict=True) if end <= level
        ]

    def text(self, unit: str = "\t") -> str:
        rows = zip(self.levels, self.names, strict=True)
        return "".join(f"{unit * level}{name}\n" for level, name in rows)

    def ancestors(self, name: str) -> list[str]:
        """Return the node's path from depth 1 down to itself."""
        path: list[str] = []
        for level, other in zip(self.levels, self.names, strict=True):
            path[level:] = [other]
            if other == name:
                return path
        raise AssertionError(name)

    def below(self, name: str) -> set[str]:
        return {leaf for leaf in self.leaves if name in self.ancestors(leaf)}

    def groups(self, depth: int) -> list[list[str]]:
        groups: dict[str, list[str]] = {}
        for leaf in self.leaves:
            path = ["", *self.ancestors(leaf)]
            groups.setdefault(path[min(depth, len(path) - 1)], []).append(leaf)
        return list(groups.values())


@st.composite
def rows(draw: st.DrawFn, max_nodes: int = 10) -> Rows:
    levels = [0]
    for _ in range(draw(st.integers(0, max_nodes - 1))):
        levels.append(draw(st.integers(0, levels[-1] + 1)))
    size = len(levels)
    return Rows(levels, draw(st.lists(names, min_size=size, max_size=size, unique=True)))


@settings(max_examples=200)
@given(rows(), st.sampled_from(["\t", " ", "   "]))
def test_a_random_tree_is_read_as_it_was_written(drawn: Rows, unit: str) -> None:
    ontology = tree(drawn.text(unit))
    assert list(ontology.nodes) == drawn.names
    assert list(ontology.leaves) == drawn.leaves
    assert ontology.depth == 1 + max(drawn.levels)
    assert [ontology.depth_of(name) for name in drawn.names] == [1 + one for one in drawn.levels]
    for depth in range(ontology.depth + 1):
        assert [list(group) for group in ontology.groups(depth)] == drawn.groups(depth)
        numbers = ontology.group_index[depth]
        for number, group in enumerate(drawn.groups(depth)):
            assert [ontology.leaves[leaf] for leaf in np.flatnonzero(numbers == number)] == group
    assert ontology.mirror.tolist() == list(range(len(drawn.leaves)))
    assert ontology.mirror_declared == set()
    assert ontology.places == {
        name: f"tree.txt:{number}:{level * len(unit) + 1}"
        for number, (level, name) in enumerate(zip(drawn.levels, drawn.names, strict=True), 1)
    }
    for name in drawn.names:
        path = drawn.ancestors(name)
        children = [one for one in drawn.names if drawn.ancestors(one)[:-1] == path]
        assert list(ontology.children(name)) == children


@settings(max_examples=150)
@given(rows(max_nodes=8), st.data())
def test_random_sets_of_nodes_are_masked_and_described_as_by_brute_force(
    drawn: Rows, data: st.DataObject
) -> None:
    ontology = tree(drawn.text())
    chosen = data.draw(st.lists(st.sampled_from(drawn.names), max_size=4))
    union = set().union(*map(drawn.below, chosen))
    mask = ontology.leaf_mask(chosen)
    assert {leaf for leaf, inside in zip(ontology.leaves, mask, strict=True) if inside} == union
    fewest = next(
        size
        for size in range(len(drawn.names) + 1)
        for nodes in combinations(drawn.names, size)
        if set().union(*map(drawn.below, nodes)) == union
    )
    described = ontology.describe(mask)
    assert len(described) == fewest
    assert set().union(*map(drawn.below, described)) == union
    assert list(described) == sorted(described, key=drawn.names.index)


@settings(max_examples=100)
@given(rows(), st.data())
def test_random_mirror_pairs_are_exchanged_and_the_others_stay(
    drawn: Rows, data: st.DataObject
) -> None:
    drawn = Rows([*drawn.levels, 0], [*drawn.names, "last_leaf"])
    order = data.draw(st.permutations(drawn.leaves))
    number = data.draw(st.integers(1, len(order) // 2))
    pairs = [(order[2 * pair], order[2 * pair + 1]) for pair in range(number)]
    alone = order[2 * number : data.draw(st.integers(2 * number, len(order)))]
    lines = "".join(f"@mirror {one} {other}\n" for one, other in pairs)
    lines += "".join(f"@mirror {leaf}\n" for leaf in alone)
    expected = dict(pairs) | {other: one for one, other in pairs}
    for text in (drawn.text() + lines, lines + drawn.text()):
        assert mirror_names(tree(text)) == expected
        assert tree(text).mirror_declared == {*expected, *alone}


@settings(max_examples=500)
@given(st.one_of(st.text(max_size=40), st.text("ab\t\n\r #@()", max_size=40)))
def test_any_text_is_a_tree_or_refused_with_its_place(text: str) -> None:
    ontology, refused = None, ()
    try:
        ontology = tree(text)
    except HarmonizeError as error:
        refused = error.problems
    assert all(re.match(r"tree\.txt:(\d+:\d+: |1: the tree is empty)", told) for told in refused)
    if ontology is not None:
        assert set(ontology.leaves) <= set(ontology.nodes)
        assert all(node in text for node in ontology.nodes)


def test_a_tree_too_deep_for_the_agreement_table_is_refused() -> None:
    levels = [f"{level * ' '}n{level}" for level in range(256)]
    assert tree("\n".join(levels[:255])).depth == 255
    with pytest.raises(HarmonizeError) as caught:
        tree("\n".join(levels))
    assert str(caught.value) == "tree.txt:256:256: 'n255' is deeper than 255 levels"
