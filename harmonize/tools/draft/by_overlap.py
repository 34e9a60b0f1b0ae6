"""What each class of a data set may mean, by what a trained network sees in it."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from harmonize.labels.ontology import Ontology

# Letters of shapes: C classes, K leaves.

SEEN = 1e-5
"""The share of all pixels from which on a leaf counts as predicted."""


@dataclass(frozen=True)
class Overlap:
    """The leaves that explain a class best, and how well they do.

    Attributes:
        nodes: the leaves, as the fewest nodes; none if the network sees nothing of its own in it.
        iou, precision, recall: of the pixels where a leaf is predicted, as those of the class.
        share: of all pixels.
        seen: the leaves most often predicted in the class, with their share of its pixels.
    """

    nodes: tuple[str, ...]
    iou: float
    precision: float
    recall: float
    share: float
    seen: tuple[tuple[str, float], ...]


def explain(counts: Int[Tensor, "C K"], ontology: Ontology) -> list[Overlap]:
    """Choose for each class the leaves that explain it best.

    Args:
        counts: pixels by class (row) and predicted leaf (column).
        ontology: the tree of the leaves.
    """
    chosen = choose_leaves(counts)
    full = with_unseen(chosen, counts, ontology)
    pixels = counts.double()
    results: list[Overlap] = []
    for number, mask in enumerate(chosen):
        right = pixels[number, mask].sum().item()
        size, predicted = pixels[number].sum().item(), pixels[:, mask].sum().item()
        most = pixels[number].argsort(descending=True)[:3].tolist()
        seen = [(ontology.leaves[k], pixels[number, k].item() / max(size, 1)) for k in most]
        results.append(
            Overlap(
                nodes=ontology.describe(full[number].numpy()),
                iou=right / max(size + predicted - right, 1),
                precision=right / max(predicted, 1),
                recall=right / max(size, 1),
                share=size / max(pixels.sum().item(), 1),
                seen=tuple((leaf, share) for leaf, share in seen if share >= 0.01),
            )
        )
    return results


def choose_leaves(counts: Int[Tensor, "C K"]) -> Bool[Tensor, "C K"]:
    """Give each leaf to the class where most of its pixels lie, if that raises the class's IoU.

    Of the leaves of a class, sorted by the share of their pixels that lies in it, a prefix has the
    highest IoU of all their sets.
    """
    pixels = counts.double()
    predicted = pixels.sum(0)
    owner = pixels.argmax(0)
    known = seen_leaves(counts)
    chosen = torch.zeros(counts.shape, dtype=torch.bool)
    for number in range(len(counts)):
        mine = torch.nonzero((owner == number) & known).flatten()
        if len(mine) == 0:
            continue
        purity: Float[Tensor, " K"] = pixels[number, mine] / predicted[mine]
        mine = mine[purity.argsort(descending=True, stable=True)]
        right = pixels[number, mine].cumsum(0)
        iou = right / (pixels[number].sum() + predicted[mine].cumsum(0) - right)
        chosen[number, mine[: int(iou.argmax()) + 1]] = True
    return chosen


def seen_leaves(counts: Int[Tensor, "C K"]) -> Bool[Tensor, " K"]:
    """Mark the leaves that are predicted often enough to tell anything."""
    return counts.sum(0) >= max(1.0, SEEN * counts.sum().item())


def with_unseen(
    chosen: Bool[Tensor, "C K"], counts: Int[Tensor, "C K"], ontology: Ontology
) -> Bool[Tensor, "C K"]:
    """Give a leaf that is never predicted to the class that took all that is seen around it.

    Around it is the smallest node that holds it and a leaf that is predicted.
    """
    seen = seen_leaves(counts)
    below = {node: torch.from_numpy(ontology.leaf_mask(node)) for node in ontology.nodes}
    full = chosen.clone()
    for leaf in torch.nonzero(~seen).flatten().tolist():
        around = [node for node in ontology.nodes if below[node][leaf] and below[node][seen].any()]
        if not around:
            continue
        mask = below[max(around, key=ontology.depth_of)] & seen
        full[:, leaf] = (chosen | ~mask).all(1)
    return full
