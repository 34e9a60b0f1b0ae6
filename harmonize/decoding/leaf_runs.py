"""A decoding tree in the order in which C goes through its leaves, once for each pixel."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, Int32
from numpy import ndarray

from harmonize.config.train_config import Decode
from harmonize.decoding.decoding_tree import DecodingTree

# Letters of shapes: K leaves, F of them in some unit, U units, R runs, N nodes but for the root.

_FIRST, _LAST, _LEVEL, _CLOSES, _TOGETHER = range(5)


@dataclass(frozen=True)
class LeafRuns:
    """The leaves of a tree in runs: parts of one node that follow each other.

    Nodes are the root and the groups of units that have several parts; a group of one part is that
    part.

    Attributes:
        leaf: the leaves.
        unit: of each.
        weight: what its unit is worth beside the nodes that it is in, if answers are chosen by
            height; see ``DecodingTree.weights``.
        runs: for each its first leaf, the one after its last, the level of its node (0 for the
            root), the number of nodes that end with it, and whether its leaves are one unit.
        closing: what each node is worth, in the order in which they end.
        num_leaves: K.
        by_height: whether answers are chosen by height; else by probability.
    """

    leaf: Int32[ndarray, " F"]
    unit: Int32[ndarray, " F"]
    weight: Float32[ndarray, " F"]
    runs: Int32[ndarray, "R 5"]
    closing: Float32[ndarray, " N"]
    num_leaves: int
    by_height: bool

    @classmethod
    def of(cls, tree: DecodingTree, how: Decode) -> "LeafRuns":
        """Put the leaves of a tree in order; see ``Decoder`` for ``how``."""
        order = _Order(tree, flat=how == "leaves")
        return cls(
            np.array(order.leaf, dtype=np.int32),
            np.array(order.unit, dtype=np.int32),
            np.array(order.weight, dtype=np.float32),
            np.array(order.runs, dtype=np.int32),
            np.array(order.closing, dtype=np.float32),
            num_leaves=tree.leaves.shape[1],
            by_height=how == "height",
        )

    @property
    def by_logit(self) -> bool:
        """Whether each leaf is a part of the root, so that the largest logit is the answer."""
        flat = len(self.runs) == 1 and not self.runs[0, _TOGETHER]
        return flat and not self.by_height

    @property
    def num_levels(self) -> int:
        """The number of nodes that are inside each other, the root included."""
        return int(self.runs[:, _LEVEL].max()) + 1


class _Order:
    """Goes through a tree from the root down."""

    def __init__(self, tree: DecodingTree, *, flat: bool) -> None:
        self._leaves = tree.leaves
        self._groups = tree.groups[-1:] if flat else tree.groups
        self._weights = tree.weights[-1:] if flat else tree.weights
        self.leaf: list[int] = []
        self.unit: list[int] = []
        self.weight: list[float] = []
        self.runs: list[list[int]] = []
        self.closing: list[float] = []
        units = np.arange(tree.num_units)
        self._add_parts(units, self._end(units, 0), level=0)

    def _add_parts(self, units: Int[ndarray, " U"], depth: int, *, level: int) -> None:
        """Add the parts of a node, which its units are in at a depth."""
        of = self._groups[depth][units]
        order = of.argsort(kind="stable")
        for part in np.split(units[order], np.flatnonzero(np.diff(of[order])) + 1):
            end = self._end(part, depth)
            here = range(depth, end if len(part) > 1 else len(self._groups))
            worth = sum(float(self._weights[d][self._groups[d][part[0]]]) for d in here)
            if len(part) == 1:
                self._add_unit(int(part[0]), level, worth)
                continue
            self._add_parts(part, end, level=level + 1)
            self.runs[-1][_CLOSES] += 1
            self.closing.append(worth)

    def _end(self, units: Int[ndarray, " U"], depth: int) -> int:
        """Return the first depth from one on where units are in several groups, or the last."""
        while depth < len(self._groups) - 1 and np.ptp(self._groups[depth][units]) == 0:
            depth += 1
        return depth

    def _add_unit(self, unit: int, level: int, worth: float) -> None:
        leaves = np.flatnonzero(self._leaves[unit]).tolist()
        first = len(self.leaf)
        self.leaf += leaves
        self.unit += [unit] * len(leaves)
        self.weight += [worth] * len(leaves)
        last = self.runs[-1] if self.runs else None
        together = len(leaves) > 1
        if last and not (together or last[_TOGETHER] or last[_CLOSES]) and last[_LEVEL] == level:
            last[_LAST] += 1
        else:
            self.runs.append([first, len(self.leaf), level, 0, int(together)])
