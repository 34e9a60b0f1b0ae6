"""How the classes of a data set and the leaves that a network predicts lie over each other."""

import dataclasses
from pathlib import Path

import torch
from jaxtyping import Float, Int, Num
from torch import Tensor, nn

from harmonize.data.dataset import LabelledPicture, SegmentationDataset
from harmonize.data.loading import load
from harmonize.data.resizing import resize, shorter_side
from harmonize.labels.ontology import Ontology
from harmonize.pictures.limits import refuse_scaled
from harmonize.runs.opened import open_run
from harmonize.system.processes import processes
from harmonize.system.progress import ProgressLine

# Letters of shapes: N bands, K leaves, C classes, H x W pixels of a label, h x w of the network.

_LEAVES = 16
"""Leaves whose logits are scaled at a time, for memory."""


@dataclasses.dataclass(frozen=True)
class LeafPredictor:
    """A trained network.

    Attributes:
        model: pictures to logits.
        ontology: the tree whose leaves the logits stand for.
        size: the shorter side of the pictures that it takes.
        workers: loader processes.
    """

    model: nn.Module
    ontology: Ontology
    size: int
    workers: int


def load_network(run: Path, *, trust_code: bool = False) -> LeafPredictor:
    """Load the newest network of a run folder.

    Raises:
        HarmonizeError: it is no run folder, or its checkpoint cannot be used.
    """
    opened = open_run(run, trust_code=trust_code)
    config, ontology = opened.config, opened.sources.ontology
    network = opened.network(processes().device)
    size = config.data.size if config.answer_size == "full" else int(config.answer_size)
    return LeafPredictor(network, ontology, size, config.data.workers)


def count_overlap(
    network: LeafPredictor, chosen: list[tuple[SegmentationDataset, list[int]]], num_classes: int
) -> Int[Tensor, "C K"]:
    """Count the pixels of each class (row) at which each leaf (column) is predicted.

    Args:
        network: is run at its own size; its logits are scaled to the label's.
        chosen: data sets and the numbers of their pictures.
        num_classes: C.

    Raises:
        HarmonizeError: a file that cannot be read.
    """
    num_leaves = len(network.ontology.leaves)
    counts = torch.zeros(num_classes * num_leaves, dtype=torch.int64)
    total = sum(len(numbers) for _, numbers in chosen)
    with ProgressLine(total, "asking the network", "pictures") as bar, torch.inference_mode():
        for dataset, numbers in chosen:
            batches = [[number] for number in numbers]
            for sample in load(dataset, batches, _only, workers=network.workers):
                leaves = predict_leaves(network, sample.picture, sample.classes.shape)
                pairs = sample.classes.long() * num_leaves + leaves
                counts += torch.bincount(pairs.flatten(), minlength=len(counts))
                bar.update()
    return counts.view(num_classes, num_leaves)


def predict_leaves(
    network: LeafPredictor, picture: Num[Tensor, "N H W"], shape: torch.Size
) -> Int[Tensor, "H W"]:
    """Return the most probable leaf of each pixel of a label."""
    refuse_scaled((picture.shape[2], picture.shape[1]), network.size, "a picture")
    height, width = shorter_side(picture.shape[1], picture.shape[2], network.size)
    small = resize(picture, (height, width))
    device = next(network.model.parameters()).device
    logits: Float[Tensor, "1 K h w"] = network.model(small[None].to(device)).float()
    best, leaves = torch.empty(0), torch.empty(0)
    for first in range(0, logits.shape[1], _LEAVES):
        part = nn.functional.interpolate(
            logits[:, first : first + _LEAVES], size=tuple(shape), mode="bilinear"
        )[0]
        highest, where = part.max(0)
        if first == 0:
            best, leaves = highest, where
        else:
            leaves = torch.where(highest > best, where + first, leaves)
            best = torch.maximum(highest, best)
    return leaves.cpu()


def _only(samples: list[LabelledPicture]) -> LabelledPicture:
    return samples[0]
