"""What each leaf of a changed tree comes from: kept, renamed, moved, split, merged or new."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.labels.joined import join_trees
from harmonize.labels.ontology import Ontology
from harmonize.plurals import counted

# Letters of shapes: K leaves of the new tree, L of the old one.

Kind = Literal["kept", "renamed", "moved", "split", "merged", "regrouped", "new", "new tree"]
_BEGUN: tuple[Kind, ...] = ("split", "regrouped", "new", "new tree")
"""Of leaves that were none before."""
NEW_SHARE = 0.01
"""The greatest probability that the new leaves below a group begin with, within the group."""


@dataclass(frozen=True)
class LeafOrigin:
    """What a leaf of the new tree comes from.

    Attributes:
        leaf: of the new tree.
        kind: of its change. Of ``regrouped`` ones several old leaves become several new ones. Those
            of a ``new tree`` beside others all begin alike.
        sources: the old leaves whose weights it begins with; of a new one those of its group.
        shared_by: for each of them, how many new leaves begin with its weights; of a new one how
            many are new below its group.
    """

    leaf: str
    kind: Kind
    sources: tuple[str, ...]
    shared_by: tuple[int, ...]

    @property
    def offset(self) -> float:
        """What is added to the mean bias of the sources.

        A leaf that is split into k keeps its probability, since k times exp(logit - log k) is
        exp(logit). Of m that are merged the mean logit + log m is the greatest number that no
        logarithm of a sum of exponentials falls below (Jensen), so theirs cannot rise. What is
        new begins with ``NEW_SHARE`` of its group at most.
        """
        if self.kind == "new tree":
            return 0.0
        many = math.log(len(self.sources))
        if self.kind == "new":
            share = NEW_SHARE / (1 - NEW_SHARE)
            return many + math.log(share) - math.log(self.shared_by[0])
        return many - sum(map(math.log, self.shared_by)) / len(self.sources)


@dataclass(frozen=True)
class Lineage:
    """How the leaves of a new tree come from those of an old one.

    Attributes:
        origins: of each leaf of the new tree, in its order.
        old_leaves: of the old tree, in its order.
        dropped: old leaves that nothing begins with.
    """

    origins: tuple[LeafOrigin, ...]
    old_leaves: tuple[str, ...]
    dropped: tuple[str, ...]

    @property
    def is_identity(self) -> bool:
        """Whether every leaf is kept where it was, by name or renamed."""
        same = [origin.sources for origin in self.origins] == [(old,) for old in self.old_leaves]
        return same and all(origin.shared_by == (1,) for origin in self.origins)

    def matrix(self) -> Float[ndarray, "K L"]:
        """Return the shares of the old leaves' weights that each new leaf begins with."""
        number = {leaf: n for n, leaf in enumerate(self.old_leaves)}
        shares = np.zeros((len(self.origins), len(self.old_leaves)))
        for row, origin in zip(shares, self.origins, strict=True):
            row[[number[leaf] for leaf in origin.sources]] = 1 / len(origin.sources)
        return shares

    def alike(self) -> list[list[int]]:
        """Return the leaves that begin with the weights of another one, by number, in groups.

        Those that were leaves before are not among them.
        """
        sources = Counter(origin.sources for origin in self.origins)
        groups: dict[tuple[str, ...], list[int]] = {}
        for number, origin in enumerate(self.origins):
            if origin.kind in _BEGUN and sources[origin.sources] > 1:
                groups.setdefault(origin.sources, []).append(number)
        return list(groups.values())

    def offsets(self) -> Float[ndarray, " K"]:
        """Return what is added to each new leaf's bias."""
        return np.array([origin.offset for origin in self.origins])

    def table(self) -> str:
        """Return a line for each leaf that has changed, and one that counts the others."""
        rows = [(o.leaf, o.kind, _told(o)) for o in self.origins if o.kind != "kept"]
        rows += [(leaf, "dropped", "") for leaf in self.dropped]
        kept = sum(origin.kind == "kept" for origin in self.origins)
        widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
        lines = [f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {what}" for name, kind, what in rows]
        return "\n".join(
            [
                *(line.rstrip() for line in lines),
                f"{counted(kept, 'leaf', 'leaves')} kept as they were",
            ]
        )


def _told(origin: LeafOrigin) -> str:
    names = ", ".join(origin.sources)
    if origin.kind == "new":
        return f"begins with at most {NEW_SHARE:.0%} of its group"
    if origin.kind == "new tree":
        return "as probable as the other leaves of its tree"
    if origin.kind == "split":
        return f"one of {origin.shared_by[0]} that {names} is split into"
    if origin.kind == "regrouped":
        return f"one of {max(origin.shared_by)} that share {names}"
    return f"from {names}" if origin.kind in ("renamed", "merged") else "has other nodes above it"


def find_lineage(old: Ontology, new: Ontology) -> Lineage:
    """Find out what each leaf of a new tree comes from.

    A node of the new tree stands for the old ones that its ``@was`` names, if the old tree has any
    of them, else for the one of its own name. An old leaf belongs to the nearest node, from itself
    up, that something stands for; all new leaves whose own nearest node it is share its weights.

    Raises:
        HarmonizeError: the trees have no node in common, or a name of ``@was`` is in neither tree.
    """
    stands = {node: _standing(node, old, new) for node in new.nodes}
    stood_for = {name: node for node, names in stands.items() for name in names}
    _check(old, new, stands, stood_for)
    below: dict[str, list[str]] = {}  # by old node: the old leaves that belong to it
    for leaf in old.leaves:
        owner = next((node for node in reversed(old.path(leaf)) if node in stood_for), None)
        if owner is not None:
            below.setdefault(owner, []).append(leaf)
    found: dict[str, tuple[str, ...]] = {}
    nearest: dict[str, str | None] = {}
    for leaf in new.leaves:
        node = next((one for one in reversed(new.path(leaf)) if stands[one]), None)
        nearest[leaf] = node
        owned = [each for name in stands[node] for each in below.get(name, [])] if node else []
        found[leaf] = tuple(leaf for leaf in old.leaves if leaf in owned)
    claims = [each for sources in found.values() for each in sources]
    origins = [_origin(leaf, found, claims, nearest, stands, old, new) for leaf in new.leaves]
    dropped = tuple(leaf for leaf in old.leaves if leaf not in claims)
    return Lineage(tuple(origins), old.leaves, dropped)


def find_lineages(old: Sequence[Ontology], new: Sequence[Ontology]) -> Lineage:
    """Find out what each leaf of several trees, one after the other, comes from.

    Each new tree comes from the old ones that it has nodes in common with; where it has none with
    any, its leaves all begin with the mean of all weights, so that they are as probable.

    Raises:
        HarmonizeError: see ``find_lineage``; or none of the new trees comes from an old one.
    """
    origins: list[LeafOrigin] = []
    leaves = tuple(leaf for tree in old for leaf in tree.leaves)
    before = [_in_common(old, tree) for tree in new]
    if not any(before):
        before = [list(old)] * len(new)  # the error says what to declare
    for tree, its_old in zip(new, before, strict=True):
        if its_old:
            whole = its_old[0] if len(its_old) == 1 else join_trees(its_old)
            origins += find_lineage(whole, tree).origins
        else:
            alike = (1,) * len(leaves)
            origins += [LeafOrigin(leaf, "new tree", leaves, alike) for leaf in tree.leaves]
    claimed = {name for one in origins if "new" not in one.kind for name in one.sources}
    dropped = tuple(leaf for leaf in leaves if leaf not in claimed)
    return Lineage(tuple(origins), leaves, dropped)


def _in_common(old: Sequence[Ontology], new: Ontology) -> list[Ontology]:
    """Return the old trees that some node of a new one stands for a node of."""
    return [one for one in old if any(_standing(node, one, new) for node in new.nodes)]


def _standing(node: str, old: Ontology, new: Ontology) -> tuple[str, ...]:
    former = tuple(name for name in new.former.get(node, ()) if name in old.nodes)
    return former or ((node,) if node in old.nodes else ())


def _check(
    old: Ontology,
    new: Ontology,
    stands: dict[str, tuple[str, ...]],
    stood_for: dict[str, str],
) -> None:
    raise_all(
        f"{new.name}: @was {node} {' '.join(names)}: the tree that is started from has none of "
        f"these; {near_matches(names[0], old.nodes)}"
        for node, names in new.former.items()
        if not stands[node]
    )
    if not stood_for:
        raise HarmonizeError(
            f"{new.name}: has no node in common with {old.name}, the tree that is started from; "
            "declare what its nodes were called: `@was NODE OLD_NAME`"
        )


def _origin(
    leaf: str,
    found: dict[str, tuple[str, ...]],
    claims: Sequence[str],
    nearest: dict[str, str | None],
    stands: dict[str, tuple[str, ...]],
    old: Ontology,
    new: Ontology,
) -> LeafOrigin:
    """Say what a leaf comes from, given the old leaves that each new one shares."""
    sources = found[leaf]
    if not sources:
        node = nearest[leaf]
        names = () if node is None else stands[node]
        group = np.flatnonzero(old.leaf_mask(names)) if names else range(len(old.leaves))
        beside = sum(not found[one] and nearest[one] == node for one in new.leaves)
        whole = tuple(old.leaves[number] for number in group)
        return LeafOrigin(leaf, "new", whole, (beside,) * len(whole))
    shared = tuple(claims.count(source) for source in sources)
    if len(sources) > 1:
        return LeafOrigin(leaf, "merged" if max(shared) == 1 else "regrouped", sources, shared)
    source = next(iter(sources))
    if shared != (1,):
        return LeafOrigin(leaf, "split", sources, shared)
    path = [next(iter(stands[node]), node) for node in new.path(leaf)[:-1]]
    moved = path != list(old.path(source)[:-1])
    kind: Kind = "renamed" if source != leaf else "moved" if moved else "kept"
    return LeafOrigin(leaf, kind, sources, shared)
