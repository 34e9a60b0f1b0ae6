"""Which classes can be answered: worked by hand, and against the definition in plain sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonize import DatasetSpec, Ontology
from harmonize.labels.answerable import (
    Answerable,
    find_answers,
    merge_for,
    name_leaves,
    unanswerable,
)
from harmonize.labels.scored_classes import answers_for
from random_trees import random_label, random_tree_text

FACES = Ontology(
    """\
background
person
	head
		hair
		beard
		face
			skin
			eyes
			mouth
	neck
	worn
		hat
		earring
""",
    name="faces",
)
# Leaves in order: background, hair, beard, skin, eyes, mouth, neck, hat, earring.

Classes = Mapping[str, str]

PARTS = {
    "background": "background",
    "hair": "hair",
    "beard": "beard",
    "skin": "skin",
    "eyes": "eyes",
    "mouth": "mouth",
    "neck": "neck",
    "hat": "hat",
}
COARSE = {"background": "background hat", "skin": "face neck earring", "hair": "hair beard"}


def masks(classes: Classes, ontology: Ontology = FACES) -> dict[str, np.ndarray]:
    return {name: ontology.leaf_mask(nodes.split()) for name, nodes in classes.items()}


def ask(
    trained: Sequence[Classes], asked: Classes, ontology: Ontology = FACES
) -> dict[str, Answerable]:
    sets = [np.stack([*masks(classes, ontology).values()]) for classes in trained]
    found = find_answers(ontology, sets, masks(asked, ontology))
    assert [answer.name for answer in found] == list(asked)
    return {answer.name: answer for answer in found}


def told(answers: Mapping[str, Answerable]) -> dict[str, tuple[str, str]]:
    return {name: (answer.status, answer.reason) for name, answer in answers.items()}


def test_parts_answer_coarse_classes_but_for_what_they_never_name() -> None:
    assert told(ask([PARTS], COARSE)) == {
        "background": ("answerable", ""),
        "skin": ("answerable", "may miss earring"),
        "hair": ("answerable", ""),
    }


def test_coarse_classes_answer_parts_only_as_wholes() -> None:
    found = ask([COARSE], {**PARTS, "all": "person"})
    face = ("coarser", "only as face + neck + earring")
    assert told(found) == {
        "background": ("coarser", "only as background + hat"),
        "hair": ("coarser", "only as hair + beard"),
        "beard": ("coarser", "only as hair + beard"),
        "skin": face,
        "eyes": face,
        "mouth": face,
        "neck": face,
        "hat": ("coarser", "only as background + hat"),
        "all": ("never", "the trained sets tell it from nothing else"),
    }


def test_classes_that_make_up_a_whole_can_be_merged() -> None:
    answers = tuple(ask([COARSE], PARTS).values())
    merged = {answer.name: merge_for(answer, answers) for answer in answers}
    assert merged["hair"] == merged["beard"] == ("hair", "beard")
    assert merged["hat"] == ("background", "hat")
    assert merged["neck"] == ()  # nobody asks for the earring, which cannot be told from it


def test_classes_that_make_up_all_that_was_taught_are_not_worth_a_merge() -> None:
    answers = tuple(ask([{"hairy": "hair beard"}], PARTS).values())
    assert {answer.status for answer in answers} == {"never"}
    assert not any(merge_for(answer, answers) for answer in answers)


def test_sets_complete_each_other() -> None:
    rest = {"parts": "hair beard face", "rest": "background neck hat earring"}
    assert told(ask([rest], {"neck": "neck"})) == {
        "neck": ("coarser", "only as background + neck + worn")
    }
    found = ask([rest, COARSE], {"collar": "neck earring", "neck": "neck", "face": "face"})
    assert told(found) == {
        "collar": ("answerable", ""),
        "neck": ("coarser", "only as neck + earring"),
        "face": ("answerable", ""),
    }


def test_what_no_set_labels_is_never_answered() -> None:
    found = ask([PARTS], {"earring": "earring", "worn": "worn"})
    assert told(found) == {
        "earring": ("never", "no trained set labels it"),
        "worn": ("answerable", "may miss earring"),
    }
    assert not found["earring"].leaves.any()
    assert told(ask([], {"hair": "hair"})) == {"hair": ("never", "no trained set labels it")}


def test_a_leaf_that_labels_name_only_along_with_better_known_ones_has_no_answer_itself() -> None:
    # nothing ever says earring and not also skin, eyes, mouth or neck; nothing says it is no nose
    asked = {"skin": "skin", "earring": "earring", "rest": "background hat earring"}
    assert told(ask([PARTS, COARSE], asked)) == {
        "skin": ("answerable", ""),
        "earring": ("coarser", "only as face + neck + earring"),
        "rest": ("answerable", "may miss earring"),
    }


def test_an_ambiguous_leaf_of_a_trained_set_is_none_of_its_classes_alone() -> None:
    # beards are labelled skin here and hair there, as the painter pleased
    trained = {"skin": "face beard", "hair": "hair beard", "rest": "background"}
    assert told(ask([trained], trained)) == {
        "skin": ("answerable", "may miss beard; shares beard with hair"),
        "hair": ("answerable", "may miss beard; shares beard with skin"),
        "rest": ("answerable", ""),
    }
    assert told(ask([trained], {"hair": "hair", "beard": "beard", "face": "face"})) == {
        "hair": ("coarser", "only as hair + beard"),
        "beard": ("coarser", "only as head"),
        "face": ("coarser", "only as beard + face"),
    }


def test_a_class_within_another_of_its_set_is_called_by_the_finer_name() -> None:
    trained = {"head": "head", "eyes": "eyes", "rest": "background"}
    assert told(ask([trained], {"eyes": "eyes", "head": "head", "rest": "background"})) == {
        "eyes": ("answerable", ""),
        "head": ("overlapping", "shares eyes with eyes"),
        "rest": ("answerable", ""),
    }


def test_of_classes_with_the_same_leaves_the_first_is_answered() -> None:
    found = ask([PARTS], {"ears": "background", "rest": "background", "hair": "hair"})
    assert told(found) == {
        "ears": ("answerable", ""),
        "rest": ("overlapping", "the same leaves as ears"),
        "hair": ("answerable", ""),
    }
    assert unanswerable(found.values()) == {"rest": "the same leaves as ears"}


def test_classes_that_share_all_their_leaves_in_turn_cannot_all_be_answered() -> None:
    asked = {"one": "hair beard", "two": "beard skin", "three": "hair skin"}
    assert told(ask([PARTS], asked)) == {
        "one": ("answerable", "shares beard with two"),
        "two": ("answerable", "shares beard with one"),
        "three": ("overlapping", "shares hair + skin with one, two"),
    }


def test_a_set_of_leaves_is_named_by_what_it_lacks_where_that_is_shorter() -> None:
    assert name_leaves(FACES, FACES.leaf_mask(["face", "neck"])) == "face + neck"
    assert name_leaves(FACES, ~FACES.leaf_mask("hair")) == "all but hair"
    assert name_leaves(FACES, ~FACES.leaf_mask("head")) == "background + neck + worn"
    assert name_leaves(FACES, ~FACES.leaf_mask("background")) == "person"


@pytest.mark.parametrize(
    ("tree", "trained", "asked", "answerable", "classes"),
    [
        ("faces_full", "face_synthetics", "lfw_parts", 3, 3),
        ("faces_full", "lfw_parts", "face_synthetics", 0, 19),
        ("faces_full", "lapa", "lapa", 11, 11),  # beards are hair or skin
        ("faces_full", "celebamask_hq", "celebamask_hq", 19, 19),
        ("roads", "idd", "idd", 36, 36),
        ("roads", "vistas_v2.0", "vistas_v1.2", 65, 65),
    ],
)
def test_shipped_mappings(
    repo: Path, tree: str, trained: str, asked: str, answerable: int, classes: int
) -> None:
    ontology = Ontology.from_file(repo / "trees" / f"{tree}.txt")
    one, two = (DatasetSpec.from_file(repo / "datasets" / f"{n}.yaml") for n in (trained, asked))
    found = answers_for(ontology, [one], two)
    assert len(found) == classes
    assert len(found) - len(unanswerable(found)) == answerable


# Against the definition, in plain sets.


def random_classes(rng: np.random.Generator, tree: Ontology, *, apart: bool) -> dict[str, set[str]]:
    """Draw a data set's classes as sets of leaves, disjoint if ``apart``."""
    classes: dict[str, set[str]] = {}
    for number in range(int(rng.integers(1, 5))):
        mask = tree.leaf_mask(random_label(rng, tree.nodes))
        leaves = {leaf for leaf, inside in zip(tree.leaves, mask, strict=True) if inside}
        if not (apart and any(leaves & other for other in classes.values())):
            classes[f"c{number}"] = leaves
    return classes


