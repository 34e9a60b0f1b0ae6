"""The target space: a code for every set of leaves that labels mean, and the agreement table."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, Int, Integer, UInt8
from numpy import ndarray

from harmonize.errors import HarmonizeError, near_matches
from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.finer_sets import FinerSets, finer_sets
from harmonize.labels.ontology import Ontology
from harmonize.labels.separable import answer_nodes, separable_leaves

# Letters of shapes: K leaves, N codes, D depths, C classes of a data set.

WEIGHT_LEVELS = 20
"""Weights that a pixel with a completed label can have: how sure its code is."""
_UINT8_CODES = 200
"""With at most this many codes from the mappings, targets are uint8 and 255 means ignore."""


class TargetSpace:
    """Codes for sets of leaves.

    The code of a single leaf is its channel. The sets of the mappings' classes follow, then
    whatever ``code`` is asked for. The mirror image of every set has a code too.

    Attributes:
        ontology: the tree.
        specs: the mappings, in the order given.
        ignore: the code of pixels that nothing is known about.
        unlabelled: the code of pictures without labels, if there are any: it may be any leaf, and
            counts as void until it is completed.
        dtype: of target pictures: uint8, or int16 where there are many codes.
    """

    def __init__(
        self, ontology: Ontology, specs: Sequence[DatasetSpec], *, finer: bool = False
    ) -> None:
        """Give codes to all leaves and to all classes of the mappings.

        With ``finer`` all sets that these can become once they are completed have codes too.

        Raises:
            HarmonizeError: a mapping does not serve the ontology, or two mappings share a name.
        """
        self.ontology = ontology
        self.specs = tuple(specs)
        self._masks: list[Bool[ndarray, " K"]] = []
        self._code_of: dict[bytes, int] = {}
        self._class_codes: dict[str, Int[ndarray, " C"]] = {}
        self.unlabelled: int | None = None
        masks = [spec.leaf_masks(ontology) for spec in specs]
        distinct = {mask.tobytes() for spec_masks in masks for mask in spec_masks}
        further = self._further(masks) if finer else []
        few = len(ontology.leaves) + 2 * (len(distinct) + len(further)) <= _UINT8_CODES
        self.dtype: type[np.integer] = np.uint8 if few else np.int16
        self.ignore: int = 255 if few else 32767
        for leaf in range(len(ontology.leaves)):
            self._add(np.arange(len(ontology.leaves)) == leaf)
        for spec, spec_masks in zip(specs, masks, strict=True):
            if spec.name in self._class_codes:
                raise HarmonizeError(f"{spec.name}: two data sets have this name; rename one")
            codes = [self._add(mask) if mask.any() else self.ignore for mask in spec_masks]
            if not spec.has_labels:
                self.unlabelled = codes[0]
            self._class_codes[spec.name] = np.array(codes)
        self._num_labels = self.num_codes
        for mask in further:
            self._add(mask)

    @property
    def num_codes(self) -> int:
        """The number of codes given so far, ``ignore`` not counted."""
        return len(self._masks)

    def code(self, nodes: str | Iterable[str]) -> int:
        """Return the code of the leaves below the given nodes; a new set gets the next free code.

        Raises:
            HarmonizeError: unknown or no nodes, or no code is free.
        """
        mask = self.ontology.leaf_mask(nodes)
        if not mask.any():
            raise HarmonizeError(f"{self.ontology.name}: a code needs at least one node")
        return self._add(mask)

    def class_codes(self, dataset: str) -> Int[ndarray, " C"]:
        """Return the code of each class of a data set, in the order of its classes."""
        if dataset not in self._class_codes:
            advice = near_matches(dataset, self._class_codes)
            raise HarmonizeError(f"no data set {dataset!r} in this target space; {advice}")
        return self._class_codes[dataset]

    def name(self, code: int) -> str:
        """Write a code as the nodes it means, such as ``hair + eyes``."""
        if code == self.ignore:
            return "ignore"
        return " + ".join(self.ontology.describe(self._masks[code]))

    @property
    def masks(self) -> Bool[ndarray, "N K"]:
        """The leaves of each code."""
        return np.stack(self._masks)

    @property
    def agreement(self) -> UInt8[ndarray, "N K"]:
        """A: the deepest resolved depth at which a leaf is still in the label's set S_d, else 0."""
        return np.stack([_agreement(mask, self.ontology)[0] for mask in self._masks])

    @property
    def num_resolved(self) -> Int[ndarray, " N"]:
        """K: the number of depths that a label of each code resolves."""
        resolved = [_agreement(mask, self.ontology)[1] for mask in self._masks]
        return np.array(resolved)

    @property
    def mirror(self) -> Integer[ndarray, " L"]:
        """The code that each code becomes in a flipped picture, as a look-up up to ``ignore``."""
        table = np.full(self.ignore + 1, self.ignore, dtype=self.dtype)
        flipped = self.masks[:, self.ontology.mirror]
        table[: self.num_codes] = [self._code_of[mask.tobytes()] for mask in flipped]
        return table

    def finer_codes(self) -> dict[int, dict[int, int]]:
        """Return the codes that labels can become once they are completed, each with its depth.

        By the code of the label, which is the first of them, at a depth of -1. For a space that was
        made with ``finer``.
        """
        finer = self._finer(self.masks[: self._num_labels])
        codes = [self._code_of[mask.tobytes()] for mask in finer.masks]
        return {
            label: {codes[one]: depth for one, depth in zip(choices, depths, strict=True)}
            for label, (choices, depths) in enumerate(zip(finer.choices, finer.depths, strict=True))
            if len(choices) > 1
        }

    def _further(self, masks: Sequence[Bool[ndarray, "_ K"]]) -> list[Bool[ndarray, " K"]]:
        """Return the sets that the classes of the mappings, and what these become, can become."""
        known = {mask.tobytes() for mask in np.eye(len(self.ontology.leaves), dtype=bool)}
        known |= {mask.tobytes() for its in masks for mask in its}
        flipped = [mask[self.ontology.mirror] for its in masks for mask in its]
        sets = self._finer(np.stack([mask for its in masks for mask in its] + flipped)).masks
        return [mask for mask in sets if mask.tobytes() not in known]

    def _finer(self, labels: Bool[ndarray, "N K"]) -> FinerSets:
        separable = separable_leaves(self.ontology, self.specs)
        return finer_sets(self.ontology, answer_nodes(self.ontology, separable), labels)

    def _add(self, mask: Bool[ndarray, " K"]) -> int:
        """Return the code of a set of leaves, giving it and its mirror image one if need be."""
        images = {image.tobytes(): image for image in (mask, mask[self.ontology.mirror])}
        new = [key for key in images if key not in self._code_of]
        if self.num_codes + len(new) > self.ignore:
            raise HarmonizeError(
                f"{self.ontology.name}: all {self.ignore} codes of this target space are "
                "given away; build it from mappings that name the sets"
            )
        for key in new:
            self._code_of[key] = self.num_codes
            self._masks.append(images[key])
        return self._code_of[mask.tobytes()]


def _agreement(mask: Bool[ndarray, " K"], ontology: Ontology) -> tuple[UInt8[ndarray, " K"], int]:
    """Return the row of the agreement table for one set of leaves, and its resolved depths."""
    grown = ontology.grow(mask)
    finished = (grown == mask).all(1)
    one_leaf = mask.sum() == 1
    resolved = ontology.depth if one_leaf else int(finished.argmax())
    return grown[1 : resolved + 1].sum(0, dtype=np.uint8), resolved
