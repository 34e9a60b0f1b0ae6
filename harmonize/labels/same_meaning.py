"""Classes of one data set that mean the same leaves, which are one class under all their names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from harmonize.labels.dataset_spec import DatasetSpec
from harmonize.labels.ontology import Ontology

# Letters of shapes: C classes, K leaves.

_SHOWN = 3
"""Names that a table writes of a class of several; files have them all."""


@dataclass(frozen=True)
class SameMeaning:
    """The classes of a mapping, those that mean the same leaves joined.

    Attributes:
        names: of each class as it is scored: its own, or all of its meaning joined by ``|``.
        numbers: what each class counts as: the number of the first one of its meaning.
        merged: the names of the mapping behind each joined one.
        masks: the leaves of each class; none for those that count as an earlier one.
    """

    names: tuple[str, ...]
    numbers: Int[ndarray, " C"]
    merged: Mapping[str, tuple[str, ...]]
    masks: Bool[ndarray, "C K"]

    @property
    def leaves(self) -> dict[str, Bool[ndarray, " K"]]:
        """The leaves of each class that is not ignored, by its name; a joined one once."""
        pairs = zip(self.names, self.masks, strict=True)
        return {name: mask for name, mask in pairs if mask.any()}


def same_meaning(ontology: Ontology, spec: DatasetSpec) -> SameMeaning:
    """Join the classes of a mapping that mean the same leaves; ignored ones stay as they are."""
    names, masks = list(spec.classes), spec.leaf_masks(ontology)
    numbers = np.arange(len(names))
    groups: dict[bytes, list[int]] = {}
    for number, mask in enumerate(masks):
        if mask.any():
            groups.setdefault(mask.tobytes(), []).append(number)
    merged: dict[str, tuple[str, ...]] = {}
    for group in groups.values():
        if len(group) > 1:
            members = tuple(names[number] for number in group)
            joined = _joined(members, spec.classes)
            merged[joined] = members
            numbers[group] = group[0]
            masks[group[1:]] = False
    of_member = {member: joined for joined, members in merged.items() for member in members}
    return SameMeaning(tuple(of_member.get(name, name) for name in names), numbers, merged, masks)


def short_name(name: str, merged: Mapping[str, Sequence[str]]) -> str:
    """Return a class's name for a table: of a joined one the first few."""
    members = merged.get(name, (name,))
    if len(members) <= _SHOWN:
        return name
    return f"{'|'.join(members[:_SHOWN])}|+{len(members) - _SHOWN}"


def say_merged(ontology: Ontology, spec: DatasetSpec) -> str:
    """Say in one line which classes of a data set are one; empty if none are."""
    same = same_meaning(ontology, spec)
    if not same.merged:
        return ""
    number = sum(bool(mask.any()) for mask in spec.leaf_masks(ontology))
    joined = ", ".join(short_name(name, same.merged) for name in same.merged)
    return (
        f"{spec.name}: {number} classes are scored and answered as {len(same.leaves)}, since some "
        f"mean the same nodes of {ontology.name}: {joined}"
    )


def _joined(members: Sequence[str], taken: Mapping[str, object]) -> str:
    """Join names; by more bars where a class is called so already."""
    bar = "|"
    while bar.join(members) in taken:
        bar += "|"
    return bar.join(members)