def as_masks(classes: dict[str, set[str]], tree: Ontology) -> dict[str, np.ndarray]:
    return {name: tree.leaf_mask(sorted(leaves)) for name, leaves in classes.items()}


def possible_answers(leaf: str, sets: list[dict[str, set[str]]], leaves: set[str]) -> set[str]:
    """M(leaf) from its definition."""
    possible = leaves
    for classes in sets:
        having = [mask for mask in classes.values() if leaf in mask]
        finest = [mask for mask in having if not any(other < mask for other in having)]
        if finest:
            possible = possible & set().union(*finest)
    return possible


@settings(max_examples=300)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_answers_follow_their_definition_on_random_trees(seed: int, apart: bool) -> None:
    rng = np.random.default_rng(seed)
    tree = Ontology(random_tree_text(rng), name="random")
    sets = [random_classes(rng, tree, apart=apart) for _ in range(int(rng.integers(1, 4)))]
    asked = random_classes(rng, tree, apart=True)
    trained = [np.stack([*as_masks(classes, tree).values()]) for classes in sets]
    every = [mask for classes in sets for mask in classes.values()]
    taught = set().union(*every)
    for answer in find_answers(tree, trained, as_masks(asked, tree)):
        inside = asked[answer.name] & taught
        alike = any(
            all((one in mask) == (other in mask) for mask in every)
            for one in inside
            for other in taught - inside
        )
        reach = {leaf: possible_answers(leaf, sets, set(tree.leaves)) for leaf in inside}
        held = [leaf for leaf in inside if reach[leaf] <= inside]
        assert (answer.status == "answerable") == (bool(held) and not alike)
        closure = {leaf for leaf, in_ in zip(tree.leaves, answer.closure, strict=True) if in_}
        if answer.status == "coarser":
            assert inside < closure < taught
            again = find_answers(tree, trained, {"closure": answer.closure})
            assert again[0].status == "answerable"
        if answer.status == "never":
            assert not inside or closure == taught


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_own_classes_are_answerable_whatever_else_is_trained_on(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = Ontology(random_tree_text(rng), name="random")
    sets = [random_classes(rng, tree, apart=True) for _ in range(3)]
    trained = [np.stack([*as_masks(classes, tree).values()]) for classes in sets]
    for classes in sets:
        found = find_answers(tree, trained, as_masks(classes, tree))
        assert [(answer.status, answer.reason) for answer in found] == [
            ("answerable", "") for _ in classes
        ]


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1))
def test_merged_classes_are_answerable(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tree = Ontology(random_tree_text(rng), name="random")
    sets = [random_classes(rng, tree, apart=True) for _ in range(2)]
    trained = [np.stack([*as_masks(classes, tree).values()]) for classes in sets]
    asked = random_classes(rng, tree, apart=True)
    answers = find_answers(tree, trained, as_masks(asked, tree))
    for answer in answers:
        names = merge_for(answer, answers)
        if names:
            assert answer.name in names
            merged = {"merged": set().union(*(asked[name] for name in names))}
            assert find_answers(tree, trained, as_masks(merged, tree))[0].status == "answerable"


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_a_network_that_obeys_its_labels_gives_the_answers_it_can(seed: int) -> None:
    """Fit free logits per leaf, from anywhere, to the labels of all sets at once."""
    rng = np.random.default_rng(seed)
    tree = Ontology(random_tree_text(rng), name="random")
    sets = [random_classes(rng, tree, apart=True) for _ in range(2)]
    trained = [np.stack([*as_masks(classes, tree).values()]) for classes in sets]
    asked = as_masks(random_classes(rng, tree, apart=True), tree)
    answers = [a for a in find_answers(tree, trained, asked) if a.status == "answerable"]
    logits = torch.from_numpy(rng.normal(0, 3, (len(tree.leaves), len(tree.leaves))))
    logits.requires_grad_()
    labels = torch.from_numpy(np.concatenate(trained))
    pairs = labels.nonzero()  # the pixels: a leaf under each class that has it
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(150):
        p = logits.softmax(1)[pairs[:, 1]]
        loss = -(p * labels[pairs[:, 0]]).sum(1).clamp(min=1e-12).log().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    p = logits.softmax(1).detach().numpy()
    for answer in answers:
        missed = answer.reason.removeprefix("may miss ").split(" + ") if answer.reason else []
        for leaf in np.flatnonzero(asked[answer.name] & ~tree.leaf_mask(missed)):
            scores = {other.name: p[leaf][asked[other.name]].sum() for other in answers}
            assert max(scores, key=lambda name: scores[name]) == answer.name
