"""How bad mistakes are, against counts by hand."""

import math

import numpy as np
import pytest
import torch

from harmonize import Ontology
from harmonize.evaluation.mistakes import kinship, mistakes

TREE = """
sky
thing
\tcar
\tliving
\t\tperson
\t\tdog
"""
CLASSES = ("sky", "car", "person", "dog")


@pytest.fixture
def tree() -> Ontology:
    return Ontology(TREE, name="small")


def masks(tree: Ontology, *classes: str | tuple[str, ...]) -> np.ndarray:
    return np.stack([tree.leaf_mask(nodes) for nodes in classes])


def test_the_lowest_common_ancestors_of_leaves_and_their_heights(tree: Ontology) -> None:
    relations = kinship(tree, masks(tree, *CLASSES))
    assert relations.height.tolist() == [
        [0, 3, 3, 3],  # the root is three levels above the deepest leaf
        [3, 0, 2, 2],  # car and person meet in thing
        [3, 2, 0, 1],
        [3, 2, 1, 0],
    ]
    assert relations.common.tolist() == [
        [1, 0, 0, 0],
        [0, 2, 1, 1],  # car and thing; thing
        [0, 1, 3, 2],  # person, living and thing; living and thing
        [0, 1, 2, 3],
    ]


def test_a_class_of_several_nodes_counts_as_one_below_their_common_ancestor(tree: Ontology) -> None:
    relations = kinship(tree, masks(tree, ("sky", "car"), "living"))
    assert relations.common.tolist() == [[1, 0], [0, 2]]
    assert relations.height[0, 1] == 3
    relations = kinship(tree, masks(tree, ("car", "person"), "dog"))
    assert relations.common.tolist() == [[2, 1], [1, 3]]  # itself and thing; thing
    assert relations.height[0, 1] == 2


def test_a_hand_counted_confusion_matrix(tree: Ontology) -> None:
    counts = torch.zeros(4, 4, dtype=torch.int64)
    counts[0, 0] = 10  # sky is right,
    counts[1, 2] = 4  # four pixels of car are taken for a person,
    counts[2, 3] = 2  # two of a person for a dog,
    counts[2, 2] = 3
    counts[3, 0] = 1  # and one of a dog for sky
    found = mistakes(counts, kinship(tree, masks(tree, *CLASSES)))
    assert found.lca_height == pytest.approx((4 * 2 + 2 * 1 + 1 * 3) / 7)
    shared = 10 * 1 + 4 * 1 + 2 * 2 + 3 * 3 + 1 * 0
    claimed = (10 + 1) * 1 + (4 + 3) * 3 + 2 * 3
    true = 10 * 1 + 4 * 2 + (2 + 3) * 3 + 1 * 3
    assert found.precision == pytest.approx(shared / claimed)
    assert found.recall == pytest.approx(shared / true)
    assert found.f == pytest.approx(2 * shared / (claimed + true))


def test_no_mistakes_have_no_height_and_no_pixels_nothing(tree: Ontology) -> None:
    relations = kinship(tree, masks(tree, *CLASSES))
    right = mistakes(torch.eye(4, dtype=torch.int64), relations)
    assert math.isnan(right.lca_height)
    assert (right.precision, right.recall, right.f) == (1, 1, 1)
    nothing = mistakes(torch.zeros(4, 4, dtype=torch.int64), relations)
    assert all(math.isnan(value) for value in vars(nothing).values())


def test_an_answer_that_has_nothing_in_common_with_the_truth_scores_zero(tree: Ontology) -> None:
    found = mistakes(torch.tensor([[0, 5], [0, 0]]), kinship(tree, masks(tree, "sky", "car")))
    assert (found.precision, found.recall, found.lca_height) == (0, 0, 3)
    assert found.f == 0
