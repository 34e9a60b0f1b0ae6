"""The tree of classes: its text, its leaves, its groups at every depth, its mirror pairs."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import numpy as np
from anytree import NodeMixin, PreOrderIter, RenderTree  # pyright: ignore[reportMissingTypeStubs]
from jaxtyping import Bool, Int
from numpy import ndarray

from harmonize.errors import HarmonizeError, near_matches, raise_all
from harmonize.strict_yaml import read_text

ROOT = "(root)"
MIRROR = "@mirror"
MAX_DEPTH = 255  # the agreement table holds depths as uint8


class _Node(NodeMixin):
    """A named node of the tree."""

    def __init__(self, name: str, parent: "_Node | None" = None) -> None:
        self.name = name
        self.parent = parent

    def walk(self) -> Iterator["_Node"]:
        """Iterate over this node and all nodes below it, in file order."""
        return cast("Iterator[_Node]", PreOrderIter(self))


class Ontology:
    """A rooted tree whose leaves, in file order, are the network's output channels.

    The text has one node per line, indented below its parent by tabs or by spaces; the root is not
    written. ``#`` starts a comment. ``@mirror left_eye right_eye`` declares two leaves that a
    horizontal flip exchanges.

    Attributes:
        name: what mappings call this tree: the file's stem.
        leaves: names of the leaves, in file order.
        nodes: names of all nodes but the root, in file order.
        depth: D, the depth of the deepest leaf; the root has depth 0.
        group_index: (D + 1, leaves); the number of each leaf's group at each depth (equation 2 of
            Muller & Smith, 2020: a leaf no deeper than d is its own group).
        mirror: (leaves,); the leaf that each leaf becomes in a flipped picture.
        text: the source text.
    """

    def __init__(self, text: str, *, name: str, source: str | None = None) -> None:
        """Parse a tree.

        Raises:
            HarmonizeError: with ``source`` and the line of each mistake.
        """
        self.name = name
        self.text = text
        root, mirrors = _parse(text, source or name)
        below = [node for node in root.walk() if node is not root]
        leaf_nodes = [node for node in below if node.is_leaf]
        self._root = root
        self.nodes: tuple[str, ...] = tuple(node.name for node in below)
        self.leaves: tuple[str, ...] = tuple(node.name for node in leaf_nodes)
        self.depth: int = max(node.depth for node in leaf_nodes)
        self._leaf_number = {leaf: number for number, leaf in enumerate(self.leaves)}
        self._below = {
            node.name: tuple(self._leaf_number[n.name] for n in node.walk() if n.is_leaf)
            for node in below
        }
        self._depth_of: dict[str, int] = {node.name: node.depth for node in below}
        self.group_index: Int[ndarray, "D1 K"] = _group_index(leaf_nodes, self.depth)
        self.mirror: Int[ndarray, " K"] = self._mirror(mirrors, source or name)

    @classmethod
    def from_file(cls, path: str | Path) -> "Ontology":
        """Read a tree file; the tree's name is the file's stem."""
        return cls(read_text(path), name=Path(path).stem, source=str(path))

    def groups(self, depth: int) -> tuple[tuple[str, ...], ...]:
        """Return the partition of the leaves at a depth in 0..D, in file order."""
        if not 0 <= depth <= self.depth:
            raise HarmonizeError(f"{self.name}: depth {depth} is not in 0..{self.depth}")
        row = self.group_index[depth]
        return tuple(
            tuple(self.leaves[leaf] for leaf in np.flatnonzero(row == group))
            for group in range(int(row.max()) + 1)
        )

    def depth_of(self, node: str) -> int:
        """Return a node's depth; the children of the root have depth 1."""
        return self._depth_of[node]

    def leaf_mask(self, nodes: str | Iterable[str]) -> Bool[ndarray, " K"]:
        """Mark the leaves below any of the given nodes.

        Raises:
            HarmonizeError: for names that are no nodes, all in one message, with near matches.
        """
        names = (nodes,) if isinstance(nodes, str) else tuple(nodes)
        unknown = [node for node in names if node not in self._below]
        if unknown:
            raise HarmonizeError(
                *(f"{self.name}: no node {n!r}; {near_matches(n, self.nodes)}" for n in unknown)
            )
        mask = np.zeros(len(self.leaves), dtype=bool)
        for node in names:
            mask[list(self._below[node])] = True
        return mask

    def describe(self, mask: Bool[ndarray, " K"]) -> tuple[str, ...]:
        """Name a set of leaves by the fewest nodes whose leaves make it up, in file order."""
        remaining = mask.copy()
        chosen: list[str] = []
        for node in sorted(self.nodes, key=self.depth_of):
            leaves = list(self._below[node])
            if remaining[leaves].all():
                chosen.append(node)
                remaining[leaves] = False
        return tuple(sorted(chosen, key=self.nodes.index))

    def draw(self, notes: dict[str, str] | None = None) -> str:
        """Draw the tree with box characters, each node followed by its note if it has one."""
        lines: list[str] = []
        rows = cast("list[tuple[str, str, _Node]]", list(RenderTree(self._root)))
        width = max(len(prefix) + len(node.name) for prefix, _, node in rows)
        for prefix, _, node in rows:
            note = (notes or {}).get(node.name, "")
            lines.append(f"{prefix + node.name:<{width + 2}}{note}".rstrip())
        return "\n".join(lines)

    def _mirror(self, pairs: list[tuple[int, str, str]], source: str) -> Int[ndarray, " K"]:
        partner: dict[str, str] = {}
        problems: list[str] = []
        for line, first, second in pairs:
            for leaf, other in ((first, second), (second, first)):
                if leaf not in self._leaf_number:
                    kind = "a node with children" if leaf in self.nodes else "not in the tree"
                    advice = near_matches(leaf, self.leaves)
                    problems.append(f"{source}:{line}: {leaf!r} is {kind}; mirror leaves: {advice}")
                elif leaf in partner or leaf == other:
                    problems.append(
                        f"{source}:{line}: {leaf!r} can be the mirror image of one other leaf only"
                    )
                    break
                partner[leaf] = other
        raise_all(problems)
        return np.array([self._leaf_number[partner.get(leaf, leaf)] for leaf in self.leaves])


