"""The tree of classes: its leaves, its groups at every depth, its mirror pairs."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import numpy as np
from anytree import RenderTree  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Bool, Int
from numpy import ndarray

from harmonize.config.strict_yaml import read_text
from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.labels.tree_text import TreeNode, parse_tree


class Ontology:
    """A rooted tree whose leaves, in file order, are the network's output channels.

    The text has one node per line, indented below its parent by tabs or by spaces; the root is not
    written. ``#`` starts a comment. ``@mirror left_eye right_eye`` declares two leaves that a
    horizontal flip exchanges, ``@mirror one_way`` a leaf that is its own mirror image. Names with
    left and right mean the viewer's, unless ``@left subject`` says otherwise. ``@was person human``
    says that a node was called otherwise in the tree of a run that another one starts from.

    Attributes:
        name: what mappings call this tree: the file's stem.
        leaves: names of the leaves, in file order.
        nodes: names of all nodes but the root, in file order.
        depth: D, the depth of the deepest leaf; the root has depth 0.
        group_index: (D + 1, leaves); the number of each leaf's group at each depth (equation 2 of
            Muller & Smith, 2020: a leaf no deeper than d is its own group).
        mirror: (leaves,); the leaf that each leaf becomes in a flipped picture.
        mirror_declared: the leaves whose mirror image the text declares.
        left: whose left the names mean.
        former: by node, the names that it had in an earlier tree.
        places: where each node is written, as ``file:line:column``.
        text: the source text.
    """

    def __init__(self, text: str, *, name: str, source: str | None = None) -> None:
        """Parse a tree.

        Raises:
            HarmonizeError: with ``source`` and the line of each mistake.
        """
        self.name = name
        self.text = text
        parsed = parse_tree(text, source or name)
        root = parsed.root
        below = [node for node in root.walk() if node is not root]
        leaf_nodes = [node for node in below if node.is_leaf]
        self._root = root
        self.nodes: tuple[str, ...] = tuple(node.name for node in below)
        self.leaves: tuple[str, ...] = tuple(node.name for node in leaf_nodes)
        self.depth: int = max(node.depth for node in leaf_nodes)
        self._leaf_number = {leaf: number for number, leaf in enumerate(self.leaves)}
        self._below: dict[str, slice] = {}  # leaves of a node: they follow each other
        for number, leaf in enumerate(leaf_nodes):
            for node in leaf.path:
                first = self._below.setdefault(node.name, slice(number, number)).start
                self._below[node.name] = slice(first, number + 1)
        self._node = {node.name: node for node in below}
        self.group_index: Int[ndarray, "D1 K"] = _group_index(leaf_nodes, self.depth)
        self.left = parsed.left or "viewer"
        self.places = parsed.places
        self.mirror_declared = frozenset(leaf for _, pair in parsed.mirrors for leaf in pair)
        self.mirror: Int[ndarray, " K"] = self._mirror(parsed.mirrors)
        raise_all(
            f"{place}: @was: there is no node {node!r}; {near_matches(node, self.nodes)}"
            for node, (place, _) in parsed.former.items()
            if node not in self._node
        )
        self.former = {node: names for node, (_, names) in parsed.former.items()}

    @classmethod
    def from_file(cls, path: str | Path) -> "Ontology":
        """Read a tree file; the tree's name is the file's stem."""
        return cls(read_text(path), name=Path(path).stem, source=str(path))

    def groups(self, depth: int) -> tuple[tuple[str, ...], ...]:
        """Return the partition of the leaves at a depth in 0..D, in file order."""
        if not 0 <= depth <= self.depth:
            raise HarmonizeError(f"{self.name}: depth {depth} is not in 0..{self.depth}")
        groups: dict[int, list[str]] = {}
        for leaf, group in zip(self.leaves, self.group_index[depth].tolist(), strict=True):
            groups.setdefault(group, []).append(leaf)
        return tuple(map(tuple, groups.values()))

    def nodes_at(self, depth: int) -> tuple[str, ...]:
        """Return the node of each group at a depth: those that lie there, and shallower leaves."""
        return tuple(
            node.name
            for node in self._node.values()
            if node.depth == depth or (node.is_leaf and node.depth < depth)
        )

    def depth_of(self, node: str) -> int:
        """Return a node's depth; the children of the root have depth 1."""
        return self._node[node].depth

    def path(self, node: str) -> tuple[str, ...]:
        """Return the nodes from the one below the root down to a node."""
        return tuple(above.name for above in self._node[node].path[1:])

    def children(self, node: str) -> tuple[str, ...]:
        """Return the nodes right below a node, in file order; none below a leaf."""
        depth = self.depth_of(node) + 1
        return tuple(below.name for below in self._node[node].walk() if below.depth == depth)

    def leaf_mask(self, nodes: str | Iterable[str]) -> Bool[ndarray, " K"]:
        """Mark the leaves below any of the given nodes.

        Raises:
            HarmonizeError: for names that are no nodes, all in one message, with near matches.
        """
        names = (nodes,) if isinstance(nodes, str) else tuple(nodes)
        unknown = [node for node in names if node not in self._node]
        if unknown:
            raise HarmonizeError(
                *(f"{self.name}: no node {n!r}; {near_matches(n, self.nodes)}" for n in unknown)
            )
        mask = np.zeros(len(self.leaves), dtype=bool)
        for node in names:
            mask[self._below[node]] = True
        return mask

    def grow(self, mask: Bool[ndarray, " K"]) -> Bool[ndarray, "D1 K"]:
        """Return S_d for each depth in 0..D: the union of the groups that meet a set of leaves."""
        leaves = self.group_index.shape[1]
        first_number = leaves * np.arange(self.depth + 1)[:, None]
        numbers = self.group_index + first_number  # every depth's are its own
        met = np.zeros(numbers.size, dtype=bool)
        met[numbers[:, mask]] = True
        return met[numbers]

    def describe(self, mask: Bool[ndarray, " K"]) -> tuple[str, ...]:
        """Name a set of leaves by the fewest nodes whose leaves make it up, in file order."""
        chosen: list[str] = []
        named = 0  # leaves before this one are
        for leaf in np.flatnonzero(mask).tolist():
            if leaf < named:
                continue
            path = self._node[self.leaves[leaf]].path[1:]
            highest = next(node.name for node in path if mask[self._below[node.name]].all())
            chosen.append(highest)
            named = self._below[highest].stop
        return tuple(chosen)

    def draw(self, notes: dict[str, str] | None = None) -> str:
        """Draw the tree with box characters, each node followed by its note if it has one."""
        lines: list[str] = []
        rows = cast("list[tuple[str, str, TreeNode]]", list(RenderTree(self._root)))
        width = max(len(prefix) + len(node.name) for prefix, _, node in rows)
        for prefix, _, node in rows:
            note = (notes or {}).get(node.name, "")
            lines.append(f"{prefix + node.name:<{width + 2}}{note}".rstrip())
        return "\n".join(lines)

    def _mirror(self, declared: list[tuple[str, list[str]]]) -> Int[ndarray, " K"]:
        partner: dict[str, str] = {}
        problems: list[str] = []
        for place, leaves in declared:
            for leaf, other in zip(leaves, reversed(leaves), strict=True):
                if leaf not in self._leaf_number:
                    kind = "a node with children" if leaf in self.nodes else "not in the tree"
                    advice = near_matches(leaf, self.leaves)
                    problems.append(f"{place}: {leaf!r} is {kind}; mirror leaves: {advice}")
                elif leaf in partner:
                    problems.append(f"{place}: the mirror image of {leaf!r} is declared already")
                    break
                elif leaf == other and len(leaves) == 2:
                    problems.append(
                        f"{place}: for a leaf that is its own mirror image write `@mirror {leaf}`"
                    )
                    break
                partner[leaf] = other
        raise_all(problems)
        return np.array([self._leaf_number[partner.get(leaf, leaf)] for leaf in self.leaves])


def _group_index(leaf_nodes: list[TreeNode], depth: int) -> Int[ndarray, "D1 K"]:
    """Number the groups of each depth in file order."""
    index = np.zeros((depth + 1, len(leaf_nodes)), dtype=np.int64)
    paths = [[node.name for node in leaf.path] for leaf in leaf_nodes]
    for d in range(depth + 1):
        ancestors = [path[min(d, len(path) - 1)] for path in paths]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(ancestors))}
        index[d] = [numbers[name] for name in ancestors]
    return index
