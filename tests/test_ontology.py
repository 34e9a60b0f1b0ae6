"""Trees: shipped ones hand-counted, random ones against brute force, bad ones refused by line."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import HarmonizeError, Ontology
from small_trees import SMALL, tree


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


def test_masks_are_unions_of_the_leaves_below() -> None:
    small = tree(SMALL)
    assert small.leaf_mask("person").tolist() == [False, True, True, True]
    assert small.leaf_mask(["hair", "left", "hair"]).tolist() == [False, True, True, False]
    assert small.leaf_mask(name for name in ("eyes", "background")).tolist() == [1, 0, 1, 1]
    assert small.leaf_mask([]).tolist() == [False] * 4


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
