"""What the labels of a data set say, and what each of them can become."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from numpy import ndarray

from harmonize.completion.within import Choices
from harmonize.config.run_config import find_file
from harmonize.errors import HarmonizeError, near_matches
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.finer_sets import FinerSets, finer_sets, names_of
from harmonize.labels.ontology import Ontology
from harmonize.labels.separable import answer_nodes, separable_leaves
from harmonize.labels.sources import Sources
from harmonize.tools.refine.refine_options import RefineOptions, depth_in

# Letters of shapes: C classes of the data set, N sets, K leaves.


@dataclass(frozen=True)
class LabelSets:
    """The labels of a data set.

    Attributes:
        classes: names of the data set's own classes.
        truth: the leaves that each class means.
        labels: the leaves that each class's label says, at least as many; none for void.
        finer: what each label can become.
        names: of the sets in ``finer``.
    """

    classes: tuple[str, ...]
    truth: Bool[ndarray, "C K"]
    labels: Bool[ndarray, "C K"]
    finer: FinerSets
    names: tuple[str, ...]

    def choices(
        self, number: int, thresholds: Mapping[tuple[int, int], float], confidence: float
    ) -> Choices:
        """Return what a class's label can become; ``thresholds`` are by class and set."""
        sets = self.finer.choices[number]
        return Choices(
            torch.from_numpy(self.finer.masks[list(sets)]),
            torch.tensor(self.finer.depths[number]),
            torch.tensor([thresholds.get((number, one), confidence) for one in sets]),
        )


def label_sets(spec: DatasetSpec, sources: Sources, options: RefineOptions) -> LabelSets:
    """Find what the labels of a data set say and what they can become.

    Raises:
        HarmonizeError: the mapping does not serve the run's tree, or the coarser one does not fit.
    """
    ontology = sources.ontology
    truth = spec.leaf_masks(ontology)
    labels = truth.copy() if options.coarsen is None else _coarse(spec, ontology, options.coarsen)
    if options.unlabelled:
        labels[~labels.any(1)] = True
    nodes = answer_nodes(ontology, separable_leaves(sources.ontology, sources.taught))
    finer = finer_sets(ontology, nodes, labels)
    if not any(len(choices) > 1 for choices in finer.choices):
        raise HarmonizeError(
            f"{spec.name}: the labels say all that the network can answer; nothing can be completed"
        )
    names = _names(spec, ontology, truth, finer)
    return LabelSets(tuple(spec.classes), truth, labels, finer, names)


def _coarse(spec: DatasetSpec, ontology: Ontology, coarsen: str) -> Bool[ndarray, "C K"]:
    """Return what labels say once they are coarsened to a depth, or to another set's classes."""
    depth, truth = depth_in(coarsen), spec.leaf_masks(ontology)
    if depth is not None:
        if depth > ontology.depth:
            raise HarmonizeError(
                f"--coarsen {depth}: {ontology.name} has the depths 1 to {ontology.depth}"
            )
        return spec.coarsened(ontology, depth).leaf_masks(ontology)
    path = find_file(coarsen)
    if not path.is_file():
        raise HarmonizeError(
            f"--coarsen {coarsen}: neither a depth nor a mapping file; "
            f"{near_matches(coarsen, [f'datasets/{spec.name}.yaml'])}"
        )
    coarse = DatasetSpec.from_file(path).leaf_masks(ontology)
    labels = truth.copy()
    for number, mask in enumerate(truth):
        holding = [other for other in coarse if mask.any() and not (mask & ~other).any()]
        if holding:
            labels[number] = min(holding, key=lambda other: int(other.sum()))
    return labels


def _names(
    spec: DatasetSpec, ontology: Ontology, truth: Bool[ndarray, "C K"], finer: FinerSets
) -> tuple[str, ...]:
    """Name sets by their nodes; a class that is several nodes keeps its name, and says whose."""
    names = names_of(ontology, finer.masks)
    own = {mask.tobytes(): name for name, mask in zip(spec.classes, truth, strict=True)}
    for number, mask in enumerate(finer.masks):
        name = own.get(mask.tobytes())
        if name is None or len(ontology.describe(mask)) == 1:
            continue
        told = name if name not in (*names, *ontology.nodes) else f"{name}_of_{spec.name}"
        if told not in names:
            names[number] = told
    return tuple(names)