def _parse(text: str, source: str) -> tuple[_Node, list[tuple[int, str, str]]]:
    """Return the root and the mirror declarations as (line, leaf, leaf)."""
    root = _Node(ROOT)
    path = [root]  # from the root down to the latest node
    unit = ""  # what one level is indented by
    line_of: dict[str, int] = {}
    mirrors: list[tuple[int, str, str]] = []
    problems: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        place = f"{source}:{number}"
        content = raw.split("#", 1)[0].rstrip()
        name = content.strip()
        if not name:
            continue
        if name.startswith("@"):
            words = name.split()
            if words[0] != MIRROR or len(words) != 3:
                problems.append(f"{place}: expected `@mirror LEAF LEAF`, got {name!r}")
            else:
                mirrors.append((number, words[1], words[2]))
            continue
        indent = content[: len(content) - len(content.lstrip())]
        unit = unit or ("\t" if indent.startswith("\t") else indent)
        level, wrong = _level(indent, unit, len(path) - 1)
        if wrong:  # what follows cannot be placed either
            raise HarmonizeError(*problems, f"{place}: {name!r} {wrong}")
        wrong = _wrong_name(name, line_of)
        if wrong:
            problems.append(f"{place}: {wrong}")
        line_of.setdefault(name, number)
        del path[level + 1 :]
        path.append(_Node(name, parent=path[level]))
    if root.is_leaf and not problems:
        problems.append(f"{source}:1: the tree is empty; write one node per line")
    raise_all(problems)
    return root, mirrors


def _level(indent: str, unit: str, deepest: int) -> tuple[int, str | None]:
    """Return the level that an indentation stands for, and what is wrong with it if anything is."""
    if len(set(indent + unit)) > 1 or set(indent) - {" ", "\t"}:
        return 0, "has mixed tabs and spaces before it; indent the whole file with one kind"
    level, rest = divmod(len(indent), len(unit) or 1)
    if rest:
        return 0, (
            f"is indented by {len(indent)} spaces, which is no multiple of {len(unit)}, "
            "the first indentation of the file"
        )
    if level > deepest:
        return 0, (
            f"is indented by {level} levels, where at most {deepest} can be; "
            "indent one level at a time"
        )
    if level >= MAX_DEPTH:
        return 0, f"is deeper than {MAX_DEPTH} levels"
    return level, None


def _wrong_name(name: str, line_of: dict[str, int]) -> str | None:
    if len(name.split()) > 1:
        return f"a name has no spaces, got {name!r}; write {'_'.join(name.split())}"
    if name in (ROOT, "ignore"):
        return f"{name!r} is a reserved name; choose another"
    if name in line_of:
        return f"{name!r} stands on line {line_of[name]} already; names are unique"
    return None


def _group_index(leaf_nodes: list[_Node], depth: int) -> Int[ndarray, "D1 K"]:
    """Number the groups of each depth in file order."""
    index = np.zeros((depth + 1, len(leaf_nodes)), dtype=np.int64)
    for d in range(depth + 1):
        ancestors = [leaf.path[min(d, leaf.depth)].name for leaf in leaf_nodes]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(ancestors))}
        index[d] = [numbers[name] for name in ancestors]
    return index
