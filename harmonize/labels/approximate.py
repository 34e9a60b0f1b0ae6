"""Answers for classes that overlap: each leaf answers for one class, though that is not exact."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from harmonize.labels.answerable import Answerable, name_leaves
from harmonize.labels.ontology import Ontology
from harmonize.labels.separable import Separable

# Letters of shapes: K leaves.

Masks = Mapping[str, Bool[ndarray, " K"]]


def approximate_answers(
    ontology: Ontology,
    separable: Separable,
    asked: Masks,
    pixels: Mapping[str, float],
) -> tuple[Answerable, ...]:
    """Say of each asked class which leaves answer for it, where each leaf answers for one class.

    Leaves that no trained label tells apart (twins) go together: to the class with the most
    pixels of those that have any of them; where these are not known for all of them, to the one
    that has most of them, among equals to the one of the fewest leaves, then to the first. A class
    that ends up with no leaf is left out.

    Args:
        ontology: names the leaves.
        separable: what the trained labels tell apart.
        asked: the leaves of each class of one data set by name, at least one each.
        pixels: how many each class has, as far as that is known, in any unit.
    """
    owned = {name: np.zeros_like(mask) for name, mask in asked.items()}
    taught = np.zeros(len(ontology.leaves), dtype=bool)
    owners: dict[str, list[str]] = {name: [] for name in asked}
    for twins in map(ontology.leaf_mask, separable.twins):
        taught |= twins
        rivals = [name for name, mask in asked.items() if (mask & twins).any()]
        if rivals:
            owner = _owner(rivals, twins, asked, pixels)
            owned[owner] |= twins
            for name in rivals:
                owners[name] += [owner] if owner not in (name, *owners[name]) else []
    return tuple(
        _judged(ontology, name, mask, owned[name], taught, owners[name])
        for name, mask in asked.items()
    )


def _owner(
    rivals: Sequence[str], twins: Bool[ndarray, " K"], asked: Masks, pixels: Mapping[str, float]
) -> str:
    """Return the class that a set of twins answers for; ``max`` takes the first among equals."""
    if all(name in pixels for name in rivals):
        return max(rivals, key=lambda name: pixels[name])
    sizes = {name: (int((asked[name] & twins).sum()), -int(asked[name].sum())) for name in rivals}
    return max(rivals, key=lambda name: sizes[name])


def _judged(
    ontology: Ontology,
    name: str,
    mask: Bool[ndarray, " K"],
    owned: Bool[ndarray, " K"],
    taught: Bool[ndarray, " K"],
    owners: Sequence[str],
) -> Answerable:
    """Say what answers for a class, and how that differs from what it means."""
    leaves = mask & taught
    if not leaves.any():
        return Answerable(name, "never", "no trained set labels it", leaves, leaves)
    if not owned.any():
        reason = f"its leaves are answered as {', '.join(owners)}"
        return Answerable(name, "overlapping", reason, leaves, leaves)
    parts = {
        f"answered as {', '.join(owners)}": leaves & ~owned,
        "which no trained set labels": mask & ~taught,
    }
    says = [
        f"without {name_leaves(ontology, part)}, {why}" for why, part in parts.items() if part.any()
    ]
    if (owned & ~mask).any():
        says.append(f"with {name_leaves(ontology, owned & ~mask)}, which it does not mean")
    return Answerable(name, "answerable", "; ".join(says), owned, owned)
