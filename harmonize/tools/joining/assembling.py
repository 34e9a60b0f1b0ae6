"""One tree whose leaves explain the classes of several data sets, and what each class means."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harmonize.labels.mapping import TODO
from harmonize.labels.ontology import Ontology
from harmonize.labels.tree_text import ROOT
from harmonize.tools.joining.consistency import assembled, edges_of, reach, show
from harmonize.tools.joining.contingency import ClassSet
from harmonize.tools.joining.pairs import IN_COMMON, Class, Pair

_EXPLAINED = 0.75
"""The share of a class from which on its parts are all of it."""


@dataclass
class ClassGroup:
    """Classes that mean the same.

    Attributes:
        classes: one of a set at most.
        name: of its node.
        within: the groups around it.
        leaf: whether it has a leaf of its own, beside those of what lies in it.
        doubts: pairs that may change what it means.
    """

    classes: list[Class]
    name: str = ""
    within: list["ClassGroup"] = field(default_factory=list["ClassGroup"])
    parts: list["ClassGroup"] = field(default_factory=list["ClassGroup"])
    leaf: bool = True
    node: bool = True

    @property
    def own(self) -> str:
        """The name of its own leaf."""
        return self.name if not self.parts or not self.node else f"{self.name}_rest"


@dataclass(frozen=True)
class Joined:
    """A tree over several data sets.

    Attributes:
        text: of the tree's file.
        tree: itself.
        meaning: by set and class, the nodes; ``TODO`` is one where something is open.
        doubts: the pairs that are open, by the class in whose meaning they are.
        unknown: classes that nothing is known about.
        own: the leaves that each class has for sure.
        common: the leaf of what two overlapping classes have in common.
    """

    text: str
    tree: Ontology
    meaning: Mapping[str, Mapping[str, tuple[str, ...]]]
    doubts: Mapping[Class, tuple[Pair, ...]]
    unknown: tuple[Class, ...]
    own: Mapping[Class, tuple[str, ...]]
    common: Mapping[Pair, str]

    @property
    def num_open(self) -> int:
        """How many classes mean something that is open."""
        return len({*self.doubts, *self.unknown})


def assemble(
    sets: Sequence[ClassSet],
    pairs: Sequence[Pair],
    *,
    made_by: str,
    mirrors: Mapping[Class, Class] | None = None,
    left: str = "viewer",
) -> Joined:
    """Make a tree of what is sure, and note at each class what is not.

    Args:
        sets: the data sets.
        pairs: settled; see ``settle``.
        made_by: the line at the head of the tree.
        mirrors: the classes that a horizontal flip exchanges.
        left: whose left the names mean.
    """
    groups = _groups(sets, pairs)
    _nest(groups, pairs)
    _own_leaves(groups, pairs)
    _name(groups)
    doubts, unknown = _doubts(sets, pairs)
    common = _common_leaves(pairs, groups)
    lines = [f"# {made_by}"]
    waiting = {group.own: group for group in groups if set(group.classes) & set(unknown)}
    order = {id(group): number for number, group in enumerate(groups)}
    placed = [group for group in groups if group.leaf or group.parts]
    placed.sort(key=lambda group: min(order[id(one)] for one in _within(group)))
    for group in placed:
        if _parent(group) is None:
            lines += _lines(group, placed, 0, waiting)
    for pair, leaf in common.items():
        lines.append(f"{leaf}    # TODO: what {show(pair.a)} and {show(pair.b)} have in common")
    lines += _mirror_lines(groups, mirrors or {})
    lines += ["@left subject"] if left == "subject" else []
    text = "\n".join(lines) + "\n"
    tree = Ontology(text, name="tree", source="tree.txt")
    sure = {one: tuple(_leaves(group)) for group in groups for one in group.classes}
    meaning: dict[str, dict[str, tuple[str, ...]]] = {one.name: {} for one in sets}
    for one, leaves in sure.items():
        shared = [leaf for pair, leaf in common.items() if one in (pair.a, pair.b)]
        nodes = tree.describe(tree.leaf_mask([*leaves, *shared]))
        meaning[one[0]][one[1]] = (*nodes, TODO) if one in doubts else nodes
    for name, class_name in unknown:
        meaning[name][class_name] = (TODO,)
    own = {one: tree.describe(tree.leaf_mask(leaves)) for one, leaves in sure.items()}
    return Joined(text, tree, meaning, doubts, unknown, own, common)


def _groups(sets: Sequence[ClassSet], pairs: Sequence[Pair]) -> list[ClassGroup]:
    """Put together the classes that are the same."""
    edges = edges_of(pairs)
    groups: list[ClassGroup] = []
    for one in ((s.name, name) for s in sets for name in s.classes):
        above = reach(edges, one)
        same = (g for g in groups if g.classes[0] in above and one in reach(edges, g.classes[0]))
        group = next(same, None)
        if group is None:
            groups.append(ClassGroup([one]))
        else:
            group.classes.append(one)
    return groups


def _nest(groups: Sequence[ClassGroup], pairs: Sequence[Pair]) -> None:
    """Note what lies in what, the closest around it first."""
    edges = edges_of(pairs)
    of_class = {one: group for group in groups for one in group.classes}
    around: dict[int, list[ClassGroup]] = {}
    for group in groups:
        found = {id(of_class[one]): of_class[one] for one in reach(edges, group.classes[0])}
        around[id(group)] = [one for one in found.values() if one is not group]
    for group in groups:
        ways = around[id(group)]
        closest = [one for one in ways if not any(one in around[id(two)] for two in ways)]
        group.within = closest
        for one in closest:
            one.parts.append(group)


def _own_leaves(groups: Sequence[ClassGroup], pairs: Sequence[Pair]) -> None:
    """Find which groups need a leaf beside those of their parts, and which need no node.

    What is a single part's around it, and no more as far as is known, has that part's leaf; it
    needs no node of its own.
    """
    for group in groups:
        if group.parts:
            parts = {one for part in group.parts for one in part.classes}
            shares: dict[Class, float] = {}
            for pair in pairs:
                inner, outer = (pair.a, pair.b) if pair.a in parts else (pair.b, pair.a)
                if outer in group.classes and inner in parts:
                    both = pair.b_in_a if outer == pair.b else pair.a_in_b
                    shares[outer] = shares.get(outer, 0) + sum(both) / 2
            explained = max(shares.values(), default=1.0)
            is_open = any(
                set(group.classes) & {p.a, p.b} and not p.sure and p.relation != "disjoint"
                for p in pairs
            )
            group.leaf = explained < _EXPLAINED and not is_open
            group.node = len(group.parts) + group.leaf > 1


def _name(groups: Sequence[ClassGroup]) -> None:
    """Name nodes after classes; of several with one name, all but leaves after their set too."""
    wanted = [plain_name(group.classes[0][1]) for group in groups]
    taken: set[str] = set()
    order = sorted(range(len(groups)), key=lambda n: bool(groups[n].parts))
    for number in order:
        group, name = groups[number], wanted[number]
        alike = [g for g, w in zip(groups, wanted, strict=True) if w == name and not g.parts]
        if name in taken or (group.parts and alike) or len(alike) > 1:
            name = f"{plain_name(group.classes[0][0])}_{name}"
        tries = (name, *(f"{name}_{n}" for n in range(2, len(groups) + 2)))
        group.name = next(one for one in tries if not {one, f"{one}_rest"} & taken)
        taken |= {group.name, group.own}


def plain_name(name: str) -> str:
    """Return a class's name as that of a node."""
    plain = re.sub(r"[^\w.|-]+", "_", name).strip("_") or "class"
    return f"{plain}_class" if plain in (ROOT, "ignore", TODO) else plain


