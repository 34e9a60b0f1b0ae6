"""What a network takes the leaves for: the evidence that trees are made from and judged by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from harmonize.data.bad_samples import BadSample
from harmonize.data.dataset import SegmentationDataset
from harmonize.decoding.tiled_network import TiledNetwork
from harmonize.decoding.views import ViewedNetwork, Views
from harmonize.errors import HarmonizeError
from harmonize.labels.ontology import Ontology
from harmonize.models.segmenter import Segmenter
from harmonize.pipeline.evaluate_run import ScoringRun
from harmonize.system.agreement import together
from harmonize.system.once import warn_once
from harmonize.system.progress import follow
from harmonize.tools.refine.complete_labels import read_pictures

# Letters of shapes: K leaves, H x W pixels of a label, P pixels.

FEWEST = 50
"""Sampled pixels below which nothing is said about a leaf."""
_SAMPLED = 1000
"""Pixels of a leaf that are taken of a picture."""
_TINY = 1e-12


@dataclass(frozen=True)
class Evidence:
    """What a network says in the pixels of each leaf.

    Attributes:
        leaves: in the order of the run's tree.
        pixels: sampled ones whose label means exactly the leaf.
        probabilities: [i, j] is the mean probability of j where the label is i; rows add up to 1,
            those of leaves without pixels are 0.
        logarithms: [i, j] is the mean logarithm of that probability.
    """

    leaves: tuple[str, ...]
    pixels: Float[ndarray, " K"]
    probabilities: Float[ndarray, "K K"]
    logarithms: Float[ndarray, "K K"]

    @property
    def seen(self) -> list[int]:
        """The leaves that something can be said about."""
        return np.flatnonzero(self.pixels >= FEWEST).tolist()


def gather_evidence(scoring: ScoringRun, datasets: Sequence[SegmentationDataset]) -> Evidence:
    """Look at all pictures of data sets; every process must call this.

    Only pixels whose label means one leaf say something about it.

    Raises:
        HarmonizeError: fewer than three leaves have labels of their own.
    """
    opened, accelerator = scoring.run, scoring.accelerator
    ontology = opened.sources.ontology
    assert isinstance(scoring.model, Segmenter)
    network = ViewedNetwork(
        TiledNetwork(scoring.model, accelerator),
        Views(opened.config.answer_size),
        torch.from_numpy(ontology.mirror),
    )
    number = len(ontology.leaves)
    sums = torch.zeros(number, 2 * number + 1, dtype=torch.float64)
    for dataset in datasets:
        leaf_of = _leaf_of(dataset, ontology)
        mine = range(accelerator.process_index, len(dataset), accelerator.num_processes)
        pictures = read_pictures(
            dataset, mine, least=network.views.largest, workers=opened.config.data.workers
        )
        title = f"looking at {dataset.spec.name}"
        with together():
            for item in follow(pictures, len(mine), title, "pictures", shown=scoring.is_main):
                if isinstance(item, BadSample):
                    warn_once(f"warning: left out: {item.reason}")
                else:
                    _add(sums, network, item.picture, leaf_of[item.classes.long()])
    summed = accelerator.reduce(sums.to(accelerator.device))
    assert isinstance(summed, Tensor)
    found = summed.cpu().numpy()
    pixels = found[:, 0]
    each = found[:, 1:] / np.maximum(pixels, 1)[:, None]
    evidence = Evidence(ontology.leaves, pixels, each[:, :number], each[:, number:])
    if len(evidence.seen) < 3:
        names = ", ".join(dataset.spec.name for dataset in datasets)
        raise HarmonizeError(
            f"--dataset: the labels of {names} mean fewer than three single leaves, which say "
            "nothing about a tree; name a set with finer labels"
        )
    return evidence


def _leaf_of(dataset: SegmentationDataset, ontology: Ontology) -> Tensor:
    """Return by class the number of the one leaf that it means, or -1; the last is for void."""
    masks = dataset.spec.leaf_masks(ontology)
    single = np.where(masks.sum(1) == 1, masks.argmax(1), -1)
    return torch.from_numpy(np.append(single, -1))


def _add(sums: Tensor, network: ViewedNetwork, picture: Tensor, leaves: Tensor) -> None:
    """Add what the network says in the pixels of each leaf of a picture."""
    (height, width), flat = leaves.shape, leaves.flatten()
    seen = torch.stack(network.look(picture, (height, width))).mean(0).flatten(1)
    number = len(seen)
    for leaf in flat.unique().tolist():
        if leaf < 0:
            continue
        where = (flat == leaf).nonzero().flatten()
        step = max(len(where) // _SAMPLED, 1)
        p = seen[:, where[step // 2 :: step]].double().cpu()
        sums[leaf, 0] += p.shape[1]
        sums[leaf, 1 : number + 1] += p.sum(1)
        sums[leaf, number + 1 :] += p.clamp(min=_TINY).log().sum(1)
