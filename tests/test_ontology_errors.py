"""Trees that are refused, each with the place and what to write."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import HarmonizeError, Ontology
from small_trees import SMALL, tree


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
        f"`@left viewer`, `@left subject` or `@was NODE OLD_NAME`, got {got!r}",
    )


def test_what_a_node_was_is_declared_once_and_of_a_node() -> None:
    assert tree("a\nb\n@was a x y\n").former == {"a": ("x", "y")}
    with pytest.raises(HarmonizeError) as caught:
        tree("a\nb\n@was a x\n@was a y\n@was b\n")
    assert caught.value.problems == (
        "tree.txt:4:1: what 'a' was is declared already; name all in one line",
        "tree.txt:5:1: expected `@mirror LEAF LEAF`, `@mirror LEAF`, `@left viewer`, "
        "`@left subject` or `@was NODE OLD_NAME`, got '@was b'",
    )
    with pytest.raises(HarmonizeError, match=r"tree\.txt:3:1: @was: there is no node 'aa'; .* a\?"):
        tree("a\nb\n@was aa x\n")


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


def test_unknown_nodes_are_all_told_with_near_matches() -> None:
    with pytest.raises(HarmonizeError) as caught:
        tree(SMALL).leaf_mask(["hiar", "left", "zzz"])
    assert caught.value.problems == (
        "tree: no node 'hiar'; did you mean hair?",
        "tree: no node 'zzz'; choose from: background, person, hair, eyes, left, right",
    )


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