def _parent(group: ClassGroup) -> ClassGroup | None:
    """Return the group below whose node a group's lies: the closest with a node, if any."""
    for one in group.within:
        if one.node:
            return one
        above = _parent(one)
        if above is not None:
            return above
    return None


def _lines(
    group: ClassGroup, placed: Sequence[ClassGroup], level: int, waiting: Mapping[str, ClassGroup]
) -> list[str]:
    indent = "\t" * level
    note = "    # TODO: find out where it belongs" if group.own in waiting else ""
    below = [one for one in placed if _parent(one) is group]
    if not group.parts:
        return [f"{indent}{group.name}{note}"]
    if not group.node:
        return []
    rest = f"{indent}\t{group.own}    # what no other set has a name for"
    inside = [line for one in below for line in _lines(one, placed, level + 1, waiting)]
    return [f"{indent}{group.name}", *inside, *([rest] if group.leaf else [])]


def _mirror_lines(groups: Sequence[ClassGroup], mirrors: Mapping[Class, Class]) -> list[str]:
    """Declare the leaves that a horizontal flip exchanges."""
    leaf_of = {one: g.own for g in groups if not g.parts for one in g.classes}
    exchanged: dict[str, str] = {}
    for one, other in mirrors.items():
        if (
            one in leaf_of
            and other in leaf_of
            and not {leaf_of[one], leaf_of[other]} & {*exchanged}
        ):
            exchanged |= {leaf_of[one]: leaf_of[other], leaf_of[other]: leaf_of[one]}
    return [f"@mirror {one} {other}" for one, other in exchanged.items() if one < other]


def _within(group: ClassGroup) -> list[ClassGroup]:
    return [group, *(one for part in group.parts for one in _within(part))]


def _leaves(group: ClassGroup) -> list[str]:
    own = [group.own] if group.leaf else []
    return [*own, *(leaf for part in group.parts for leaf in _leaves(part))]


def _doubts(
    sets: Sequence[ClassSet], pairs: Sequence[Pair]
) -> tuple[dict[Class, tuple[Pair, ...]], tuple[Class, ...]]:
    """Return the open pairs at the class that may have more leaves, and what is unknown."""
    found: dict[Class, list[Pair]] = {}
    unknown: dict[Class, None] = {}
    pixels = {
        (one.name, name): seen
        for one in sets
        for name, seen in zip(one.classes, one.pixels.tolist(), strict=True)
    }
    for pair in pairs:
        if pair.relation == "unknown":
            unknown |= dict.fromkeys(one for one in (pair.a, pair.b) if not pixels[one])
        elif not pair.sure and not assembled(pair) and pair.relation != "disjoint":
            larger = pair.a if pixels[pair.a] >= pixels[pair.b] else pair.b
            owner = {"contains": pair.a, "part of": pair.b}.get(pair.relation, larger)
            found.setdefault(owner, []).append(pair)
    return {one: tuple(some) for one, some in found.items() if one not in unknown}, tuple(unknown)


def _common_leaves(pairs: Sequence[Pair], groups: Sequence[ClassGroup]) -> dict[Pair, str]:
    """Return a leaf for what each two overlapping classes have in common, where that is seen."""
    name = {one: group.name for group in groups for one in group.classes}
    return {
        pair: f"{name[pair.a]}_and_{name[pair.b]}"
        for pair in pairs
        if pair.relation == "overlaps" and pair.why.startswith(IN_COMMON)
    }
