"""The paper's listing is the hierarchical loss of leaf labels."""

import pytest
import torch

from harmonize import HierarchicalLoss, TargetSpace
from harmonize.tools.benchmark.made_up import tree_of
from harmonize.tools.benchmark.paper_listing import listing_loss, precomputed_hierarchy


@pytest.mark.parametrize("leaves", [11, 30, 66])
def test_the_listing_equals_the_hierarchical_loss_on_leaf_labels(leaves: int) -> None:
    torch.manual_seed(0)
    tree = tree_of(leaves)
    logits = torch.randn(2, leaves, 6, 7, dtype=torch.float64, requires_grad=True)
    labels = torch.randint(leaves, (2, 6, 7))
    ours = HierarchicalLoss(TargetSpace(tree, []))(logits, labels)
    theirs = listing_loss(logits, labels, precomputed_hierarchy(tree))
    torch.testing.assert_close(theirs, ours)
    (gradient,) = torch.autograd.grad(ours, logits)
    (their_gradient,) = torch.autograd.grad(theirs, logits)
    torch.testing.assert_close(their_gradient, gradient)


def test_the_hierarchy_holds_the_branches_of_each_depth() -> None:
    branches = precomputed_hierarchy(tree_of(11))
    assert [len(depth) for depth in branches] == [2, 3, 6, 11]
    for depth in branches:
        assert sorted(leaf for branch in depth for leaf in branch) == list(range(11))
