"""The loss as the paper writes it down: loops over depths, branches and channels.

Listing 1 of Muller & Smith, "A Hierarchical Loss for Semantic Segmentation" (VISAPP 2020), which
leaves numerical stability aside. It is here to be measured, not to be used: it knows leaf labels
only, has nothing for pixels without a label, and is not finite where a probability is 0.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from harmonize.labels.ontology import Ontology

# Letters of shapes: B pictures, K leaves, H x W pixels.

Branches = list[list[int]]
"""The groups of one depth, each as the channels of its leaves."""


def precomputed_hierarchy(ontology: Ontology) -> list[Branches]:
    """Return the branches of each depth 1, ..., D."""
    channel = {leaf: number for number, leaf in enumerate(ontology.leaves)}
    return [
        [[channel[leaf] for leaf in group] for group in ontology.groups(depth)]
        for depth in range(1, ontology.depth + 1)
    ]


def listing_loss(
    logits: Float[Tensor, "B K H W"], leaves: Int[Tensor, "B H W"], hierarchy: list[Branches]
) -> Float[Tensor, ""]:
    """Return the mean over all pixels of the loss summed over the depths.

    Args:
        logits: one per leaf.
        leaves: the channel of each pixel's leaf.
        hierarchy: of ``precomputed_hierarchy``.
    """
    probabilities = logits.softmax(dim=1)
    loss = logits.new_zeros(())
    for branches in hierarchy:
        summed = probabilities.clone()
        for branch in branches:
            branch_probabilities = probabilities[:, :0]
            for channel in branch:
                parts = (branch_probabilities, probabilities[:, channel].unsqueeze(1))
                branch_probabilities = torch.cat(parts, 1)
            branch_sum = branch_probabilities.sum(1, keepdim=True)
            for channel in branch:
                summed[:, channel : channel + 1] = branch_sum
        loss = loss + torch.nn.functional.nll_loss(summed.log(), leaves)
    return loss
