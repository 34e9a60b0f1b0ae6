"""Codes, mirror images and the agreement table: hand-counted, and against the definition."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import DatasetSpec, HarmonizeError, Ontology, TargetSpace
from harmonize.config.strict_yaml import load_text
from random_trees import random_label, random_tree_text

FACES = """\
background
foreground
	hair
	face
		mouth
			upper_lip
			inner_mouth
			lower_lip
		skin
			face_skin
			nose
		eyes
			left_eye
			right_eye
		eyebrows
			left_eyebrow
			right_eyebrow
@mirror left_eye right_eye
@mirror left_eyebrow right_eyebrow
"""
# Leaves in order: background, hair, 3 of the mouth, 2 of the skin, 2 eyes, 2 eyebrows.


def faces() -> Ontology:
    return Ontology(FACES, name="faces")


def mapping(name: str, **meaning: str) -> DatasetSpec:
    """Return a mapping whose classes 0, 1, ... mean the given nodes (flow YAML) of ``faces``."""
    classes = "".join(f"  {key}: {number}\n" for number, key in enumerate(meaning))
    meanings = "".join(f"    {key}: {nodes}\n" for key, nodes in meaning.items())
    text = (
        f"name: {name}\npicture: '{{id}}.jpg'\nlabel: '{{id}}.png'\nencoding: ids\nsplits: {{}}\n"
    )
    text += f"classes:\n{classes}meaning:\n  faces:\n{meanings}"
    return DatasetSpec.from_document(load_text(text, f"{name}.yaml"))


def coarse() -> DatasetSpec:
    return mapping(
        "coarse",
        void="ignore",
        skin="face",
        hair="hair",
        rest="background",
        left="[left_eye, hair]",
    )


def test_the_code_of_a_leaf_is_its_channel() -> None:
    space = TargetSpace(faces(), [coarse()])
    for channel, leaf in enumerate(space.ontology.leaves):
        assert space.code(leaf) == channel
        assert space.code([leaf]) == channel
        assert space.name(channel) == leaf


def test_the_sets_of_the_classes_follow_the_leaves_with_their_mirror_images() -> None:
    space = TargetSpace(faces(), [coarse()])
    assert space.num_codes == 11 + 3
    assert space.class_codes("coarse").tolist() == [255, 11, 1, 0, 12]
    assert space.name(12) == "hair + left_eye"
    assert space.name(13) == "hair + right_eye"


def test_equal_sets_share_one_code_whatever_names_them() -> None:
    space = TargetSpace(faces(), [coarse(), mapping("other", a="[mouth, skin, eyes, eyebrows]")])
    assert space.num_codes == 14
    assert space.class_codes("other").tolist() == space.class_codes("coarse").tolist()[1:2]
    assert space.code(["face"]) == space.code(["face", "nose"]) == 11
    assert space.num_codes == 14


def test_ignore_is_no_code() -> None:
    space = TargetSpace(faces(), [coarse()])
    assert space.ignore == 255
    assert space.ignore >= space.num_codes
    assert space.name(space.ignore) == "ignore"
    assert space.ignore not in {space.code(node) for node in space.ontology.nodes}
    assert len(space.masks) == len(space.agreement) == len(space.num_resolved) == space.num_codes


def test_a_new_set_gets_the_next_code_and_its_mirror_image_too() -> None:
    space = TargetSpace(faces(), [])
    assert space.num_codes == 11
    assert space.code("eyes") == 11  # its own mirror image
    assert space.code(["left_eye", "nose"]) == 12
    assert space.num_codes == 14
    assert space.code(["right_eye", "nose"]) == 13
    assert space.code(["nose", "left_eye"]) == 12
    assert space.num_codes == 14


def test_masks_mark_the_leaves_of_each_code() -> None:
    space = TargetSpace(faces(), [])
    code = space.code(["eyes", "hair"])
    assert space.masks.tolist()[:11] == np.eye(11, dtype=bool).tolist()
    assert np.flatnonzero(space.masks[code]).tolist() == [1, 7, 8]


def test_the_mirror_table_exchanges_left_and_right_and_keeps_the_rest() -> None:
    space = TargetSpace(faces(), [coarse()])
    table = space.mirror
    assert table.shape == (256,)
    assert table.dtype == space.dtype == np.uint8
    assert table[:14].tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 7, 10, 9, 11, 13, 12]
    assert (table[14:] == space.ignore).all()


@pytest.mark.parametrize(
    ("nodes", "resolved", "agreement"),
    [
        ("background", 4, [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("hair", 4, [0, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("nose", 4, [0, 1, 2, 2, 2, 3, 4, 2, 2, 2, 2]),
        ("foreground", 1, [0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("face", 2, [0, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2]),
        ("skin", 3, [0, 1, 2, 2, 2, 3, 3, 2, 2, 2, 2]),
        (["hair", "face_skin"], 4, [0, 4, 2, 2, 2, 4, 3, 2, 2, 2, 2]),
        (["background", "face"], 2, [2, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2]),
        (["background", "hair"], 2, [2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1]),
        (["eyes", "mouth"], 3, [0, 1, 3, 3, 3, 2, 2, 3, 3, 2, 2]),
        (["left_eye", "left_eyebrow"], 4, [0, 1, 2, 2, 2, 2, 2, 4, 3, 4, 3]),
        (["background", "foreground"], 0, [0] * 11),
    ],
)
def test_agreement_is_what_a_hand_count_says(
    nodes: str | list[str], resolved: int, agreement: list[int]
) -> None:
    space = TargetSpace(faces(), [])
    code = space.code(nodes)
    assert space.num_resolved[code] == resolved
    assert space.agreement[code].tolist() == agreement


def test_the_whole_tree_resolves_no_depth() -> None:
    space = TargetSpace(faces(), [])
    code = space.code(space.ontology.leaves)
    assert space.num_resolved[code] == 0
    assert not space.agreement[code].any()


def test_a_leaf_resolves_all_depths_however_shallow() -> None:
    space = TargetSpace(faces(), [])
    assert space.num_resolved[:11].tolist() == [4] * 11
    single = TargetSpace(Ontology("only", name="single"), [])
    assert (single.num_resolved.tolist(), single.agreement.tolist()) == ([1], [[1]])


def test_an_inner_node_with_one_leaf_is_that_leaf() -> None:
    space = TargetSpace(Ontology("a\n\tb\n\t\tc\nd\n", name="chain"), [])
    assert space.code("a") == space.code("b") == space.code("c") == 0
    assert space.num_resolved.tolist() == [3, 3]


def by_definition(ontology: Ontology, label: set[str]) -> tuple[list[int], int]:
    """Return the agreement of each leaf and the resolved depths, straight from DESIGN.md."""
    sets = [
        set().union(*(group for group in map(set, ontology.groups(depth)) if group & label))
        for depth in range(ontology.depth + 1)
    ]
    resolved = ontology.depth if len(label) == 1 else sets.index(label)
    agreement = [
        max((depth for depth in range(1, resolved + 1) if leaf in sets[depth]), default=0)
        for leaf in ontology.leaves
    ]
    return agreement, resolved


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_agreement_follows_its_definition_on_random_trees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ontology = Ontology(random_tree_text(rng), name="random")
    space = TargetSpace(ontology, [])
    for _ in range(6):
        if rng.random() < 0.5:
            nodes = random_label(rng, ontology.nodes)
        else:
            size = rng.integers(1, len(ontology.leaves) + 1)
            nodes = rng.choice(ontology.leaves, size=size, replace=False).tolist()
        space.code(nodes)
    agreement, resolved = space.agreement, space.num_resolved
    for code, mask in enumerate(space.masks):
        label = {ontology.leaves[leaf] for leaf in np.flatnonzero(mask)}
        assert (agreement[code].tolist(), resolved[code]) == by_definition(ontology, label)


@settings(max_examples=100)
@given(st.integers(0, 2**32 - 1))
def test_the_mirror_table_is_an_involution_that_mirrors_every_set(seed: int) -> None:
    rng = np.random.default_rng(seed)
    text = random_tree_text(rng)
    leaves = rng.permutation(Ontology(text, name="plain").leaves).tolist()
    pairs = list(zip(leaves[::2], leaves[1::2], strict=False))[:3]
    text += "".join(f"@mirror {one} {other}\n" for one, other in pairs)
    ontology = Ontology(text, name="random")
    space = TargetSpace(ontology, [])
    for _ in range(4):
        space.code(random_label(rng, ontology.nodes))
    table = space.mirror
    codes = np.arange(space.num_codes)
    assert table[table[codes]].tolist() == codes.tolist()
    exchanged = dict(pairs) | {other: one for one, other in pairs}
    for code, mask in enumerate(space.masks):
        image = {exchanged.get(leaf, leaf) for leaf in np.array(ontology.leaves)[mask].tolist()}
        assert set(np.array(ontology.leaves)[space.masks[table[code]]].tolist()) == image


def test_many_sets_are_coded_in_int16() -> None:
    leaves = [f"n{number}" for number in range(21)]
    pairs = [f"[{one}, {other}]" for one, other in combinations(leaves, 2)]
    ontology = Ontology("\n".join(leaves), name="faces")
    few = TargetSpace(ontology, [mapping("few", **{f"c{n}": p for n, p in enumerate(pairs[:89])})])
    assert (few.dtype, few.ignore, few.num_codes) == (np.uint8, 255, 110)
    many = TargetSpace(ontology, [mapping("many", **{f"c{n}": p for n, p in enumerate(pairs)})])
    assert (many.dtype, many.ignore, many.num_codes) == (np.int16, 32767, 231)
    assert many.class_codes("many").tolist() == list(range(21, 231))
    assert (many.mirror.dtype, many.mirror.shape) == (np.int16, (32768,))


def test_too_many_leaves_for_uint8_are_coded_in_int16() -> None:
    leaves = "\n".join(f"n{number}" for number in range(300))
    space = TargetSpace(Ontology(leaves, name="wide"), [])
    assert (space.dtype, space.code("n299")) == (np.int16, 299)


def test_a_full_target_space_says_so_and_stays_whole() -> None:
    leaves = [f"n{number}" for number in range(9)]
    space = TargetSpace(Ontology("\n".join([*leaves, "@mirror n0 n1"]), name="full"), [])
    symmetric = (
        [*nodes, "n8"]
        for size in range(1, 9)
        for nodes in combinations(leaves[:8], size)
        if ("n0" in nodes) == ("n1" in nodes)
    )
    lopsided = ([*nodes, "n0"] for size in range(1, 8) for nodes in combinations(leaves[2:], size))
    while space.num_codes < 240:
        space.code(next(lopsided))
    while space.num_codes < 254:
        space.code(next(symmetric))
    message = "^full: all 255 codes of this target space are given away"
    before = space.mirror.tolist()
    with pytest.raises(HarmonizeError, match=message):
        space.code(next(lopsided))  # needs two codes, and one is left
    assert (space.num_codes, space.mirror.tolist()) == (254, before)
    space.code(next(symmetric))
    assert space.num_codes == 255 == space.ignore
    with pytest.raises(HarmonizeError, match=message):
        space.code(next(symmetric))
    assert space.code("n3") == 3


def test_unknown_nodes_have_no_code() -> None:
    space = TargetSpace(faces(), [])
    with pytest.raises(HarmonizeError) as caught:
        space.code(["hiar", "nose", "eye"])
    assert caught.value.problems == (
        "faces: no node 'hiar'; did you mean hair?",
        "faces: no node 'eye'; did you mean eyes?",
    )
    assert space.num_codes == 11


def test_no_nodes_have_no_code() -> None:
    with pytest.raises(HarmonizeError, match=r"^faces: a code needs at least one node$"):
        TargetSpace(faces(), []).code([])


def test_two_mappings_of_one_name_are_refused() -> None:
    with pytest.raises(HarmonizeError, match=r"^coarse: two data sets have this name; rename one$"):
        TargetSpace(faces(), [coarse(), coarse()])


def test_a_mapping_for_another_tree_is_refused() -> None:
    with pytest.raises(HarmonizeError, match=r"says nothing about the ontology 'other'"):
        TargetSpace(Ontology(FACES, name="other"), [coarse()])


def test_class_codes_of_an_unknown_data_set_are_refused() -> None:
    space = TargetSpace(faces(), [coarse()])
    with pytest.raises(HarmonizeError) as caught:
        space.class_codes("corse")
    assert str(caught.value) == ("no data set 'corse' in this target space; did you mean coarse?")
