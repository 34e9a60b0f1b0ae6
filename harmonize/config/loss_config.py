"""The keys of a config about its loss."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated, Literal

from harmonize.config.schema import NonNegative, Range, Share
from harmonize.config.strict_yaml import Document, KeyPath


@dataclass(frozen=True)
class LossConfig:
    """The hierarchical loss."""

    terms: Literal["all", "finest"] = "all"
    """Every resolved depth, or only the last one."""
    weighting: Literal["sum", "mean"] = "sum"
    """Whether a pixel's terms are added, or averaged so that all labelled pixels weigh the same."""
    coarse: Literal["use", "ignore"] = "use"
    """Whether labels of more than one leaf are learned from."""
    depth_weights: tuple[NonNegative, ...] | dict[str, tuple[NonNegative, ...]] | None = None
    """Weight of the term at each depth 1, 2, ...; all 1 unless given. With ``ontologies`` by the
    name of a tree: ``{scene: [1, 2]}``."""
    depth_schedule: Literal["constant", "coarse_to_fine", "uncertainty", "gradient"] = "constant"
    """What multiplies these weights during the run. ``coarse_to_fine``: depth 1 counts from the
    start, the others come in one after the other over the first half. ``uncertainty``: each depth
    is divided by its own running loss, which is where the weights learned by Kendall et al. (2018)
    settle. ``gradient``: so that the gradients of all depths by the logits have the same norm."""
    balance: Literal["none", "sqrt", "inverse", "effective"] = "none"
    """Factor of each term from the share of the labelled pixels that its set of leaves has, counted
    once before training: one over the square root of the share, over the share, or over the
    effective number of samples, which tells apart only sets below some 2 % of the pixels. Its mean
    over the pixels is 1. The run folder's ``balance.json`` lists the factors."""
    balance_cap: Annotated[float, Range(1, 1e6)] = 8.0
    """The greatest factor of ``balance``."""
    dice: NonNegative = 0.0
    """Weight of a Dice loss beside the log loss: at each depth the mean over the groups that the
    labels of a picture name, of the pixels whose labels decide whether they are in the group; a
    mean over the pictures."""
    tversky: tuple[NonNegative, NonNegative] = (0.5, 0.5)
    """Weights of false positives and of false negatives in ``dice``: [0.5, 0.5] is Dice, [0.3, 0.7]
    minds more what is missed (Tversky loss)."""
    focal: Annotated[float, Range(0, 10)] = 0.0
    """Power of the focal factor: each term is multiplied by (1 - p) ** focal, with p the
    probability of what the label says (Lin et al., 2017)."""
    smoothing: Annotated[float, Range(0, 0.9)] = 0.0
    """Label smoothing: the share of each term that goes to the siblings of what the label says, to
    all alike. On a GPU it is computed by PyTorch's operations."""
    hardest: Share = 1.0
    """Share of each picture's labelled pixels, those of the highest loss, that the log loss is the
    mean over."""
    normalize: Literal["batch", "dataset"] = "batch"
    """Whether the log loss is a mean over all labelled pixels of a batch, or over those of each
    data set, which then weighs as much as it has pictures in the batch."""
    ontology_weights: tuple[NonNegative, ...] | None = None
    """With ``ontologies``: the weight of each tree's loss in their sum; all 1 unless given."""
    compile: bool | None = None
    """Compute the loss in one compiled pass, by a C compiler for a CPU and by Triton for a GPU;
    null does so where that is possible."""

    @property
    def depth_weights_of_one(self) -> tuple[float, ...] | None:
        """The weights of the depths of a run of one tree, or of what ``of_tree`` returned."""
        assert not isinstance(self.depth_weights, dict)
        return self.depth_weights

    def of_tree(self, name: str) -> "LossConfig":
        """Return the keys as one of several trees has them."""
        if not isinstance(self.depth_weights, dict):
            return self
        return dataclasses.replace(self, depth_weights=self.depth_weights.get(name))

    def problems(self, document: Document, path: KeyPath) -> list[str]:
        """Return what is wrong between keys; ``path`` is where they are in the document."""
        if sum(self.tversky):
            return []
        where = document.where((*path, "tversky"))
        return [f"{where}: one of the weights must be above 0, such as [0.5, 0.5]"]
