"""What labels can become: the sets, the choice among them, and the codes of a batch."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Bool
from numpy import ndarray

from harmonize.completion.code_choices import CodeChoices
from harmonize.completion.within import Choices, best_leaves, complete
from harmonize.labels.finer_sets import finer_sets, names_of
from harmonize.labels.ontology import Ontology
from harmonize.labels.separable import AnswerNode
from harmonize.labels.sources import load_sources
from tiny import tiny_config, write_project

TREE = """
background
person
	head
		hair
		face
			nose
			eyes
				left_eye
				right_eye
	neck
@mirror left_eye right_eye
"""
LEAVES = ("background", "hair", "nose", "left_eye", "right_eye", "neck")


@pytest.fixture
def tree() -> Ontology:
    return Ontology(TREE, name="small")


def all_nodes(tree: Ontology) -> list[AnswerNode]:
    root = AnswerNode(("the whole tree",), 0, np.ones(len(tree.leaves), dtype=bool))
    return [
        root,
        *(AnswerNode((n,), tree.depth_of(n), tree.leaf_mask(n)) for n in tree.nodes),
    ]


def test_a_label_becomes_the_parts_of_it_below_each_node(tree: Ontology) -> None:
    skin = tree.leaf_mask(["face", "neck"])
    void = np.zeros_like(skin)
    finer = finer_sets(tree, all_nodes(tree), np.stack([skin, tree.leaf_mask("hair"), void]))
    named = names_of(tree, finer.masks)
    found = [
        {named[one]: depth for one, depth in zip(choices, depths, strict=True)}
        for choices, depths in zip(finer.choices, finer.depths, strict=True)
    ]
    assert found == [
        {  # person within skin is skin; head within it is the face, which is deeper
            "face+neck": -1,
            "face": 3,
            "nose": 4,
            "eyes": 4,
            "left_eye": 5,
            "right_eye": 5,
            "neck": 2,
        },
        {"hair": -1},
        {},
    ]
    finest = finer.is_finest(0)
    assert [named[one] for one, is_it in zip(finer.choices[0], finest, strict=True) if is_it] == [
        "nose",
        "left_eye",
        "right_eye",
        "neck",
    ]


def test_names_are_short_and_each_is_given_once(tree: Ontology) -> None:
    tree = Ontology("\n".join("abcdefgh"), name="flat")
    masks = np.stack(
        [tree.leaf_mask(list(nodes)) for nodes in ("ab", "abcde", "abcdef", "abcdefg")]
    )
    masks = np.concatenate([masks, masks[3:] ^ tree.leaf_mask(["g", "h"])])
    assert names_of(tree, masks) == [
        "a+b",
        "a+b+c+d+e",
        "a+b+c+d+2_more",
        "a+b+c+d+3_more",
        "a+b+c+d+3_more_4",
    ]


def choices_of(tree: Ontology, label: Bool[ndarray, " K"], confidence: float) -> Choices:
    finer = finer_sets(tree, all_nodes(tree), label[None])
    chosen = list(finer.choices[0])
    return Choices(
        torch.from_numpy(finer.masks[chosen]),
        torch.tensor(finer.depths[0]),
        torch.full((len(chosen),), confidence),
    )


def test_the_deepest_that_is_probable_enough_is_chosen_given_the_label(tree: Ontology) -> None:
    choices = choices_of(tree, tree.leaf_mask(["face", "neck"]), 0.8)
    # By leaf: background, hair, nose, left eye, right eye, neck. Only the last four can be.
    pixels = torch.tensor(
        [
            [0.90, 0.00, 0.09, 0.005, 0.00, 0.005],  # a nose, though the network sees background
            [0.00, 0.00, 0.02, 0.50, 0.45, 0.03],  # eyes, but which
            [0.00, 0.50, 0.15, 0.15, 0.15, 0.05],  # face: 0.45 of 0.5
            [0.20, 0.20, 0.15, 0.15, 0.00, 0.30],  # 0.5 and 0.5: it stays
            [1.00, 0.00, 0.00, 0.00, 0.00, 0.00],  # nothing is known of the label's leaves
        ]
    ).T
    found = complete(pixels, choices)
    names = [names_of(tree, choices.masks.numpy())[one] for one in found.numbers.tolist()]
    assert names == ["nose", "eyes", "face", "face+neck", "face+neck"]
    assert found.confidence.tolist() == pytest.approx([0.9, 0.95, 0.9, 1, 1])
    best = best_leaves(pixels, torch.from_numpy(tree.leaf_mask(["face", "neck"])))
    assert [LEAVES[leaf] for leaf in best.tolist()[:4]] == ["nose", "left_eye", "nose", "neck"]


@given(
    seed=st.integers(0, 1000),
    confidence=st.sampled_from([0.2, 0.5, 0.75, 0.95]),
)
def test_what_is_chosen_lies_in_the_label_and_is_probable_enough(
    seed: int, confidence: float
) -> None:
    tree = Ontology(TREE, name="small")
    rng = np.random.default_rng(seed)
    label = rng.random(len(tree.leaves)) < 0.6
    label[rng.integers(len(label))] = True
    choices = choices_of(tree, label, confidence)
    pixels = torch.tensor(rng.dirichlet(np.full(len(label), 0.3), size=40).T)
    found = complete(pixels, choices)
    within = pixels * torch.from_numpy(label)[:, None]
    within = within / within.sum(0)
    for pixel, number in enumerate(found.numbers.tolist()):
        mask = choices.masks[number]
        assert not (mask & ~torch.from_numpy(label)).any()
        reached = [
            place
            for place in range(1, len(choices.masks))
            if within[choices.masks[place], pixel].sum() >= confidence
        ]
        if number == 0:
            assert not reached
            continue
        assert within[mask, pixel].sum() >= confidence - 1e-9
        assert choices.depths[number] == max(choices.depths[place] for place in reached)


def test_with_confidence_1_every_label_stays(tree: Ontology) -> None:
    choices = choices_of(tree, tree.leaf_mask(["face", "neck"]), 1.0)
    sure = torch.eye(len(tree.leaves))
    assert complete(sure, choices).numbers.tolist() == [0] * len(tree.leaves)


def test_codes_of_a_batch_are_completed(tmp_path: Path) -> None:
    project = write_project(tmp_path)
    config = tiny_config(project, "runs/x", "train.complete={from: 0.0}")
    sources = load_sources(config)
    space = sources.space
    assert space.num_codes == 4  # three leaves and the coarse set's thing
    thing = space.code("thing")
    codes = torch.tensor([[[thing, thing, thing, 0, space.ignore]]], dtype=torch.uint8)
    logits = torch.tensor(  # background, left, right
        [[9.0, 5.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 5.0], [0.0, 0.0, 9.0], [0.0, 0.0, 9.0]]
    ).T[None, :, None]
    found = CodeChoices(space, 0.9, torch.device("cpu")).complete(logits, codes)
    assert found.codes.flatten().tolist() == [1, thing, 2, 0, space.ignore]
    sure = round(20 / (1 + np.exp(-5)))
    assert found.levels.flatten().tolist() == [sure, 20, sure, 20, 20]
    assert (found.open, found.completed) == (3, 2)


def test_a_space_has_codes_for_all_that_labels_can_become(tmp_path: Path) -> None:
    """Unless it is asked for, no code is given away: runs stay what they are."""
    project = write_project(tmp_path)
    (project / "tiny.txt").write_text("background\nthing\n\tleft\n\tright\n\tother\n\t\ta\n\t\tb\n")
    fine = (project / "fine.yaml").read_text()
    (project / "fine.yaml").write_text(
        fine.replace("left: 1,", "left: 1, other: 3, rest: 4,").replace(
            "left: left,", "left: left, other: other, rest: [background, right, a],"
        )
    )
    plain = load_sources(tiny_config(project, "x")).space
    space = load_sources(tiny_config(project, "x", "train.complete={}")).space
    assert plain.num_codes < space.num_codes
    assert (space.masks[: plain.num_codes] == plain.masks).all()
    named = {
        space.name(label): {space.name(code): depth for code, depth in finer.items()}
        for label, finer in space.finer_codes().items()
    }
    # The labels tell a from b, as one is in `rest`.
    assert named == {
        "thing": {"thing": -1, "left": 2, "right": 2, "other": 2, "a": 3, "b": 3},
        "other": {"other": -1, "a": 3, "b": 3},
        "background + right + a": {
            "background + right + a": -1,
            "background": 1,
            "right + a": 1,
            "right": 2,
            "a": 3,
        },
    }
