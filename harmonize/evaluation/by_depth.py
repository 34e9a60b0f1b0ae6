"""What is scored at each depth of the tree: its groups as classes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from torch import Tensor

from harmonize.evaluation.intervals import NONE, Interval, mean_iou_interval
from harmonize.evaluation.metrics import Scores, scores
from harmonize.evaluation.picture_counts import PictureCounts
from harmonize.evaluation.sampling import PixelSample
from harmonize.labels.answerable import class_leaves, find_answers
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology
from harmonize.labels.same_meaning import same_meaning
from harmonize.labels.target_space import TargetSpace

# Letters of shapes: C classes, K leaves, G1 groups that are scored, G these and one more row for
# pixels in none of them, P sampled pixels.


@dataclass(frozen=True)
class DepthGroups:
    """The groups of leaves at a depth, as classes that a data set is scored in.

    Attributes:
        depth: from 1.
        groups: the node of each group that is scored.
        masks: the leaves of each; the last row, for pixels that lie in none, has none.
        group_of: for each class of the data set the number of the group that it lies in, else G.
    """

    depth: int
    groups: tuple[str, ...]
    masks: Bool[ndarray, "G K"]
    group_of: Int[ndarray, " C"]


@dataclass(frozen=True)
class DepthScores:
    """The scores of one depth, over the pixels whose label lies in one of its groups.

    A group that no class of the data set lies in has no score (NaN): it may be answered, which is
    wrong then, but can never be right. Nor has one that alone has labels: answered everywhere, it
    is never wrong.

    Attributes:
        depth: from 1.
        groups: the node of each.
        scores: of the groups.
        interval: of the mean IoU, over pictures.
        pictures: the pixels of each group in each picture, if they are known.
    """

    depth: int
    groups: tuple[str, ...]
    scores: Scores
    interval: Interval = NONE
    pictures: PictureCounts | None = None

    @property
    def num_scored(self) -> int:
        """The number of groups that have a score."""
        return int((~self.scores.iou.isnan()).sum())


def depth_groups(
    ontology: Ontology, spec: DatasetSpec, taught: Sequence[DatasetSpec] | None = None
) -> tuple[DepthGroups, ...]:
    """Return what is scored of a data set at each depth 1..D.

    A group that a network cannot answer, since its labels do not tell it from others, is left out;
    its pixels are void.

    Args:
        ontology: the tree.
        spec: of the data set that is scored.
        taught: of those that the network is trained on; unless given, it knows all groups.
    """
    masks = same_meaning(ontology, spec).masks
    labelled = [one for one in taught or () if one.has_labels]
    trained = [np.stack([*class_leaves(ontology, one).values()]) for one in labelled]
    found: list[DepthGroups] = []
    for depth in range(1, ontology.depth + 1):
        groups = {node: ontology.leaf_mask(node) for node in ontology.nodes_at(depth)}
        if taught is not None:
            answers = find_answers(ontology, trained, groups)
            known = {answer.name for answer in answers if answer.status == "answerable"}
            groups = {name: mask for name, mask in groups.items() if name in known}
        rows = np.stack([*groups.values(), np.zeros(len(ontology.leaves), dtype=bool)])
        meant = masks.any(axis=1, keepdims=True)
        inside = meant & ~(masks[:, None] & ~rows[:-1]).any(axis=2)  # (C, G)
        nowhere = np.ones((len(masks), 1), dtype=bool)
        group_of = np.concatenate([inside, nowhere], axis=1).argmax(1)
        found.append(DepthGroups(depth, tuple(groups), rows, group_of))
    return tuple(found)


def score_depth(
    groups: DepthGroups,
    confusion: Int[Tensor, "G1 G1"],
    pictures: PictureCounts | None = None,
) -> DepthScores:
    """Score the groups of a depth by a confusion matrix of them, and counts of single pictures."""
    labelled = torch.zeros(len(groups.masks), dtype=torch.bool)
    labelled[torch.as_tensor(groups.group_of)] = True
    labelled = labelled[:-1].to(confusion.device)
    alone = int(labelled.sum()) < 2
    found = scores(torch.zeros_like(confusion) if alone else confusion)
    iou = torch.where(labelled, found.iou, torch.nan)
    own = replace(found, iou=iou, mean_iou=iou.nanmean().item())
    interval = NONE
    if pictures is not None and not alone:
        pixels = pictures.by_class(range(len(groups.groups)))
        interval = mean_iou_interval(pixels, labelled.cpu().numpy())
    return DepthScores(groups.depth, groups.groups, own, interval, pictures)


def loss_by_depth(sample: PixelSample, ontology: Ontology, spec: DatasetSpec) -> tuple[float, ...]:
    """Return the mean of L_d = -log p(S_d) over the pixels whose label resolves d, for d = 1..D.

    NaN for a depth that no label resolves. The loss's own terms, unweighted, whatever was trained.
    """
    space = TargetSpace(ontology, [spec])
    codes = torch.as_tensor(space.class_codes(spec.name)).clamp(max=space.num_codes - 1)
    agreement = torch.as_tensor(space.agreement)[codes]  # (C, K)
    resolved = torch.as_tensor(space.num_resolved)[codes]  # (C,)
    whole = sample.logits.logsumexp(1)
    losses: list[float] = []
    for depth in range(1, ontology.depth + 1):
        taught = resolved[sample.classes] >= depth
        outside = (agreement < depth)[sample.classes[taught]]
        inside: Float[Tensor, " P"] = (
            sample.logits[taught].masked_fill(outside, -torch.inf).logsumexp(1)
        )
        losses.append((whole[taught] - inside).mean().item())
    return tuple(losses)
